"""The tree of a YAML file, with the place of every key and value; lines and columns count from 1."""

from __future__ import annotations

from collections.abc import Sequence as AbstractSequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""

Style: TypeAlias = Literal["plain", "single", "double", "block"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: `value` by the YAML 1.2 core schema, `text` as a string, `raw` as it stands in the file."""

    value: str | int | float | bool | None
    text: str
    line: int
    column: int
    raw: str = ""
    style: Style = "plain"

    @property
    def place(self) -> Place:
        return self.line, self.column


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    line: int
    column: int
    flow: bool = False

    @property
    def place(self) -> Place:
        return self.line, self.column


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys are unique, by their text: `1` and `"1"` are the same key."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int
    column: int
    flow: bool = False

    @property
    def place(self) -> Place:
        return self.line, self.column


Node: TypeAlias = Scalar | Sequence | Mapping

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"


def to_plain(node: Node) -> Plain:
    """The values without their places: dict, list, str, int, float, bool, None. Every key is its text."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [to_plain(item) for item in items]
        case Mapping(entries=entries):
            return {key.text: to_plain(value) for key, value in entries}


def entry(node: Node | None, name: str) -> tuple[Scalar, Node] | None:
    """The key and the value of `name` if the node is a mapping that has it."""
    entries = node.entries if isinstance(node, Mapping) else ()
    return next((pair for pair in entries if pair[0].text == name), None)


def node_at(node: Node, path: AbstractSequence[str | int]) -> Node | None:
    """What stands at the end of a path of keys and indexes, or None."""
    for step in path:
        found = _child(node, step)
        if found is None:
            return None
        node = found
    return node


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(step, int):
        inside = isinstance(node, Sequence) and 0 <= step < len(node.items)
        return node.items[step] if inside and isinstance(node, Sequence) else None
    found = entry(node, step)
    return found[1] if found else None


def place_in(scalar: Scalar, offset: int) -> Place:
    """Where the character at `offset` of a scalar's text stands in the file, despite quotes and folds."""
    at = _raw_index(scalar, offset)
    before = scalar.raw[:at]
    newline = before.rfind("\n")
    if newline < 0:
        return scalar.line, scalar.column + at
    return scalar.line + before.count("\n"), at - newline


def _raw_index(scalar: Scalar, offset: int) -> int:
    at = _body_start(scalar)
    for character in scalar.text[:offset]:
        at = _after(scalar, at, character)
    if offset < len(scalar.text) and not scalar.text[offset].isspace():
        at = _skip_space(scalar.raw, at)
    return min(at, len(scalar.raw))


def _body_start(scalar: Scalar) -> int:
    if scalar.style == "block":
        return scalar.raw.find("\n") + 1
    return 0 if scalar.style == "plain" else 1


def _after(scalar: Scalar, at: int, character: str) -> int:
    """The index behind `character`, the next of the text, given that the one before ended at `at`."""
    raw = scalar.raw
    if not character.isspace():
        at = _skip_space(raw, at)
    if scalar.style == "double" and raw[at : at + 1] == "\\":
        return at + {"x": 4, "u": 6, "U": 10}.get(raw[at + 1 : at + 2], 2)
    if scalar.style == "single" and raw[at : at + 2] == "''":
        return at + 2
    return at + 1 if at < len(raw) and (raw[at].isspace() or not character.isspace()) else at


def _skip_space(raw: str, at: int) -> int:
    while at < len(raw) and (raw[at].isspace() or raw[at : at + 2] == "\\\n"):
        at += 1
    return at
