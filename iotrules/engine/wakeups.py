"""How often a condition is looked at as time passes, and for how long after the newest message."""

from __future__ import annotations

from iotrules.model.expression import (
    Clock,
    Comparison,
    Expression,
    Number,
    Outlier,
    Statistic,
    Window,
    children,
    own_windows,
)
from iotrules.model.times import DAY, MINUTE, SECOND

EVALUATIONS_PER_WINDOW = 60


def every_and_horizon(conditions: tuple[Expression, ...]) -> tuple[int | None, int]:
    """In ns; `every` is None if time alone can't change the conditions."""
    spans = [span for condition in conditions for span in _spans(condition)]
    every = min((_step(span) for span in spans), default=None)
    return every, max((DAY if span is None else span for span in spans), default=0)


def _step(span: int | None) -> int:
    return MINUTE if span is None else max(span // EVALUATIONS_PER_WINDOW, SECOND)


def _spans(condition: Expression) -> list[int | None]:
    """Per function of time: the time after which silence changes nothing more, None for one that has no end."""
    found: list[int | None] = []
    ages = 0
    for window in own_windows(condition):
        if isinstance(window.kind, Clock):
            found.append(None)
        elif isinstance(window.kind, Outlier):
            continue  # told at the key's messages, and the same until the next
        elif window.kind is Statistic.AGE:
            ages += 1
        elif window.duration and window.kind is not Statistic.EWMA:
            found.append(window.duration)
    limits = _age_limits(condition)
    return found + limits + [None] * (ages - len(limits))


def _age_limits(node: Expression) -> list[int | None]:
    """The constants that ages are compared with, where an age stands alone between two constants or before one."""
    if isinstance(node, Window):
        return []
    found: list[int | None] = []
    if isinstance(node, Comparison):
        limits = [round(operand.value * SECOND) for operand in node.operands if isinstance(operand, Number)]
        ages = [operand for operand in node.operands if isinstance(operand, Window)]
        if limits and len(ages) == 1 and ages[0].kind is Statistic.AGE:
            found.append(max(0, *limits))
    return found + [limit for child in children(node) for limit in _age_limits(child)]
