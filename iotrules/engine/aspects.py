"""Sums, extremes and the trend of a window, O(1) amortised and without ever subtracting: nothing cancels or drifts.

Two stacks: over the older part of the log lies an aggregate for each number of its newest samples, made once a turn;
the samples after it are under one running aggregate. All are brought up to date when they are asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import accumulate
from math import inf
from operator import mul

from iotrules.engine.samples import Log
from iotrules.model.times import SECOND


def _running(aggregates: Iterable[float]) -> array[float]:
    return array("d", list(aggregates))  # an array takes a list twice as fast as an iterator


class Sums:
    """The sum of the values; a flag counts as 1 or 0."""

    __slots__ = ("below", "newer", "seen", "turns")

    def __init__(self, log: Log) -> None:
        self.turns = log.turns
        self.below = _running(accumulate(reversed(log.values[log.head : log.stacked]), initial=0.0))
        self.newer = 0.0
        self.seen = log.stacked

    def total(self, log: Log, head: int) -> float:
        """The sum of the samples from `head` on, where head <= stacked."""
        values, size = log.values, len(log.values)
        if self.seen != size:
            if self.seen + 1 == size:
                self.newer += values[-1]
            else:
                for value in values[self.seen :]:
                    self.newer += value
            self.seen = size
        return self.below[log.stacked - head] + self.newer


class Extremes:
    """The least of the values, or with the sign -1 the greatest: kept as the least of the values times the sign."""

    __slots__ = ("below", "newer", "seen", "sign", "turns")

    def __init__(self, log: Log, sign: float) -> None:
        self.turns = log.turns
        self.sign = sign
        older = [sign * value for value in reversed(log.values[log.head : log.stacked])]
        self.below = _running(accumulate(older, min, initial=inf))
        self.newer = inf
        self.seen = log.stacked

    def extreme(self, log: Log, head: int) -> float:
        """That of the samples from `head` on, of which there is at least one."""
        values, size, newer = log.values, len(log.values), self.newer
        if self.seen != size:
            for value in values[self.seen :] if self.seen + 1 < size else (values[-1],):
                value *= self.sign
                if value < newer:
                    newer = value
            self.newer, self.seen = newer, size
        older = self.below[log.stacked - head]
        return self.sign * (older if older < newer else newer)


class Trend:
    """Least squares, with times and values counted from the first sample after the older part."""

    __slots__ = ("below", "newer", "origin", "seen", "start", "turns")

    def __init__(self, log: Log) -> None:
        self.turns = log.turns
        self.origin = origin = log.times[log.stacked]
        self.start = start = float(log.values[log.stacked])
        times = [(at - origin) / SECOND for at in reversed(log.times[log.head : log.stacked])]
        values = [value - start for value in reversed(log.values[log.head : log.stacked])]
        terms = (times, values, map(mul, times, times), map(mul, times, values))
        self.below = tuple(_running(accumulate(term, initial=0.0)) for term in terms)
        self.newer = (0.0, 0.0, 0.0, 0.0)
        self.seen = log.stacked

    def slope(self, log: Log, head: int) -> float | None:
        """Per second; None with fewer than two different times."""
        size = len(log.values)
        times, values, squares, products = self._newer(log, size) if self.seen != size else self.newer
        older, count = log.stacked - head, size - head
        if older:
            below = self.below
            times += below[0][older]
            values += below[1][older]
            squares += below[2][older]
            products += below[3][older]
        spread = count * squares - times * times
        return (count * products - times * values) / spread if spread > 0 else None

    def _newer(self, log: Log, size: int) -> tuple[float, float, float, float]:
        """Sums of times, values, squared times and products over the samples after the older part."""
        times, values, squares, products = self.newer
        for index in range(self.seen, size):
            time, value = (log.times[index] - self.origin) / SECOND, log.values[index] - self.start
            times += time
            values += value
            squares += time * time
            products += time * value
        self.seen = size
        self.newer = sums = (times, values, squares, products)
        return sums
