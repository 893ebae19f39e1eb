"""Mean and variance of a sliding window without ever subtracting, so that nothing cancels and nothing drifts.

Two stacks: the samples to leave next lie under suffix aggregates made once, the later ones under one running aggregate.
Source: Welford 1962 for adding a sample, Chan, Golub and LeVeque 1983 for joining two sets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Number of samples, their mean, and the sum of their squared distances from it."""

    size: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def plus(self, other: Spread) -> Spread:
        size = self.size + other.size
        if not self.size or not other.size:
            return other if other.size else self
        apart = other.mean - self.mean
        return Spread(
            size,
            self.mean + apart * (other.size / size),
            self.squares + other.squares + apart * apart * (self.size / size * other.size),
        )

    def deviation(self) -> float | None:
        """The sample standard deviation (divided by n - 1); None with fewer than two samples."""
        return math.sqrt(self.squares / (self.size - 1)) if self.size > 1 else None


class Moments:
    """The spread of a queue of values, O(1) amortised. The same values and `front` give the same floats."""

    def __init__(self, values: Sequence[float], front: int) -> None:
        self._front: list[Spread] = []
        self._back: list[float] = list(values[front:])
        self._newer = Spread()
        self._lay(values[:front])
        for value in self._back:
            self._newer = self._newer.plus(Spread(1, value))

    def push(self, value: float) -> None:
        self._back.append(value)
        self._newer = self._newer.plus(Spread(1, value))

    def pop(self) -> None:
        """Let the oldest value go."""
        if not self._front:
            self._lay(self._back)
            self._back, self._newer = [], Spread()
        self._front.pop()

    def spread(self) -> Spread:
        return self._front[-1].plus(self._newer) if self._front else self._newer

    def _lay(self, values: Sequence[float]) -> None:
        """The oldest comes to lie on top, with the spread of itself and all under it."""
        below = Spread()
        for value in reversed(values):
            below = Spread(1, value).plus(below)
            self._front.append(below)
