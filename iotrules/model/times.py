"""Instants and durations: integer nanoseconds since the Unix epoch inside, words and UTC at the edges."""

from __future__ import annotations

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UNITS = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND))


def rough_words(nanoseconds: int) -> str:
    """Like `duration_words`, to whole seconds from a minute up: for telling, not for reading back."""
    return duration_words(nanoseconds // SECOND * SECOND if nanoseconds >= MINUTE else nanoseconds)


def duration_words(nanoseconds: int) -> str:
    """`2m30s`, `500ms`, `0s`: the shortest spelling that the language reads back; finer than 1 ms is rounded."""
    rest = round(abs(nanoseconds) / MILLISECOND) * MILLISECOND
    words = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count}{unit}")
    return ("-" if nanoseconds < 0 else "") + ("".join(words) or "0s")
