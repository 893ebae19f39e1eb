"""Keys with nothing behind them: half-typed, or left over. House rule: they are refused wherever that has no meaning.

It has one for a field of a stream (a number), in the payload of a message (JSON's null), and beside `use`, where such a
key takes the template's away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from iotrules.language.parts import Part
from iotrules.model.errors import Problem
from iotrules.yamlfile import Mapping, Node, Scalar, Sequence, entry, node_at, quoted

_Path: TypeAlias = tuple[str | int, ...]
_At: TypeAlias = tuple[str, int, int]

_NOT_NOTHING = ", not nothing"
"""How a problem ends that says no more than that."""

_EXAMPLES = {
    "absent": "env", "ack_within": "30s", "across": "device", "args": "{mode: safe}", "between": '["08:00", "18:00"]',
    "by": "[site]", "clear": "temp < 70", "command": "NAME", "cooldown": "10m", "days": "mon-fri", "every": "10s",
    "expect": "seen_within 7d", "expires": "5m", "for": "5m", "fresh": "30s", "from": "STREAM", "id": "[boot, seq]",
    "interval": "10s", "invoke": "FUNCTION", "late": "5s", "levels": "{major: {when: CONDITION, for: 5m}}",
    "matching": "newest", "max_gap": "30s", "only": '{days: mon-fri, between: ["08:00", "18:00"], zone: Europe/Berlin}',
    "only_keys": "{site: [north]}", "range": "[-40, 150]", "retry": "2", "sequence": "[{first: …}, {then: …}]",
    "severity": "major", "unit": "degC", "use": "TEMPLATE", "when": "temp > 85", "within": "90s",
}  # fmt: skip
_NEEDED = frozenset(
    {"from", "absent", "sequence", "when", "within", "first", "then", "without", "use", "invoke", "command", "publish"}
)
"""What a rule (a level, a step) is made of: leaving it out only changes what is said to be wrong."""


def refuse_blanks(sections: Iterable[tuple[str, Iterable[Part]]], problems: list[Problem]) -> None:
    """Note every such key, unless something else is wrong at it or around it than that nothing is there."""
    plainer = {_at(problem) for problem in problems if problem.message.endswith(_NOT_NOTHING)}
    told = {_at(problem) for problem in problems} - plainer
    found: list[Problem] = []
    replaced: set[_At] = set()
    for section, parts in sections:
        for part in parts:
            for path, key, value in _blanks(part, told):
                if not _means_something(section, part, path):
                    message = f"{quoted(key.text)} has nothing behind it"
                    found.append(part.source.problem(key.place, message, _remedy(part, path, key.text)))
                    replaced |= {(part.source.file, *key.place), (part.source.file, *value.place)}
    problems[:] = [problem for problem in problems if _at(problem) not in plainer & replaced] + found


def without_blanks(node: Mapping) -> Mapping:
    """The mapping without its own keys that have nothing behind them."""
    kept = tuple((key, value) for key, value in node.entries if not _is_blank(value))
    return Mapping(kept, node.line, node.column, node.flow)


def _at(problem: Problem) -> _At:
    return problem.file, problem.line, problem.column


def _blanks(part: Part, told: set[_At]) -> Iterator[tuple[_Path, Scalar, Scalar]]:
    """Each such key, with its path and its value; the part's own name has the path ()."""
    waiting: list[tuple[_Path, Scalar, Node]] = [((), part.key, part.node)]
    while waiting:
        path, key, node = waiting.pop()
        if not told.isdisjoint(((part.source.file, *key.place), (part.source.file, *node.place))) and path:
            continue
        match node:
            case Scalar(value=None):
                yield path, key, node
            case Sequence(items=items):
                waiting += [((*path, index), key, item) for index, item in enumerate(items) if not _is_blank(item)]
            case Mapping(entries=entries):
                waiting += [((*path, inner.text), inner, value) for inner, value in entries]


def _is_blank(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _means_something(section: str, part: Part, path: _Path) -> bool:
    match section, path:
        case "streams", ("fields", _):
            return True
        case "rules", ("do", int(), "publish", "payload", *_):
            return True
        case "rules", (str() as key,):
            used = entry(part.node, "use")
            return used is not None and not _is_blank(used[1]) and key not in ("use", "with", "params")
    return False


def _remedy(part: Part, path: _Path, key: str) -> str:
    if not path:
        return "write what it is: a mapping of keys; or remove the name"
    if path[:1] == ("with",) and len(path) == 2:
        return f"say what it is: {key}: VALUE; or leave it out, if the template has a default for it"
    example = _EXAMPLES.get(key)
    wanted = f"write {key}: {example}" if example else "write what it is"
    beside = node_at(part.node, path[:-1])
    silence = key == "for" and beside is not None and entry(beside, "absent") is not None
    if silence or (key in _NEEDED and "clear" not in path):
        return wanted
    return f"leave it out, or {wanted}"
