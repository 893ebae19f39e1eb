"""A template on trial: what is wrong with it whatever its parameters are.

House rule: a template is refused only if no trial goes well, so that nothing is told which some rule could avoid. What
depends on the arguments is told of the rule that gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from zlib import crc32

from iotrules.language.parameters import Argument, Parameter, ParameterType, read_argument
from iotrules.language.parts import Part
from iotrules.language.substitution import spliced
from iotrules.language.surroundings import Surroundings
from iotrules.language.words import NAME
from iotrules.model.errors import Problem
from iotrules.model.rules import Stream
from iotrules.yamlfile import Mapping, Node, Place, Scalar, node_at

_NUMBERS = (1, 2, 0.5, -1, 100, 1e9, -1e9, "50%", "5m")
_SEVERITIES = ("minor", "critical", "major", "info")
_DURATIONS = ("1m", "1s", "1d", "3 * interval")
_MOST_STREAMS = 20
_MOST_TEXTS = 30


def fruitless(
    part: Part,
    parameters: Sequence[Parameter],
    around: Surroundings,
    build: Callable[[Part], object],
    most: int,
) -> list[Problem]:
    """The problems of the best trial, none if one goes well; `part` is the template without `params`."""
    free = {one.name for one in parameters if one.type is ParameterType.TEXT and one.default is None}
    best: list[Problem] = []
    common: set[Place] | None = None
    streams = _streams(part, parameters, around)
    for stream in streams:
        choices = [_candidates(parameter, around.streams.get(stream), stream) for parameter in parameters]
        every = prod(map(len, choices)) <= most // len(streams)
        for chosen in _combinations(choices, most // len(streams)):
            arguments = {one.name: argument for one, argument in zip(parameters, chosen, strict=True)}
            met = _try(part, stream, arguments, build, free)
            if not met:
                return []
            best = met if not best or len(met) < len(best) else best
            if not every:  # a trial that would go well may be among those left out: then only what all have in common
                places = {(problem.line, problem.column) for problem in met}
                common = places if common is None else common & places
    return [problem for problem in best if common is None or (problem.line, problem.column) in common]


def _try(
    part: Part, stream: str, arguments: dict[str, Argument], build: Callable[[Part], object], free: set[str]
) -> list[Problem]:
    """The problems of one trial, but for those at a free text: whoever gives it may know one that fits."""
    met: list[Problem] = []
    build(replace(part, node=spliced(_with_stream(part.node, stream), arguments), problems=met, arguments=arguments))
    return [problem for problem in dict.fromkeys(met) if _word_at(part, problem) not in free]


def _word_at(part: Part, problem: Problem) -> str:
    found = NAME.match(part.source.lines[problem.line - 1], problem.column - 1)
    return found[0] if found else ""


def _with_stream(node: Node, stream: str) -> Node:
    """The template names its stream, or the rules that use it do."""
    if not isinstance(node, Mapping) or any(
        key.text in ("from", "absent", "sequence", "sql") for key, _ in node.entries
    ):
        return node
    return replace(node, entries=((_unwritten("from"), _unwritten(stream)), *node.entries))


def _unwritten(value: str | float | bool) -> Scalar:
    return Scalar(value, str(value).lower() if isinstance(value, bool) else str(value), 0, 1)


def _streams(part: Part, parameters: Sequence[Parameter], around: Surroundings) -> list[str]:
    """The streams that the rule may be over: the one that it names, or any."""
    named = node_at(part.node, ["from"]) or node_at(part.node, ["absent"])
    if isinstance(named, Scalar):
        parameter = next((one for one in parameters if one.name == named.text), None)
        if parameter is None:
            return [named.text]
        if parameter.default is not None:
            return [parameter.default.node.text]
    return list(around.streams)[:_MOST_STREAMS]


def _combinations(choices: list[list[Argument]], most: int) -> Iterator[tuple[Argument, ...]]:
    """Every one, or if there are too many, as many as may be, well mixed and always the same ones."""
    if prod(map(len, choices)) <= most:
        yield from product(*choices)
        return
    for number in range(most):
        mixed = (crc32(b"%d %d" % (number, index)) for index in range(len(choices)))
        yield tuple(some[at % len(some)] for some, at in zip(choices, mixed, strict=True))


def _candidates(parameter: Parameter, stream: Stream | None, name: str) -> list[Argument]:
    """What a rule could give: the default if there is one, else some of each kind that makes a difference."""
    if parameter.default is not None:
        return [parameter.default]
    given = (read_argument(parameter.type, _unwritten(value)) for value in _values(parameter.type, stream, name))
    return [argument for argument in given if argument is not None]


def _values(type_: ParameterType, stream: Stream | None, name: str) -> Iterable[str | float | bool]:
    match type_:
        case ParameterType.FIELD:
            return _fields(stream) or ["field"]
        case ParameterType.NUMBER:
            units = dict.fromkeys(field.unit for field in (stream.fields if stream else ()) if field.unit)
            return [*_NUMBERS, *(f"1 {unit}" for unit in units)]
        case ParameterType.DURATION:
            return _DURATIONS
        case ParameterType.TEXT:
            return _texts(stream)
        case ParameterType.FLAG:
            return (True, False)
        case ParameterType.SEVERITY:
            return _SEVERITIES
        case ParameterType.STREAM:
            return [name]
        case ParameterType.FUNCTION:
            return ["function"]


def _fields(stream: Stream | None) -> list[str]:
    """One of each type and unit."""
    kinds = {(field.type, field.unit, field.one_of): field.name for field in (stream.fields if stream else ())}
    return list(kinds.values())


def _texts(stream: Stream | None) -> list[str]:
    known = [text for field in (stream.fields if stream else ()) for text in field.one_of]
    return ["UTC", "text", *(stream.captures if stream else ()), *known[:_MOST_TEXTS]]
