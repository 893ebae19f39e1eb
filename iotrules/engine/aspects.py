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

    __slots__ = ("below", "newer", "seen")

    def __init__(self, log: Log) -> None:
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

    __slots__ = ("below", "newer", "seen", "sign")

    def __init__(self, log: Log, sign: float) -> None:
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

    __slots__ = ("below", "newer", "origin", "seen", "start")

    def __init__(self, log: Log) -> None:
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
        for index in range(self.seen, len(log.values)):
            self.step(log.times[index], log.values[index])
        return self.of(log.stacked - head, len(log.values) - head)

    def step(self, at: int, value: float) -> None:
        """Take in the sample after those that were seen."""
        times, values, squares, products = self.newer
        time = (at - self.origin) / SECOND
        value -= self.start
        self.newer = (times + time, values + value, squares + time * time, products + time * value)
        self.seen += 1

    def of(self, older: int, count: int) -> float | None:
        """The slope of the newest `count` samples, of which so many are of the older part."""
        times, values, squares, products = self.newer
        if older:
            below = self.below
            times += below[0][older]
            values += below[1][older]
            squares += below[2][older]
            products += below[3][older]
        spread = count * squares - times * times
        return (count * products - times * values) / spread if spread > 0 else None
