"""Sample windows: the samples of the last `duration` ns, with their aggregates kept up incrementally, O(1) amortised.

House rule: the result depends on the sequence of samples only, never on when somebody asked, so that a run that was
stored and restored between any two messages gives the same floats as one that was not.
"""

from __future__ import annotations

import math
from collections import deque

import msgspec

from iotrules.engine.localtime import local
from iotrules.engine.moments import Moments
from iotrules.engine.neighbours import Neighbours, Sample
from iotrules.engine.ranks import Ranks
from iotrules.model.expression import Aggregate, Clock, Lag, Rank, Statistic, Value, WindowKind
from iotrules.model.times import SECOND

MAX_SAMPLES = 10_000
"""A window that would hold more is unknown until the sample it had to drop would have left it anyway."""

FOREVER = 2**63
"""The duration of a buffer that holds the newest samples, however old."""

CANCELLATION = 2.0**20
"""A sample that was so many times greater than all the rest together took the rest's digits with it."""


class WindowState(msgspec.Struct, array_like=True):
    """What a window is made of again after a restart; the sums as they are, since rounding depends on history."""

    times: list[int] = []
    values: list[float | str | bool] = []
    sums: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    origin: int = 0
    evicted: int = 0
    incomplete_until: int = 0
    before: tuple[int, float | str | bool] | None = None
    """The newest sample that has left: what held when the window began."""
    front: int = 0
    """How many samples lie in the older stack of `Moments`."""
    absent: bool = False
    """Did the newest message lack the value?"""


