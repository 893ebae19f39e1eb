"""What is asked of a window, as functions of it: which aspect answers, and when the answer can't be known.

House rule: a reader changes nothing that can be told from outside; an aspect that it makes is a function of the log.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from iotrules.engine.aspects import Extremes, Sums, Trend
from iotrules.engine.moments import Moments
from iotrules.engine.neighbours import Changes, Falls, Held
from iotrules.engine.newest import as_number, finite
from iotrules.engine.ranks import Ranks, quantile, robust_score
from iotrules.model.expression import Aggregate, Rank, Statistic, WindowKind
from iotrules.model.times import SECOND

if TYPE_CHECKING:  # a window asks for its readers, and they are about windows
    from iotrules.engine.windows import SampleWindow

Take: TypeAlias = "Callable[[SampleWindow, int, int], float | None]"
"""(window, head, at) → the aggregate of the samples from `head` on, of which there is at least one."""


@lru_cache(maxsize=4096)
def taker(kind: Aggregate) -> Take:
    """The function that reads this aggregate off any window; KeyError for what is no aggregate of a window."""
    if isinstance(kind, Rank):
        return lambda window, head, _: finite(quantile(_ordered(window, head), kind.share))
    if isinstance(kind, WindowKind | Statistic) and kind in _TAKERS:
        return _TAKERS[kind]
    raise KeyError(f"{kind} is no aggregate of a window")


def of_none(kind: Aggregate) -> float | None:
    """The aggregate of no samples."""
    return 0.0 if kind is WindowKind.COUNT or kind is Statistic.TIMES else None


def total(window: SampleWindow, head: int) -> float:
    """The sum of the samples from `head` on."""
    sums = window.sums
    if sums is None:
        sums = window.sums = Sums(window)
    return sums.total(window, head)


def lowest(window: SampleWindow, head: int) -> float:
    """The least of the samples from `head` on."""
    lows = window.lows
    if lows is None:
        lows = window.lows = Extremes(window, 1.0)
    return lows.extreme(window, head)


def highest(window: SampleWindow, head: int) -> float:
    """The greatest of the samples from `head` on."""
    highs = window.highs
    if highs is None:
        highs = window.highs = Extremes(window, -1.0)
    return highs.extreme(window, head)


def _spread(window: SampleWindow, head: int) -> tuple[float, float] | None:
    """Mean and deviation; None with fewer than two samples."""
    if len(window.times) - head < 2:
        return None
    moments = window.moments
    if moments is None:
        moments = window.moments = Moments(window)
    return moments.spread(window, head)


def _ordered(window: SampleWindow, head: int) -> list[float]:
    if head != window.head:
        return sorted(value + 0.0 for value in window.values[head:])
    ranks = window.ranks
    if ranks is None:
        ranks = window.ranks = Ranks(window, head)
    else:
        ranks.keep_up(window)
    return ranks.ordered


def _changes(window: SampleWindow, head: int) -> int:
    changes = window.changes
    if changes is None:
        changes = window.changes = Changes(window)
    return changes.count(window, head)


def _increase(window: SampleWindow, head: int) -> float | None:
    falls = window.falls
    if falls is None:
        falls = window.falls = Falls(window)
    return finite(falls.increase(window, head))


def slope(window: SampleWindow, head: int) -> float | None:
    """Least squares, per second, over the samples from `head` on; None with fewer than two different times."""
    trend = window.trend
    if trend is None:
        trend = window.trend = Trend(window)
    return trend.slope(window, head)


def _share(window: SampleWindow, head: int, at: int) -> float | None:
    held = window.held
    if held is None:
        held = window.held = Held(window)
    return held.share(window, head, at - window.duration, at)


def _stuck(window: SampleWindow, head: int, _: int) -> bool | None:
    """Did nothing change? None if no sample from before the window says what held when it began."""
    return False if _changes(window, head) else True if head else None


def _rate(window: SampleWindow, head: int, _: int) -> float | None:
    seconds = (window.times[-1] - window.times[head]) / SECOND
    increase = _increase(window, head)
    return finite(increase / seconds) if seconds and increase is not None else None


def _stddev(window: SampleWindow, head: int, _: int) -> float | None:
    spread = _spread(window, head)
    return None if spread is None else finite(spread[1])


def _zscore(window: SampleWindow, head: int, _: int) -> float | None:
    spread = _spread(window, head)
    if spread is None or not math.isfinite(spread[1]):
        return None
    apart = window.values[-1] - spread[0]
    if spread[1] == 0:
        return 0.0 if apart == 0 else None
    return finite(apart / spread[1])


_TAKERS: dict[WindowKind | Statistic, Take] = {
    WindowKind.COUNT: lambda window, head, _: float(len(window.times) - head),
    WindowKind.AVG: lambda window, head, _: finite(total(window, head) / (len(window.times) - head)),
    WindowKind.MIN: lambda window, head, _: lowest(window, head),
    WindowKind.MAX: lambda window, head, _: highest(window, head),
    WindowKind.SLOPE: lambda window, head, _: finite(slope(window, head)),
    Statistic.SUM: lambda window, head, _: finite(total(window, head)),
    Statistic.TIMES: lambda window, head, _: total(window, head),
    Statistic.STDDEV: _stddev,
    Statistic.FIRST: lambda window, head, _: as_number(window.values[head]),
    Statistic.LAST: lambda window, *_: as_number(window.values[-1]),
    Statistic.RANGE: lambda window, head, _: finite(highest(window, head) - lowest(window, head)),
    Statistic.CHANGES: lambda window, head, _: float(_changes(window, head)),
    Statistic.STUCK: _stuck,
    Statistic.SHARE: _share,
    Statistic.INCREASE: lambda window, head, _: _increase(window, head),
    Statistic.RATE: _rate,
    Statistic.ZSCORE: _zscore,
    Statistic.ROBUST_ZSCORE: lambda window, head, _: finite(
        robust_score(_ordered(window, head), as_number(window.values[-1]))
    ),
}
