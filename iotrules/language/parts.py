"""One named entry of a rule file while it is checked: its place, and where its problems go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel

from iotrules.language.durations import INTERVALS, duration
from iotrules.language.parameters import Arguments
from iotrules.language.syntax import ExpressionError
from iotrules.model.errors import Problem
from iotrules.model.rules import Hold, Location
from iotrules.yamlfile import Node, Place, Scalar, Source, check_node, entry, node_at, place_in, quoted

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Part:
    """`key: node` of a file. `problems` is shared by all parts of a load."""

    source: Source
    key: Scalar
    node: Node
    problems: list[Problem]
    arguments: Arguments = field(default_factory=dict)
    """Of a rule that uses a template: what stands for the parameters."""

    @property
    def name(self) -> str:
        return self.key.text

    @property
    def location(self) -> Location:
        return Location(self.source.file, self.key.line)

    def document(self, model: type[M]) -> M | None:
        """The entry as a document; what is wrong with it is noted and left out."""
        document, problems = check_node(self.node, model, self.source, at=self.key)
        self.problems.extend(problems)
        return document

    def gives(self, *path: str | int) -> bool:
        """Is there a key at `path`? One with nothing behind it is refused as such: see `blanks`."""
        return node_at(self.node, path) is not None

    def wrong(self, message: str, *path: str | int, hint: str = "") -> None:
        """Note a problem with the value at `path`, or with the entry itself."""
        self.problems.append(self.source.problem(self._value_place(path), message, hint))

    def wrong_key(self, message: str, *path: str | int, hint: str = "") -> None:
        """Note a problem with a key: that it is there at all."""
        found = entry(node_at(self.node, path[:-1]), str(path[-1]))
        self.problems.append(self.source.problem((found[0] if found else self.key).place, message, hint))

    def wrong_inside(self, error: ExpressionError, *path: str | int) -> None:
        """Note a problem somewhere inside the text at `path`."""
        node = node_at(self.node, path)
        place = place_in(node, error.offset) if isinstance(node, Scalar) else self._value_place(path)
        self.problems.append(self.source.problem(place, error.message, error.hint))

    def _value_place(self, path: tuple[str | int, ...]) -> Place:
        node = node_at(self.node, path) if path else None
        if node is None:
            return self.key.place
        last = path[-1]
        found = entry(node_at(self.node, path[:-1]), last) if isinstance(last, str) else None
        return found[0].place if found and not isinstance(node, Scalar) else node.place

    def duration(self, given: str | float | None, default: int, *path: str | int, least: int = 0) -> int:
        """The nanoseconds of the duration at `path`; the default where it is wrong or not given."""
        if given is None:
            return default
        try:
            return _duration(given, least)
        except ValueError as error:
            self.wrong(f"{quoted(str(path[-1]))}: {error}", *path)
        return default

    def hold(self, given: str | float | None, default: Hold, *path: str | int) -> Hold:
        """A duration, or `3 * interval`."""
        found = INTERVALS.fullmatch(given) if isinstance(given, str) else None
        if found and float(found[1]) > 0:
            return Hold(intervals=float(found[1]))
        if isinstance(given, str) and "interval" in given:
            self.wrong(f"{quoted(str(path[-1]))}: expected a number of intervals", *path, hint="write 3 * interval")
            return default
        nanoseconds = self.duration(given, -1, *path)
        return default if nanoseconds < 0 else Hold(nanoseconds=nanoseconds)


def _duration(given: str | float, least: int) -> int:
    if not isinstance(given, str):
        raise ValueError(f"a duration has a unit: write {given:g}s or {given:g}m")
    nanoseconds = duration(given)
    if nanoseconds < least:
        raise ValueError("must be longer than 0s")
    return nanoseconds
