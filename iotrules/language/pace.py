"""`max_gap` and `every`, of a stream or of one of its rules: which silence is too long, how often time is looked at."""

from __future__ import annotations

from typing import NamedTuple

from iotrules.language.parts import Part
from iotrules.model.times import MILLISECOND, SECOND


class Pace(NamedTuple):
    """Both in ns, None where nothing is said."""

    max_gap: int | None = None
    every: int | None = None


NO_PACE = Pace()


def read_pace(part: Part, max_gap: str | float | None, every: str | float | None) -> Pace:
    """What the entry says; what is wrong with it is noted and left out."""
    found = part.duration(every, 0, "every", least=MILLISECOND)
    if 0 < found < SECOND:
        part.wrong('"every" is at least 1s', "every", hint="a message is decided on at once, however often one comes")
    return Pace(part.duration(max_gap, 0, "max_gap", least=MILLISECOND) or None, found or None)
