"""Durations as people write them: `500ms`, `2m30s`, `7d`."""

from __future__ import annotations

import re

from iotrules.model.times import DAY, HOUR, MILLISECOND, MINUTE, SECOND

SIZES = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": MILLISECOND}
LONGEST = 366 * DAY

DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[dhms]))+(?![0-9A-Za-z_.])", re.ASCII)
INTERVALS = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) \* interval")
"""A multiple of the key's reporting interval."""

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[dhms])", re.ASCII)


def duration(text: str) -> int:
    """Nanoseconds. ValueError says what is wrong: no unit, a wrong order, too long, finer than 1 ms."""
    if not DURATION.fullmatch(text):
        raise ValueError("not a duration: write a number and a unit without a space, as in 90s, 2m30s or 7d")
    found = _PART.findall(text)
    sizes = [SIZES[unit] for _, unit in found]
    if sizes != sorted(set(sizes), reverse=True):
        raise ValueError("the units of a duration go from large to small, each once, as in 1h30m")
    if any(len(number) > 18 for number, _ in found):
        raise ValueError("a duration is at most 366d")
    total = sum(round(float(number) * size) for (number, _), size in zip(found, sizes, strict=True))
    if total > LONGEST:
        raise ValueError("a duration is at most 366d")
    if total % MILLISECOND:
        raise ValueError("a duration is whole milliseconds")
    return total
