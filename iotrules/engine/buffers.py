"""What is kept of a key's samples for the windows that its rules look through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from iotrules.engine.drift import Drift
from iotrules.engine.newest import Newest
from iotrules.engine.samples import FOREVER, WindowState
from iotrules.engine.windows import MAX_SAMPLES, SampleWindow
from iotrules.language.unparse import unparse
from iotrules.model.expression import Clock, Expression, Lag, Outlier, Statistic, Window, own_windows
from iotrules.model.times import duration_words

Kept: TypeAlias = SampleWindow | Newest | Drift
"""What keeps the samples of a buffer."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """A sample window that a track keeps; aggregates over the same argument and duration share it.

    It holds at most `keep` samples: none for what looks at the clock only. With `fold` a sample is what the function
    made of it and of the one before.
    """

    name: str
    argument: Expression
    duration: int
    keep: int = MAX_SAMPLES
    fold: Statistic | None = None
    span: int = 0
    apart: bool = False
    """Is a sample how far its value lies from those of others of its group?"""


def buffer_of(window: Window, most: int = MAX_SAMPLES) -> Buffer:
    """What has to be kept for one window."""
    inner = unparse(window.argument)
    match window.kind:
        case Statistic.STREAK | Statistic.EWMA as kind:
            return Buffer(unparse(window), window.argument, FOREVER, 1, kind, window.duration)
        case Statistic.DRIFT:
            return Buffer(unparse(window), window.argument, FOREVER, 1, Statistic.DRIFT)
        case Statistic.DELTA | Statistic.CHANGED | Statistic.AGE:
            return Buffer(f"{inner}, newest", window.argument, FOREVER, 2)
        case Lag(steps=steps):
            return Buffer(f"{inner}, newest", window.argument, FOREVER, steps + 1)
        case Clock():
            return Buffer(unparse(window), window.argument, FOREVER, 0)
        case Outlier():
            return Buffer(unparse(window, canonical=True), window.argument, FOREVER, 1, apart=True)
    return Buffer(f"{inner}, {duration_words(window.duration)}", window.argument, window.duration, most)


def new_buffer(buffer: Buffer, state: WindowState | None = None) -> Kept:
    """What keeps the buffer's samples: empty, or as it was stored."""
    if buffer.fold is Statistic.DRIFT:
        return Drift(state)
    return Newest(state) if buffer.duration == FOREVER else SampleWindow(buffer.duration, state)


def buffers_of(conditions: Iterable[Expression], most: int = MAX_SAMPLES) -> tuple[Buffer, ...]:
    """Each once, as deep as the condition that looks back farthest needs it; a window holds `most` samples."""
    found: dict[str, Buffer] = {}
    for buffer in (buffer_of(window, most) for condition in conditions for window in own_windows(condition)):
        known = found.get(buffer.name)
        if known is None or known.keep < buffer.keep:
            found[buffer.name] = buffer
    return tuple(found.values())
