"""The lines that a chart can draw for a rule: where a field, or its window, is compared with a constant."""

from __future__ import annotations

from typing import Any

from iotrules.model.expression import (
    And,
    Comparison,
    Expression,
    FieldRef,
    Number,
    Or,
    Rank,
    Statistic,
    Window,
    WindowKind,
)
from iotrules.model.rules import Rule, rungs_of
from iotrules.model.sequences import Sequence

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_SAME_SCALE = frozenset({
    WindowKind.AVG, WindowKind.MIN, WindowKind.MAX, Statistic.FIRST, Statistic.LAST, Statistic.EWMA
})  # fmt: skip


def thresholds(rule: Rule) -> list[dict[str, Any]]:
    """`[{"field": "temp", "operator": ">", "value": 85.0}]`, in the field's unit; none for silence.

    Of a sequence, those of the steps on the stream of its last one.
    Parts under `not` are left out, as are windows whose value is not on the field's scale (count, slope).
    """
    conditions = [rung.condition.when for rung in rungs_of(rule)]
    if isinstance(rule.body, Sequence):
        patterns = [step.pattern for step in rule.body.steps]
        conditions = [one.when for one in patterns if one.when is not None and one.stream == rule.stream]
    return [line for when in conditions for line in _of(when)]


def _of(node: Expression) -> list[dict[str, Any]]:
    match node:
        case And(operands=operands) | Or(operands=operands):
            return [line for operand in operands for line in _of(operand)]
        case Comparison(operands=operands, operators=operators):
            pairs = zip(operands, operators, operands[1:], strict=False)
            return [line for left, operator, right in pairs for line in _line(left, operator, right)]
    return []


def _line(left: Expression, operator: str, right: Expression) -> list[dict[str, Any]]:
    if isinstance(left, Number):
        left, operator, right = right, _MIRRORED[operator], left
    field = _charted(left)
    if field is None or not isinstance(right, Number):
        return []
    return [{"field": field, "operator": operator, "value": right.value}]


def _charted(node: Expression) -> str | None:
    match node:
        case FieldRef(name=name):
            return name
        case Window(kind=kind, argument=FieldRef(name=name)) if kind in _SAME_SCALE or isinstance(kind, Rank):
            return name
    return None
