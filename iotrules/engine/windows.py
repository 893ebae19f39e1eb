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

from iotrules.engine.aspects import Extremes, Sums, Trend
from iotrules.engine.moments import Moments
from iotrules.engine.neighbours import Changes, Falls, Held
from iotrules.engine.ranks import Ranks
from iotrules.engine.readers import of_none, taker
from iotrules.engine.samples import Sample, WindowState
from iotrules.model.expression import Aggregate, Value

MAX_SAMPLES = 10_000
"""A window that would hold more is unknown until the sample it had to drop would have left it anyway."""


class SampleWindow:
    """One buffer of samples, shared by all that is asked over the same argument and duration; a `Log`.

    `fuse.windows` writes out `add` and the commonest readers for a stream's generated function: change both.
    """

    __slots__ = (
        "changes", "duration", "falls", "head", "held", "highs", "incomplete_until", "lows", "moments", "ranks",
        "stacked", "sums", "times", "trend", "values",
    )  # fmt: skip

    def __init__(self, duration: int, state: WindowState | None = None) -> None:
        self.duration = duration
        self.times: MutableSequence[int] = array("q")
        self.values: MutableSequence[Any] = array("d")
        self.head = self.stacked = 0
        self.incomplete_until = 0
        self.ranks: Ranks | None = None
        self.forget()
        if state is not None:
            self._restore(state)

    def forget(self) -> None:
        """Drop what was worked out from the log, but for the ranks, which no turn changes."""
        self.sums: Sums | None = None
        self.lows: Extremes | None = None
        self.highs: Extremes | None = None
        self.trend: Trend | None = None
        self.moments: Moments | None = None
        self.changes: Changes | None = None
        self.held: Held | None = None
        self.falls: Falls | None = None

    def _restore(self, state: WindowState) -> None:
        if state.before is not None:
            self.times.append(state.before[0])
        self.times.extend(state.times)
        values = [*([] if state.before is None else [state.before[1]]), *state.values]
        self.values = values if any(isinstance(value, str) for value in values) else array("d", values)
        self.head = len(values) - len(state.values)
        self.stacked = self.head + min(state.front, max(0, len(self) - 1))
        self.incomplete_until = state.incomplete_until

    def state(self) -> WindowState:
        head = self.head
        return WindowState(
            list(self.times[head:]),
            list(self.values[head:]),
            self.incomplete_until,
            (self.times[head - 1], self.values[head - 1]) if head else None,
            self.stacked - head,
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
        times, head, oldest = self.times, self.head, at - self.duration
        if isinstance(value, str) and isinstance(self.values, array):
            self.values = list(self.values)
        times.append(at)
        self.values.append(value)
        if times[head] <= oldest:
            head += 1
            while times[head] <= oldest:  # it ends at the sample that has just come
                head += 1
            self.head = head
            if head > self.stacked:
                self.turn()
        return len(times) - self.head <= keep or self.cut(keep)

    def turn(self) -> None:
        """Drop what has left, but for the newest of it; all that came before the newest becomes the older part."""
        dropped = self.head - 1
        if self.ranks is not None:
            self.ranks.turn(self, dropped)
        del self.times[:dropped]
        del self.values[:dropped]
        self.head, self.stacked = 1, len(self.times) - 1
        self.forget()

    def cut(self, keep: int) -> bool:
        """Hold `keep` samples: the window is incomplete then, so this is False."""
        self.head = len(self.times) - keep
        self.incomplete_until = self.times[self.head - 1] + self.duration
        if self.head > self.stacked:
            self.turn()
        return False

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
            list(times[head:]), list(self.values[head:]), self.incomplete_until, before, max(0, left - 1)
        )
        return SampleWindow(self.duration, state), 1

    def skip(self) -> None:
        """A message without the value says nothing."""

    def value(self, kind: Aggregate, at: int, min_samples: int) -> float | None:
        """The aggregate at time `at`, not before the newest sample; None if it can't be known. Changes nothing.

        Flags (`stuck`, the past of a condition) are True and False.
        """
        window, head = self.rest(at)
        count = len(window.times) - head
        if count < min_samples or at < window.incomplete_until:
            return None
        return taker(kind)(window, head, at) if count else of_none(kind)
