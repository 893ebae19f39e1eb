"""The text of a file that people write, cut into lines, and problems that point into it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from iotrules.model.errors import Problem
from iotrules.yamlfile.nodes import Place

_CONSIDERED = 50
_TRANSPOSED = 0.8

_SHOWN = 200
"""Longer lines are cut; a place behind the cut is shown without its line."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name (as shown in messages) and its lines."""

    file: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, text: str, file: str) -> Source:
        return cls(file, tuple(normal(text).split("\n")))

    def problem(self, place: Place, message: str, hint: str = "") -> Problem:
        """One problem at a place, with the text of its line."""
        line, column = place
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        shown = "".join(c if c.isprintable() else " " for c in text[:_SHOWN]) if column <= _SHOWN else ""
        return Problem(self.file, line, column, message, hint, shown.rstrip())


def normal(text: str) -> str:
    """The text without a byte order mark at its start, with `\\n` as its only line break."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def quoted(text: str, limit: int = 60) -> str:
    """Text of a file inside a message: in double quotes, printable, cut at `limit`."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut) + '"'


def nearest(name: str, valid: Iterable[str]) -> str:
    """`: did you mean "severity"?` for a name that is close to a valid one, else nothing."""
    name = name[:60]
    found = difflib.get_close_matches(name, sorted(valid), n=_CONSIDERED, cutoff=0.6)
    best = min(found, key=lambda other: _slip(name, other), default=None)
    return f": did you mean {quoted(best)}?" if best is not None else ""


def _slip(name: str, other: str) -> tuple[float, int, int, str]:
    """How it was mistyped: by few strokes (two letters that changed places are less than one), else in its end."""
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False)))
    return _strokes(name, other[:60]), abs(len(name) - len(other)), -alike, other


def _strokes(one: str, other: str) -> float:
    """The edit distance (Damerau-Levenshtein with adjacent transpositions)."""
    before: list[float] = []
    line: list[float] = [float(n) for n in range(len(other) + 1)]
    for row, letter in enumerate(one):
        before, above, line = line, before, [row + 1.0]
        for column, wanted in enumerate(other):
            least = min(before[column] + (letter != wanted), before[column + 1] + 1, line[column] + 1)
            if row and column and letter == other[column - 1] and one[row - 1] == wanted:
                least = min(least, above[column - 1] + _TRANSPOSED)
            line.append(least)
    return line[-1]
