"""What is asked of a window, as functions of it: which aspect answers, and when the answer can't be known.

House rule: a reader changes nothing that can be told from outside; an aspect that it makes is a function of the log.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from iotrules.engine.aspects import Extremes, Sums, Trend
from iotrules.engine.localtime import local
from iotrules.engine.moments import Moments
from iotrules.engine.neighbours import Changes, Falls, Held
from iotrules.engine.ranks import Ranks, quantile, robust_score
from iotrules.model.expression import Aggregate, Clock, Lag, Members, Outlier, Rank, Statistic, Value, WindowKind
from iotrules.model.times import SECOND

if TYPE_CHECKING:  # a window asks its readers by name, and they are about windows
    from iotrules.engine.windows import SampleWindow

Read: TypeAlias = "Callable[[SampleWindow, int], float | None]"
"""(window, at) → the aggregate at time `at`, not before the newest sample; None if it can't be known."""

Take: TypeAlias = "Callable[[SampleWindow, int, int], float | None]"
"""(window, head, at) → the aggregate of the samples from `head` on, of which there is at least one."""


@lru_cache(maxsize=4096)
def reader(kind: Aggregate, min_samples: int) -> Read:
    """The function that reads this aggregate off any window; find it once, and call it for each message."""
    if isinstance(kind, Clock):
        return lambda _, at: local(kind, at)
    if isinstance(kind, Members):
        raise KeyError(f"{kind.value} is no aggregate of a window")
    if kind is Statistic.DRIFT:
        return lambda window, at: window.value(kind, at, min_samples)
    take = _taker(kind)
    of_none = 0.0 if kind is WindowKind.COUNT or kind is Statistic.TIMES else None

    def read(window: SampleWindow, at: int) -> float | None:
        if at == window.at:  # the usual case: at the newest sample nothing has left since
            count = window.known
            if count < min_samples:
                return None
            return take(window, window.head, at) if count else of_none
        window, head = window.rest(at)
        count = len(window.times) - head
        if count < min_samples or at < window.incomplete_until:
            return None
        return take(window, head, at) if count else of_none

    return read


def _taker(kind: WindowKind | Statistic | Rank | Lag | Outlier) -> Take:
    match kind:
        case Rank(share=share):
            return lambda window, head, _: _finite(quantile(_ordered(window, head), share))
        case Lag(steps=steps):
            return lambda window, head, _: _past(window, head, steps)
        case Outlier():
            return lambda window, head, _: _past(window, head, 0)
    return _TAKERS[kind]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _number(value: Value) -> float:
    """A flag counts as 1 or 0; of text, only how often it is there and changes is ever asked."""
    return 0.0 if isinstance(value, str) else float(value)


def _total(window: SampleWindow, head: int) -> float:
    sums = window.sums
    if sums is None or sums.turns != window.turns:
        sums = window.sums = Sums(window)
    return sums.total(window, head)


def _lowest(window: SampleWindow, head: int) -> float:
    lows = window.lows
    if lows is None or lows.turns != window.turns:
        lows = window.lows = Extremes(window, 1.0)
    return lows.extreme(window, head)


def _highest(window: SampleWindow, head: int) -> float:
    highs = window.highs
    if highs is None or highs.turns != window.turns:
        highs = window.highs = Extremes(window, -1.0)
    return highs.extreme(window, head)


def _spread(window: SampleWindow, head: int) -> tuple[float, float] | None:
    """Mean and deviation; None with fewer than two samples."""
    if len(window.times) - head < 2:
        return None
    moments = window.moments
    if moments is None or moments.turns != window.turns:
        moments = window.moments = Moments(window)
    return moments.spread(window, head)


def _ordered(window: SampleWindow, head: int) -> list[float]:
    if head != window.head:
        return sorted(value + 0.0 for value in window.values[head:])
    ranks = window.ranks
    if ranks is None or ranks.turns != window.turns:
        ranks = window.ranks = Ranks(window, head)
    else:
        ranks.keep_up(window)
    return ranks.ordered


