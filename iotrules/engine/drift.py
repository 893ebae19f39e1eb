"""Has the level of a value moved away for good? A two-sided cumulative sum that learns what is usual, O(1).

Source: E. S. Page, Continuous inspection schemes, Biometrika 41 (1954); for values that depend on the one before, the
threshold widens as in R. A. Johnson and M. Bagshaw, The effect of serial correlation on the performance of CUSUM tests,
Technometrics 16 (1974). House rule: only differences and their ratios decide, so unit, sign and zero play no part.
"""

from __future__ import annotations

import math

from iotrules.engine.samples import Sample, WindowState
from iotrules.model.expression import Aggregate, Value

WARM_UP = 150
"""Samples after which the level is known, at first and after it has moved."""

MEMORY = 4096
"""Samples over which what is usual is averaged."""

ALLOWANCE = 1.0
"""How far from its level a value may stay, in usual deviations: what is above adds up."""

THRESHOLD = 20.0
"""The level has moved once so many deviations have added up, and more where neighbouring values are alike."""

CLIP = 4.0
"""No sample counts for more deviations than this, so that a few outliers are no drift."""

_OF_MEAN_ABSOLUTE = math.sqrt(math.pi / 2)
"""The standard deviation of a normal distribution, by its mean absolute deviation."""

_UNCLIPPED = 10
"""Samples that are learnt from as they are, before there is an idea of what is usual."""

_ALIKE = 0.99
_FAR = 2.0**1020
"""Differences beyond are cut, so that nothing becomes infinite."""


class Drift:
    """Takes samples like a `SampleWindow` and keeps nine numbers; its value is unknown during the warm-up.

    `level` is the mean since the level last moved, over `fresh` samples. Over all that was `seen`, `usual` is the mean,
    `spread` the mean distance from it and `step` that of neighbours. `up` and `down` are the cumulative sums.
    """

    __slots__ = ("down", "fresh", "last", "level", "seen", "spread", "step", "up", "usual")

    newest: Sample | None = None

    def __init__(self, state: WindowState | None = None) -> None:
        numbers = [float(value) for value in state.values] if state else [0.0] * 9
        self.seen, self.fresh = int(numbers[0]), int(numbers[1])
        self.level, self.usual, self.spread, self.step, self.up, self.down, self.last = numbers[2:]

    def state(self) -> WindowState:
        """The nine numbers, as the values of a window without times."""
        counts = [float(self.seen), float(self.fresh)]
        return WindowState(
            values=[*counts, self.level, self.usual, self.spread, self.step, self.up, self.down, self.last]
        )

    def skip(self) -> None:
        """A message without the value says nothing."""

    def value(self, kind: Aggregate, at: int, min_samples: int) -> bool | None:
        """True from when the level was found to have moved until the new one is known; at any time alike."""
        if self.seen < WARM_UP:
            return None
        return self.fresh < WARM_UP

    def add(self, at: int, value: Value, keep: int = 1) -> bool:
        """Take in a number; its time plays no part."""
        x = float(value)
        if not self.seen:
            self.level = self.usual = self.last = x
        apart, unit = _difference(x, self.level), _OF_MEAN_ABSOLUTE * self.spread
        if self.fresh >= WARM_UP and self._moved(_standardised(apart, unit)):
            self.fresh, self.up, self.down, self.level, apart = 0, 0.0, 0.0, x, 0.0
        self._learn(x, apart, CLIP * unit if self.seen >= _UNCLIPPED and unit else _FAR)
        return True

    def _moved(self, deviations: float) -> bool:
        self.up = max(0.0, self.up + deviations - ALLOWANCE)
        self.down = max(0.0, self.down - deviations - ALLOWANCE)
        return max(self.up, self.down) > THRESHOLD * self._widening()

    def _widening(self) -> float:
        """The square root of (1 + r) / (1 - r), r being the correlation of neighbours by their mean distance."""
        if not self.spread:
            return 1.0
        alike = min(max(0.0, 1 - (self.step / self.spread) ** 2 / 2), _ALIKE)
        return math.sqrt((1 + alike) / (1 - alike))

    def _learn(self, x: float, apart: float, most: float) -> None:
        self.seen, self.fresh = min(self.seen + 1, MEMORY), min(self.fresh + 1, MEMORY)
        weight = 1 / self.seen
        away, step = _clipped(_difference(x, self.usual), most), _clipped(_difference(x, self.last), most)
        self.level += _clipped(apart, most) / self.fresh
        self.usual += away * weight
        self.spread += (abs(away) - self.spread) * weight
        self.step += (abs(step) - self.step) * weight
        self.last = x


def _difference(one: float, other: float) -> float:
    return _clipped(one - other, _FAR)


def _clipped(value: float, most: float) -> float:
    return max(-most, min(most, value))


def _standardised(apart: float, unit: float) -> float:
    """In deviations; where nothing ever varied, any difference is as large as one can be."""
    if not unit:
        return math.copysign(CLIP, apart) if apart else 0.0
    return _clipped(apart / unit, CLIP)
