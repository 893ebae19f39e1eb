"""Sample windows: the samples of the last `duration` ns, with their aggregates kept up incrementally, O(1) amortised.

House rule: the result depends on the sequence of samples only, never on when somebody asked, so that a run that was
stored and restored between any two messages gives the same floats as one that was not.
"""

from __future__ import annotations

import math
from collections import deque

import msgspec

from iotrules.model.expression import WindowKind
from iotrules.model.times import SECOND

MAX_SAMPLES = 10_000
"""A window that would hold more is unknown until the sample it had to drop would have left it anyway."""

CANCELLATION = 2.0**20
"""A sample that was so many times greater than all the rest together took the rest's digits with it."""


class WindowState(msgspec.Struct, array_like=True):
    """What a window is made of again after a restart; the sums as they are, since rounding depends on history."""

    times: list[int] = []
    values: list[float] = []
    sums: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    origin: int = 0
    evicted: int = 0
    incomplete_until: int = 0


class SampleWindow:
    """One buffer of samples, shared by all aggregates over the same argument and duration."""

    __slots__ = (
        "_evicted",
        "_incomplete_until",
        "_maxima",
        "_minima",
        "_origin",
        "_samples",
        "_sums",
        "duration",
    )

    def __init__(self, duration: int, state: WindowState | None = None) -> None:
        self.duration = duration
        saved = state or WindowState()
        self._samples: deque[tuple[int, float]] = deque(zip(saved.times, saved.values, strict=True))
        self._sums = saved.sums
        self._origin = saved.origin
        self._evicted = saved.evicted
        self._incomplete_until = saved.incomplete_until
        self._minima: deque[tuple[int, float]] = deque()
        self._maxima: deque[tuple[int, float]] = deque()
        for sample in self._samples:
            self._push_extremes(sample)

    def state(self) -> WindowState:
        return WindowState(
            [at for at, _ in self._samples],
            [value for _, value in self._samples],
            self._sums,
            self._origin,
            self._evicted,
            self._incomplete_until,
        )

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, at: int, value: float) -> bool:
        """Take in a sample no older than the newest. False if the bound made an older one go."""
        self._advance(at)
        if not self._samples:
            self._restart(at)
        sample = (at, value)
        self._samples.append(sample)
        self._push_extremes(sample)
        self._accumulate(at, value, 1.0)
        if len(self._samples) <= MAX_SAMPLES:
            return True
        self._incomplete_until = self._samples[0][0] + self.duration
        self._evict()
        return False

    def _advance(self, at: int) -> None:
        """Let go of the samples that are older than the window at time `at`."""
        oldest = at - self.duration
        while self._samples and self._samples[0][0] <= oldest:
            self._evict()

    def value(self, kind: WindowKind, at: int, min_samples: int) -> float | None:
        """The aggregate at time `at`, not before the newest sample; None if it can't be known. Changes nothing."""
        if self._samples and self._samples[0][0] <= at - self.duration:
            return self._later(at).value(kind, at, min_samples)
        count = len(self._samples)
        if count < min_samples or at < self._incomplete_until:
            return None
        match kind:
            case WindowKind.COUNT:
                return float(count)
            case WindowKind.AVG:
                return _finite(self._sums[1] / count) if count else None
            case WindowKind.MIN:
                return self._minima[0][1] if count else None
            case WindowKind.MAX:
                return self._maxima[0][1] if count else None
            case WindowKind.SLOPE:
                return self._slope(count)

    def _later(self, at: int) -> SampleWindow:
        """The window as it will be at time `at`, if no sample comes before: only a sample may change this one."""
        kept = [(time, value) for time, value in self._samples if time > at - self.duration]
        window = SampleWindow(self.duration, WindowState(incomplete_until=self._incomplete_until))
        for time, value in kept:
            window.add(time, value)
        return window

    def _slope(self, count: int) -> float | None:
        """Least squares, per second; None with fewer than two different times."""
        times, values, squares, products = self._sums
        spread = count * squares - times * times
        if count < 2 or spread <= 0:
            return None
        return _finite((count * products - times * values) / spread)

    def _push_extremes(self, sample: tuple[int, float]) -> None:
        value = sample[1]
        while self._minima and self._minima[-1][1] > value:
            self._minima.pop()
        while self._maxima and self._maxima[-1][1] < value:
            self._maxima.pop()
        self._minima.append(sample)
        self._maxima.append(sample)

    def _accumulate(self, at: int, value: float, sign: float) -> None:
        seconds = (at - self._origin) / SECOND
        times, values, squares, products = self._sums
        self._sums = (
            times + sign * seconds,
            values + sign * value,
            squares + sign * seconds * seconds,
            products + sign * seconds * value,
        )

    def _evict(self) -> None:
        at, value = sample = self._samples.popleft()
        if self._minima[0] is sample:
            self._minima.popleft()
        if self._maxima[0] is sample:
            self._maxima.popleft()
        self._accumulate(at, value, -1.0)
        self._evicted += 1
        drowned = abs(value) > CANCELLATION * max(1.0, abs(self._sums[1]))
        if drowned or self._evicted >= len(self._samples):  # running sums drift: start them anew once a turn
            self._restart(self._samples[0][0] if self._samples else at)

    def _restart(self, origin: int) -> None:
        self._origin, self._evicted, self._sums = origin, 0, (0.0, 0.0, 0.0, 0.0)
        for at, value in self._samples:
            self._accumulate(at, value, 1.0)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