class SampleWindow:
    """One buffer of samples, shared by all aggregates over the same argument and duration."""

    __slots__ = (
        "_absent",
        "_before",
        "_evicted",
        "_front",
        "_incomplete_until",
        "_maxima",
        "_minima",
        "_moments",
        "_neighbours",
        "_origin",
        "_ranks",
        "_samples",
        "_sums",
        "duration",
    )

    def __init__(self, duration: int, state: WindowState | None = None) -> None:
        self.duration = duration
        saved = state or WindowState()
        self._samples: deque[Sample] = deque()
        self._sums = saved.sums
        self._origin = saved.origin
        self._evicted = saved.evicted
        self._incomplete_until = saved.incomplete_until
        self._before: Sample | None = saved.before
        self._front = saved.front
        self._absent = saved.absent
        self._minima: deque[Sample] = deque()
        self._maxima: deque[Sample] = deque()
        self._neighbours = Neighbours()
        self._moments: Moments | None = None  # made when somebody asks: they are a function of samples and front
        self._ranks: Ranks | None = None
        for sample in zip(saved.times, saved.values, strict=True):
            self._append(sample)

    def state(self) -> WindowState:
        return WindowState(
            [at for at, _ in self._samples],
            [value for _, value in self._samples],
            self._sums,
            self._origin,
            self._evicted,
            self._incomplete_until,
            self._before,
            self._front,
            self._absent,
        )

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def newest(self) -> Sample | None:
        return self._samples[-1] if self._samples else None

    def add(self, at: int, value: Value, keep: int = MAX_SAMPLES) -> bool:
        """Take in a sample no older than the newest, and hold at most `keep`. False if a bound that matters cut."""
        self._advance(at)
        if not self._samples:
            self._restart(at)
        self._absent = False
        self._append((at, value))
        number = _number(value)
        self._accumulate(at, number, 1.0)
        if self._moments is not None:
            self._moments.push(number)
        if self._ranks is not None:
            self._ranks.push(number)
        whole = True
        while len(self._samples) > keep:
            if keep == MAX_SAMPLES:
                self._incomplete_until, whole = self._samples[0][0] + self.duration, False
            self._evict()
        return whole

    def skip(self) -> None:
        """Note that the newest message lacked the value."""
        self._absent = True

    def _append(self, sample: Sample) -> None:
        if self._samples:
            self._neighbours.join(self._samples[-1], sample)
        self._samples.append(sample)
        if not isinstance(sample[1], str):
            self._push_extremes(sample)

    def _advance(self, at: int) -> None:
        """Let go of the samples that are older than the window at time `at`."""
        oldest = at - self.duration
        while self._samples and self._samples[0][0] <= oldest:
            self._evict()

    def value(self, kind: Aggregate, at: int, min_samples: int) -> float | None:
        """The aggregate at time `at`, not before the newest sample; None if it can't be known. Changes nothing.

        Flags (`stuck`, `changed`, the past of a condition) are True and False.
        """
        if isinstance(kind, Clock):
            return local(kind, at)
        if self._samples and self._samples[0][0] <= at - self.duration:
            return self._later(at).value(kind, at, min_samples)
        count = len(self._samples)
        if count < min_samples or at < self._incomplete_until:
            return None
        match kind:
            case WindowKind():
                return self._aggregate(kind, count)
            case Rank(share=share):
                return self._ranked().quantile(share)
            case Lag(steps=steps):
                return self._past(steps)
            case Statistic.DELTA | Statistic.CHANGED | Statistic.AGE | Statistic.STREAK | Statistic.EWMA:
                return self._of_newest(kind, at)
            case Statistic():
                return self._statistic(kind, at)

    def _aggregate(self, kind: WindowKind, count: int) -> float | None:
        match kind:
            case WindowKind.COUNT:
                return float(count)
            case WindowKind.AVG:
                return _finite(self._sums[1] / count) if count else None
            case WindowKind.MIN:
                return float(self._minima[0][1]) if self._minima else None
            case WindowKind.MAX:
                return float(self._maxima[0][1]) if self._maxima else None
            case WindowKind.SLOPE:
                return self._slope(count)

    def _statistic(self, kind: Statistic, at: int) -> float | None:
        """Those that look at all samples of the window; without any, only `times` is known."""
        if not self._samples:
            return 0.0 if kind is Statistic.TIMES else None
        match kind:
            case Statistic.SUM | Statistic.TIMES:
                return _finite(self._sums[1])
            case Statistic.FIRST:
                return _number(self._samples[0][1])
            case Statistic.LAST:
                return _number(self._samples[-1][1])
            case Statistic.RANGE:
                return _finite(_number(self._maxima[0][1]) - _number(self._minima[0][1]))
            case Statistic.CHANGES:
                return float(self._neighbours.changes(self._before, self._samples[0]))
            case Statistic.STUCK:
                return self._neighbours.stuck(self._before, self._samples[0])
            case Statistic.SHARE:
                first, last = self._samples[0], self._samples[-1]
                return self._neighbours.share(self._before, first, last, at - self.duration, at)
            case Statistic.INCREASE:
                return self._neighbours.increase(self._samples[0], self._samples[-1])
            case Statistic.RATE:
                return self._rate()
            case Statistic.STDDEV:
                return _finite(self._spread().spread().deviation())
            case Statistic.ZSCORE:
                return self._zscore()
            case Statistic.ROBUST_ZSCORE:
                return _finite(self._ranked().robust_score(_number(self._samples[-1][1])))
        return None

    def _of_newest(self, kind: Statistic, at: int) -> float | None:
        if not self._samples:
            return None
        time, newest = self._samples[-1]
        if kind is Statistic.AGE:
            return (at - time) / SECOND
        if kind is Statistic.STREAK or kind is Statistic.EWMA:
            return _finite(_number(newest))
        if self._absent or len(self._samples) < 2:
            return None
        before = self._samples[-2][1]
        return newest != before if kind is Statistic.CHANGED else _finite(_number(newest) - _number(before))

    def _past(self, steps: int) -> float | None:
        if self._absent or len(self._samples) <= steps:
            return None
        value = self._samples[-1 - steps][1]
        return None if isinstance(value, str) else value

    def _rate(self) -> float | None:
        seconds = (self._samples[-1][0] - self._samples[0][0]) / SECOND
        increase = self._neighbours.increase(self._samples[0], self._samples[-1])
        return _finite(increase / seconds) if seconds and increase is not None else None

    def _zscore(self) -> float | None:
        spread = self._spread().spread()
        deviation, apart = _finite(spread.deviation()), _number(self._samples[-1][1]) - spread.mean
        if deviation is None:
            return None
        if deviation == 0:
            return 0.0 if apart == 0 else None
        return _finite(apart / deviation)

    def _spread(self) -> Moments:
        if self._moments is None:
            self._moments = Moments([_number(value) for _, value in self._samples], self._front)
        return self._moments

    def _ranked(self) -> Ranks:
        if self._ranks is None:
            self._ranks = Ranks(_number(value) for _, value in self._samples)
        return self._ranks

    def _later(self, at: int) -> SampleWindow:
        """The window as it will be at time `at`, if no sample comes before: only a sample may change this one."""
        oldest = at - self.duration
        left = [sample for sample in self._samples if sample[0] <= oldest]
        state = WindowState(incomplete_until=self._incomplete_until, before=left[-1], absent=self._absent)
        window = SampleWindow(self.duration, state)
        for time, value in self._samples:
            if time > oldest:
                window.add(time, value)
        return window

    def _slope(self, count: int) -> float | None:
        """Least squares, per second; None with fewer than two different times."""
        times, values, squares, products = self._sums
        spread = count * squares - times * times
        if count < 2 or spread <= 0:
            return None
        return _finite((count * products - times * values) / spread)

    def _push_extremes(self, sample: Sample) -> None:
        value = _number(sample[1])
        while self._minima and _number(self._minima[-1][1]) > value:
            self._minima.pop()
        while self._maxima and _number(self._maxima[-1][1]) < value:
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
        if not self._front:
            self._front = len(self._samples)
        self._front -= 1
        at, value = self._before = sample = self._samples.popleft()
        number = _number(value)
        if self._samples:
            self._neighbours.part(sample, self._samples[0])
        if self._minima and self._minima[0] is sample:
            self._minima.popleft()
        if self._maxima and self._maxima[0] is sample:
            self._maxima.popleft()
        if self._moments is not None:
            self._moments.pop()
        if self._ranks is not None:
            self._ranks.pop(number)
        self._accumulate(at, number, -1.0)
        self._evicted += 1
        drowned = abs(number) > CANCELLATION * max(1.0, abs(self._sums[1]))
        if drowned or self._evicted >= len(self._samples):  # running sums drift: start them anew once a turn
            self._restart(self._samples[0][0] if self._samples else at)

    def _restart(self, origin: int) -> None:
        self._origin, self._evicted, self._sums = origin, 0, (0.0, 0.0, 0.0, 0.0)
        for at, value in self._samples:
            self._accumulate(at, _number(value), 1.0)


def _number(value: Value) -> float:
    """A flag counts as 1 or 0; of text, only how often it is there and changes is ever asked."""
    return 0.0 if isinstance(value, str) else float(value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
