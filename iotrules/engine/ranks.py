"""Order statistics of a window: a sorted list that is kept up as samples come and go."""

from __future__ import annotations

from bisect import bisect_left, insort

from iotrules.engine.samples import Log

NORMAL_MAD = 0.6744897501960817
"""The median absolute deviation of the standard normal distribution: its third quartile."""


class Ranks:
    """The values in order. Finding a place costs O(log n), making room is one memory move.

    `head` and `seen`: which samples of the log are in it. Zeros are positive.
    """

    __slots__ = ("head", "ordered", "seen")

    def __init__(self, log: Log, head: int) -> None:
        self.head, self.seen = head, len(log.values)
        self.ordered = sorted(value + 0.0 for value in log.values[head:])

    def keep_up(self, log: Log) -> None:
        """Let those go that have left, and take in those that came."""
        values, ordered = log.values, self.ordered
        for index in range(self.head, log.head):
            if index < self.seen:
                del ordered[bisect_left(ordered, values[index] + 0.0)]
        for index in range(max(self.seen, log.head), len(values)):
            insort(ordered, values[index] + 0.0)
        self.head, self.seen = log.head, len(values)

    def turn(self, log: Log, dropped: int) -> None:
        """The log is about to drop its oldest `dropped` samples and to turn."""
        self.keep_up(log)
        self.head, self.seen = self.head - dropped, self.seen - dropped


def quantile(values: list[float], share: float) -> float:
    """Linear between the two nearest ranks (Hyndman and Fan's type 7) of at least one sample."""
    place = share * (len(values) - 1)
    low = int(place)
    part = place - low
    lower = values[low]
    if part == 0:
        return lower
    upper = values[low + 1]
    return lower if lower == upper else lower * (1 - part) + upper * part


def robust_score(values: list[float], value: float) -> float | None:
    """How many deviations `value` is from the median, where half of a normal distribution is within 0.674."""
    median = quantile(values, 0.5)
    half, odd = divmod(len(values), 2)
    deviation = _distance(values, median, half + 1)
    if not odd:
        lower = _distance(values, median, half)
        deviation = lower + (deviation - lower) / 2
    if deviation == 0:
        return 0.0 if value == median else None
    return NORMAL_MAD * (value - median) / deviation


def _distance(values: list[float], centre: float, count: int) -> float:
    """The `count`-th smallest distance from `centre`: of the narrowest run of so many values, its farther end."""
    low, high = 0, len(values) - count
    while low < high:
        middle = (low + high) // 2
        if centre - values[middle] > values[middle + count - 1] - centre:
            low = middle + 1
        else:
            high = middle
    runs = range(max(0, low - 1), low + 1)
    return min(max(centre - values[first], values[first + count - 1] - centre) for first in runs)
