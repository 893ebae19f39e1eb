"""Mean and variance of a window without ever subtracting, so that nothing cancels and nothing drifts.

Two stacks, as in `aspects`. Source: Welford 1962 for adding a sample, Chan, Golub and LeVeque 1983 for joining sets.
"""

from __future__ import annotations

import math
from array import array

from iotrules.engine.samples import Log


class Moments:
    """Number, mean and sum of squared distances from the mean, of either part of the log."""

    __slots__ = ("below_means", "below_squares", "newer_mean", "newer_squares", "seen")

    def __init__(self, log: Log) -> None:
        self.below_means, self.below_squares = array("d", [0.0]), array("d", [0.0])
        mean = squares = 0.0
        for size, value in enumerate(reversed(log.values[log.head : log.stacked]), start=1):
            apart = value - mean
            mean += apart / size
            squares += apart * (value - mean)
            self.below_means.append(mean)
            self.below_squares.append(squares)
        self.newer_mean = self.newer_squares = 0.0
        self.seen = log.stacked

    def spread(self, log: Log, head: int) -> tuple[float, float]:
        """Mean and standard deviation (divided by n - 1) of the samples from `head` on; there are at least two."""
        if self.seen != len(log.values):
            self._take(log)
        older, newer = log.stacked - head, len(log.values) - log.stacked
        mean, squares, size = self.newer_mean, self.newer_squares, older + newer
        if older:
            below = self.below_means[older]
            apart = mean - below
            squares += self.below_squares[older] + apart * apart * (older / size * newer)
            mean = below + apart * (newer / size)
        return mean, math.sqrt(squares / (size - 1))

    def _take(self, log: Log) -> None:
        mean, squares = self.newer_mean, self.newer_squares
        for index in range(self.seen, len(log.values)):
            apart = log.values[index] - mean
            mean += apart / (index - log.stacked + 1)
            squares += apart * (log.values[index] - mean)
        self.newer_mean, self.newer_squares, self.seen = mean, squares, len(log.values)
