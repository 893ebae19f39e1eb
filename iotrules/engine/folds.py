"""What is carried on from sample to sample in one number: how often in a row, and the exponential average."""

from __future__ import annotations

import math

from iotrules.engine.samples import Sample
from iotrules.model.expression import Statistic, Value


def fold(kind: Statistic | None, previous: Sample | None, at: int, value: Value, span: int) -> Value:
    """What to keep for a new sample, given what was kept for the one before; `span` in ns."""
    before = 0.0 if previous is None else previous[1]
    match kind:
        case Statistic.STREAK:
            return float(before) + 1.0 if value else 0.0
        case Statistic.EWMA if previous is not None:
            weight = -math.expm1((previous[0] - at) / span)
            return float(before) * (1 - weight) + float(value) * weight
    return value
