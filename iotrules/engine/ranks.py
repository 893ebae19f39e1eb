"""Order statistics of a sliding window: a sorted list that is kept up as samples come and go."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable

NORMAL_MAD = 0.6744897501960817
"""The median absolute deviation of the standard normal distribution: its third quartile."""


class Ranks:
    """The values in order. Finding a place costs O(log n), making room is one memory move."""

    def __init__(self, values: Iterable[float]) -> None:
        self._sorted = sorted(value + 0.0 for value in values)  # no negative zero

    def push(self, value: float) -> None:
        insort(self._sorted, value + 0.0)

    def pop(self, value: float) -> None:
        """Let one that is in go."""
        del self._sorted[bisect_left(self._sorted, value + 0.0)]

    def quantile(self, share: float) -> float | None:
        """Linear between the two nearest ranks (Hyndman and Fan's type 7); None without samples."""
        values = self._sorted
        if not values:
            return None
        place = share * (len(values) - 1)
        low = math.floor(place)
        lower, upper = values[low], values[min(low + 1, len(values) - 1)]
        part = place - low
        return lower if lower == upper or part == 0 else lower * (1 - part) + upper * part

    def robust_score(self, value: float) -> float | None:
        """How many deviations `value` is from the median, where half of a normal distribution is within 0.674."""
        median = self.quantile(0.5)
        if median is None:
            return None
        deviation = self._median_distance(median)
        if deviation == 0:
            return 0.0 if value == median else None
        return NORMAL_MAD * (value - median) / deviation

    def _median_distance(self, centre: float) -> float:
        """The median of the distances from `centre`: walk outwards from it, nearer side first."""
        values = self._sorted
        after = bisect_left(values, centre)
        before = after - 1
        upper = lower = 0.0
        for _ in range(len(values) // 2 + 1):
            lower = upper
            left = centre - values[before] if before >= 0 else math.inf
            right = values[after] - centre if after < len(values) else math.inf
            upper = min(left, right)
            before, after = (before - 1, after) if left <= right else (before, after + 1)
        return upper if len(values) % 2 else lower + (upper - lower) / 2