def _changes(window: SampleWindow, head: int) -> int:
    changes = window.changes
    if changes is None or changes.turns != window.turns:
        changes = window.changes = Changes(window)
    return changes.count(window, head)


def _increase(window: SampleWindow, head: int) -> float | None:
    falls = window.falls
    if falls is None or falls.turns != window.turns:
        falls = window.falls = Falls(window)
    return _finite(falls.increase(window, head))


def _slope(window: SampleWindow, head: int, _: int) -> float | None:
    trend = window.trend
    if trend is None or trend.turns != window.turns:
        trend = window.trend = Trend(window)
    return _finite(trend.slope(window, head))


def _share(window: SampleWindow, head: int, at: int) -> float | None:
    held = window.held
    if held is None or held.turns != window.turns:
        held = window.held = Held(window)
    return held.share(window, head, at - window.duration, at)


def _stuck(window: SampleWindow, head: int, _: int) -> bool | None:
    """Did nothing change? None if no sample from before the window says what held when it began."""
    return False if _changes(window, head) else True if head else None


def _rate(window: SampleWindow, head: int, _: int) -> float | None:
    seconds = (window.times[-1] - window.times[head]) / SECOND
    increase = _increase(window, head)
    return _finite(increase / seconds) if seconds and increase is not None else None


def _stddev(window: SampleWindow, head: int, _: int) -> float | None:
    spread = _spread(window, head)
    return None if spread is None else _finite(spread[1])


def _zscore(window: SampleWindow, head: int, _: int) -> float | None:
    spread = _spread(window, head)
    if spread is None or not math.isfinite(spread[1]):
        return None
    apart = window.values[-1] - spread[0]
    if spread[1] == 0:
        return 0.0 if apart == 0 else None
    return _finite(apart / spread[1])


def _past(window: SampleWindow, head: int, steps: int) -> float | None:
    place = len(window.values) - 1 - steps
    if window.absent or place < head:
        return None
    value = window.values[place]
    return None if isinstance(value, str) else value


def _changed(window: SampleWindow, head: int, _: int) -> bool | None:
    values = window.values
    return None if window.absent or len(values) - head < 2 else values[-1] != values[-2]


def _delta(window: SampleWindow, head: int, _: int) -> float | None:
    values = window.values
    return None if window.absent or len(values) - head < 2 else _finite(values[-1] - values[-2])


_TAKERS: dict[WindowKind | Statistic, Take] = {
    WindowKind.COUNT: lambda window, head, _: float(len(window.times) - head),
    WindowKind.AVG: lambda window, head, _: _finite(_total(window, head) / (len(window.times) - head)),
    WindowKind.MIN: lambda window, head, _: _lowest(window, head),
    WindowKind.MAX: lambda window, head, _: _highest(window, head),
    WindowKind.SLOPE: _slope,
    Statistic.SUM: lambda window, head, _: _finite(_total(window, head)),
    Statistic.TIMES: lambda window, head, _: _total(window, head),
    Statistic.STDDEV: _stddev,
    Statistic.FIRST: lambda window, head, _: _number(window.values[head]),
    Statistic.LAST: lambda window, *_: _number(window.values[-1]),
    Statistic.RANGE: lambda window, head, _: _finite(_highest(window, head) - _lowest(window, head)),
    Statistic.CHANGES: lambda window, head, _: float(_changes(window, head)),
    Statistic.STUCK: _stuck,
    Statistic.SHARE: _share,
    Statistic.INCREASE: lambda window, head, _: _increase(window, head),
    Statistic.RATE: _rate,
    Statistic.ZSCORE: _zscore,
    Statistic.ROBUST_ZSCORE: lambda window, head, _: _finite(
        robust_score(_ordered(window, head), _number(window.values[-1]))
    ),
    Statistic.DELTA: _delta,
    Statistic.CHANGED: _changed,
    Statistic.AGE: lambda window, _, at: (at - window.times[-1]) / SECOND,
    Statistic.STREAK: lambda window, *_: _finite(_number(window.values[-1])),
    Statistic.EWMA: lambda window, *_: _finite(_number(window.values[-1])),
}
