"""Sample windows: the samples of the last `duration` ns, and what is worked out from them, O(1) amortised.

House rule: the result depends on the sequence of samples only, never on when somebody asked, so that a run that was
stored and restored between any two messages gives the same floats as one that was not. A window keeps the log of its
samples; each aspect of it (sums, extremes, ranks …) is made when first asked for, from nothing but that log.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import MutableSequence
from typing import Any

import msgspec

from iotrules.engine.aspects import Extremes, Sums, Trend
from iotrules.engine.moments import Moments
from iotrules.engine.neighbours import Changes, Falls, Held
from iotrules.engine.ranks import Ranks
from iotrules.engine.readers import reader
from iotrules.engine.samples import Sample
from iotrules.model.expression import Aggregate, Value

MAX_SAMPLES = 10_000
"""A window that would hold more is unknown until the sample it had to drop would have left it anyway."""

FOREVER = 2**63
"""The duration of a buffer that holds the newest samples, however old."""

NEVER = -(2**64)
"""The time of the newest sample where there is none."""

SPARE = 8
"""How many samples a buffer of the newest ones may hold on to before it lets go of them at once."""


class WindowState(msgspec.Struct, array_like=True):
    """What a window is made of again after a restart."""

    times: list[int] = []
    values: list[float | str | bool] = []
    incomplete_until: int = 0
    before: tuple[int, float | str | bool] | None = None
    """The newest sample that has left: what held when the window began."""
    front: int = 0
    """How many samples are of the older part."""
    absent: bool = False
    """Did the newest message lack the value?"""


class SampleWindow:
    """One buffer of samples, shared by all that is asked over the same argument and duration; a `Log`.

    `at` is the time of the newest sample, and `known` the number of samples then: -1 if the window is incomplete.
    """

    __slots__ = (
        "absent", "at", "changes", "duration", "falls", "head", "held", "highs", "incomplete_until", "known", "lows",
        "moments", "ranks", "stacked", "sums", "times", "trend", "turns", "values",
    )  # fmt: skip

    def __init__(self, duration: int, state: WindowState | None = None) -> None:
        self.duration = duration
        self.times: MutableSequence[int] = array("q")
        self.values: MutableSequence[Any] = array("d")
        self.head = self.stacked = self.turns = 0
        self.incomplete_until = 0
        self.absent = False
        self.sums: Sums | None = None
        self.lows: Extremes | None = None
        self.highs: Extremes | None = None
        self.trend: Trend | None = None
        self.moments: Moments | None = None
        self.ranks: Ranks | None = None
        self.changes: Changes | None = None
        self.held: Held | None = None
        self.falls: Falls | None = None
        if state is not None:
            self._restore(state)
        count = len(self)
        self.at = self.times[-1] if count else NEVER
        self.known = -1 if self.at < self.incomplete_until and count else count

    def _restore(self, state: WindowState) -> None:
        if state.before is not None:
            self.times.append(state.before[0])
        self.times.extend(state.times)
        values = [*([] if state.before is None else [state.before[1]]), *state.values]
        self.values = array("d", values) if all(type(value) is float for value in values) else values
        self.head = len(values) - len(state.values)
        self.stacked = self.head + min(state.front, max(0, len(self) - 1))
        self.incomplete_until = state.incomplete_until
        self.absent = state.absent

    def state(self) -> WindowState:
        head = self.head
        return WindowState(
            list(self.times[head:]),
            list(self.values[head:]),
            self.incomplete_until,
            (self.times[head - 1], self.values[head - 1]) if head else None,
            self.stacked - head,
            self.absent,
        )

    def __len__(self) -> int:
        return len(self.times) - self.head

    @property
    def newest(self) -> Sample | None:
        return (self.times[-1], self.values[-1]) if len(self.times) > self.head else None

    def tail(self, limit: int) -> list[Sample]:
        """The newest samples, at most so many, oldest first."""
        first = max(self.head, len(self.times) - limit)
        return list(zip(self.times[first:], self.values[first:], strict=True))

    def add(self, at: int, value: Value, keep: int = MAX_SAMPLES) -> bool:
        """Take in a sample no older than the newest, and hold at most `keep`. False if a window lost one by that."""
        times, head = self.times, self.head
        size, oldest = len(times), at - self.duration
        if head < size and times[head] <= oldest:
            head += 1
            while head < size and times[head] <= oldest:
                head += 1
            self.head = head
            if head > self.stacked:
                self._turn(len(times))
        if type(value) is not float and isinstance(self.values, array):
            self.values = list(self.values)  # flags and texts need a list
        self.values.append(value)
        times.append(at)
        self.absent = False
        self.at = at
        self.known = count = len(times) - self.head
        if count > keep:
            return self._cut(keep)
        if at < self.incomplete_until:
            self.known = -1
        return True

    def _turn(self, stacked: int) -> None:
        """Drop what has left, but for the newest of it; what lies before `stacked` becomes the older part."""
        dropped = self.head - 1
        if self.ranks is not None:
            self.ranks.turn(self, dropped)
        del self.times[:dropped]
        del self.values[:dropped]
        self.head, self.stacked = 1, stacked - dropped
        self.turns += 1

    def _cut(self, keep: int) -> bool:
        """Hold `keep` samples. A window is incomplete then; a buffer of the newest samples is as it should be."""
        self.head = len(self.times) - keep
        if self.duration < FOREVER:
            self.incomplete_until = self.times[self.head - 1] + self.duration
            self.known = -1
            if self.head > self.stacked:
                self._turn(len(self.times) - 1)
            return False
        self.known = keep
        self.stacked = self.head
        self.turns += 1
        if self.head > SPARE:
            self._turn(self.head)
        return True

    def rest(self, at: int) -> tuple[SampleWindow, int]:
        """As it will be at time `at` if no sample comes before, and where its samples begin. Changes nothing."""
        times, head, oldest = self.times, self.head, at - self.duration
        if head == len(times) or times[head] > oldest:
            return self, head
        head = bisect_right(times, oldest, head)
        if head <= self.stacked:
            return self, head
        left = len(times) - head
        before = (times[head - 1], self.values[head - 1])
        state = WindowState(
            list(times[head:]), list(self.values[head:]), self.incomplete_until, before, max(0, left - 1), self.absent
        )
        return SampleWindow(self.duration, state), 1

    def skip(self) -> None:
        """Note that the newest message lacked the value."""
        self.absent = True

    def value(self, kind: Aggregate, at: int, min_samples: int) -> float | None:
        """The aggregate at time `at`, not before the newest sample; None if it can't be known. Changes nothing.

        Flags (`stuck`, `changed`, the past of a condition) are True and False.
        """
        return reader(kind, min_samples)(self, at)
