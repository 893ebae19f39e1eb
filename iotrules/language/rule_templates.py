"""Rules with `params:`: templates, which raise nothing themselves, read and checked before the rules that use them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from iotrules.language.parameters import Parameter, ParameterType, read_parameters
from iotrules.language.parts import Part
from iotrules.language.rules import build_rule
from iotrules.language.substitution import WORDS
from iotrules.language.surroundings import Surroundings
from iotrules.language.syntax import ExpressionError
from iotrules.language.tokens import tokenize
from iotrules.language.trials import fruitless
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import Node, Scalar, node_at, quoted
from iotrules.yamlfile import Sequence as SequenceNode

_ENOUGH = 200
_TRIALS = 300
_ALL_TRIALS = 3000

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SLOT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class RuleTemplate:
    """`part` is what it says beside `params`; `parameters` is None if they are wrong. `sound`: no problem was found."""

    part: Part
    parameters: dict[str, Parameter] | None
    sound: bool


@dataclass(frozen=True, slots=True)
class Templates:
    """All templates by name, and every other rule, so that it can be said why one is no template."""

    found: Mapping[str, RuleTemplate]
    rules: Mapping[str, Part]


def is_template(part: Part) -> bool:
    return part.gives("params")


def read_templates(parts: Mapping[str, Part], around: Surroundings) -> Templates:
    """Every rule that has `params`, wherever it stands; what is wrong with it is noted."""
    declared = [part for part in parts.values() if is_template(part)]
    most = min(_TRIALS, max(8, _ALL_TRIALS // max(1, len(declared))))
    found: dict[str, RuleTemplate] = {}
    for part in declared:
        if len(part.problems) >= _ENOUGH:
            break
        found[part.name] = _read(part, around, most)
    return Templates(found, parts)


def _read(part: Part, around: Surroundings, most: int) -> RuleTemplate:
    before = len(part.problems)
    for key in ("use", "with"):
        if node_at(part.node, [key]) is not None:
            hint = "write out what it takes from the other one, or leave out params: to make a rule of it"
            part.wrong_key(f"{key} in a template: a template can't be made from another one", key, hint=hint)
    parameters = read_parameters(part)
    body = replace(part, node=without(part.node, "params", "use", "with"))
    if parameters is not None:
        _refuse_unused(part, body.node, parameters)
        _refuse_names_of_streams(part, parameters, around)
        values = list(parameters.values())
        part.problems.extend(fruitless(body, values, around, lambda trial: build_rule(trial, around), most))
    return RuleTemplate(body, parameters, len(part.problems) == before)


def entries_of(node: Node | None) -> tuple[tuple[Scalar, Node], ...]:
    """The keys and values of a mapping; none of anything else."""
    return node.entries if isinstance(node, MappingNode) else ()


def without(node: Node, *keys: str) -> Node:
    """A mapping without some of its keys."""
    if not isinstance(node, MappingNode):
        return node
    return replace(node, entries=tuple((key, value) for key, value in node.entries if key.text not in keys))


def _refuse_unused(part: Part, body: Node, parameters: Mapping[str, Parameter]) -> None:
    used = set(_words(body, ""))
    for name in parameters:
        if name not in used:
            hint = "use it, or remove it"
            part.wrong_key(f"the template does not use its parameter {quoted(name)}", "params", name, hint=hint)


def _words(node: Node, key: str) -> Iterator[str]:
    """The names that can be parameters: in text for people only those in braces."""
    match node:
        case Scalar(text=text):
            yield from _SLOT.findall(text) if key in WORDS or key == "summary" else _names(text)
        case SequenceNode(items=items):
            for item in items:
                yield from _words(item, key)
        case MappingNode(entries=entries):
            for inner, value in entries:
                yield from _words(value, key if key in WORDS else inner.text)


def _names(text: str) -> list[str]:
    """Those of a condition, without its functions; every word where the text is no condition."""
    try:
        tokens = tokenize(text)
    except ExpressionError:
        return _WORD.findall(text)
    return [token.text for token, following in pairwise(tokens) if token.kind == "name" and following.text != "("]


def _refuse_names_of_streams(part: Part, parameters: Mapping[str, Parameter], around: Surroundings) -> None:
    """A name means one thing: a parameter can't be called like a field or a capture of the stream."""
    named = node_at(part.node, ["from"]) or node_at(part.node, ["absent"])
    name = named.text if isinstance(named, Scalar) else ""
    if name in parameters and parameters[name].type is ParameterType.STREAM:
        return  # that is told of the rule that gives it
    for clash, message in clashes(name, parameters, around).items():
        part.wrong_key(message, "params", clash, hint="give it another name, such as limit or hold")


def clashes(stream_name: str, parameters: Mapping[str, Parameter], around: Surroundings) -> dict[str, str]:
    """The parameters that the stream has a field or a capture for, with that in words."""
    stream = around.streams.get(stream_name)
    if stream is None:
        return {}
    kinds = dict.fromkeys(stream.captures, "capture") | {field.name: "field" for field in stream.fields}
    return {
        name: f"{name} is a {kinds[name]} of the stream {stream_name} and can't name a parameter"
        for name in parameters
        if name in kinds
    }
