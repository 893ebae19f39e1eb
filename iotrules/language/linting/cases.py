"""A condition as a list of cases: in each, what every quantity has to be for the condition to be true.

House rule: what can't be known is taken as possible, so that a finding is never a guess. A quantity is a field, a
window, or any other part that is compared, and is told by its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import ceil
from typing import TypeAlias

from iotrules.language.linting.values import (
    ANY_NUMBER,
    ANY_TEXT,
    EITHER,
    Choice,
    Interval,
    Values,
    add,
    both,
    invert,
    multiply,
    negate,
)
from iotrules.language.unparse import unparse
from iotrules.model.expression import (
    And,
    Arithmetic,
    Comparison,
    Expression,
    FieldRef,
    Firing,
    Flag,
    LabelRef,
    Members,
    Membership,
    Negate,
    Not,
    Number,
    Or,
    Text,
    Window,
)
from iotrules.model.rules import Field, FieldType

Case: TypeAlias = dict[str, Values]

_MOST_CASES = 256
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_SAME_SCALE = frozenset({
    "avg", "min", "max", "median", "p50", "p90", "p95", "p99", "quantile", "first", "last", "ewma", "prev", "lag",
})  # fmt: skip
"""Windows whose value is one that their argument can have, and is the argument's where that does not change."""

_BOUNDS = {
    "count": Interval(low=0.0), "times": Interval(low=0.0), "streak": Interval(low=0.0), "age": Interval(low=0.0),
    "changes": Interval(low=0.0), "stddev": Interval(low=0.0), "range": Interval(low=0.0), "share": Interval(0.0, 1.0),
    "hour": Interval(0.0, 23.0), "weekday": Interval(1.0, 7.0),
}  # fmt: skip
"""What other windows can be, whatever their argument is."""


class TooManyCases(Exception):
    """The condition has more cases than are looked at."""


@dataclass(frozen=True, slots=True)
class View:
    """How quantities are told apart. `steady`: as if values did not change, so that `avg(temp, 5m)` is `temp`.

    With `interval`, `times` and `changes` are no more than the samples that come, one each `interval` ns.
    """

    fields: dict[str, Field]
    steady: bool = False
    interval: int | None = None

    def name(self, node: Expression) -> str:
        if isinstance(node, Window):
            if isinstance(node.kind, Members):  # the mean of several is not what the highest of them is
                return unparse(node, canonical=True)
            if self.steady and node.kind.value in _SAME_SCALE:
                return self.name(node.argument)
            if self.steady and node.kind.value == "slope":
                return f"the slope of {unparse(node.argument)}"
            node = replace(node, min_samples=1)
        return unparse(node, canonical=True)

    def values(self, node: Expression) -> Values:
        """All that a quantity can be, by the ranges and choices of its fields."""
        match node:
            case FieldRef(name=name) if name in self.fields:
                return _of_field(self.fields[name])
            case LabelRef():
                return ANY_TEXT
            case Firing():
                return EITHER
            case Number(value=value):
                return Interval(value, value)
            case Window():
                return self._of_window(node)
            case Negate(operand=operand):
                return negate(self.values(operand))
            case Arithmetic():
                return self._of_sum(node)
        return ANY_NUMBER

    def _of_window(self, node: Window) -> Values:
        kind = node.kind.value
        if self.interval and node.duration and kind in ("times", "changes"):
            return Interval(0.0, float(ceil(node.duration / self.interval)))
        return self.values(node.argument) if kind in _SAME_SCALE else _BOUNDS.get(kind, ANY_NUMBER)

    def _of_sum(self, node: Arithmetic) -> Values:
        left, right = self.values(node.left), self.values(node.right)
        match node.operator:
            case "+":
                return add(left, right)
            case "-":
                return add(left, negate(right))
            case "*":
                return multiply(left, right)
            case "/":
                return multiply(left, invert(right))


def _of_field(field: Field) -> Values:
    match field.type:
        case FieldType.NUMBER:
            low = -float("inf") if field.low is None else field.low
            return Interval(low, float("inf") if field.high is None else field.high)
        case FieldType.TEXT:
            return Choice(frozenset(field.one_of)) if field.one_of else ANY_TEXT
        case FieldType.FLAG:
            return EITHER


def cases(node: Expression, view: View, *, truth: bool = True) -> list[Case]:
    """The cases in which the condition is true (or, for `truth` False, false); none if it never is.

    Only what is known counts: with a value missing, a condition is neither. TooManyCases.
    """
    match node:
        case Flag(value=value):
            return [{}] if value is truth else []
        case Not(operand=operand):
            return cases(operand, view, truth=not truth)
        case And(operands=operands) | Or(operands=operands):
            parts = [cases(operand, view, truth=truth) for operand in operands]
            return _all_of(parts) if isinstance(node, And) is truth else _any_of(parts)
        case Comparison(operands=operands, operators=operators):
            pairs = zip(pairwise(operands), operators, strict=True)
            lines = [_compared(left, operator, right, view, truth) for (left, right), operator in pairs]
            return _all_of(lines) if truth else _any_of(lines)
        case Membership(operand=operand, choices=choices):
            lines = [_compared(operand, "==", choice, view, truth) for choice in choices]
            return _any_of(lines) if truth else _all_of(lines)
    return _possible(view.name(node), Choice(frozenset({truth})))


def _any_of(parts: Iterable[list[Case]]) -> list[Case]:
    found = [case for part in parts for case in part]
    if len(found) > _MOST_CASES:
        raise TooManyCases
    return found


def _all_of(parts: Iterable[list[Case]]) -> list[Case]:
    found: list[Case] = [{}]
    for part in parts:
        joined = (together(one, other) for one, other in product(found, part))
        found = [case for case in joined if case is not None]
        if len(found) > _MOST_CASES:
            raise TooManyCases
    return found


def together(one: Case, other: Case) -> Case | None:
    """Both at once, or None if they exclude each other."""
    case = one | {name: both(one[name], values) if name in one else values for name, values in other.items()}
    return None if any(values.empty for values in case.values()) else case


def _possible(name: str, *sets: Values) -> list[Case]:
    return [{name: values} for values in sets if not values.empty]


def _compared(left: Expression, operator: str, right: Expression, view: View, truth: bool) -> list[Case]:
    operator = operator if truth else _OPPOSITE[operator]
    if isinstance(left, (Text, Flag)) or _constant(left, view) is not None:
        left, operator, right = right, _MIRRORED[operator], left
    if isinstance(right, (Text, Flag)):
        choice = Choice(frozenset({right.value}), all_but=operator == "!=")
        return _possible(view.name(left), both(choice, view.values(left)))
    bound = _constant(right, view)
    if bound is None:
        left, operator, bound = _difference(left, operator, right)
    within = view.values(left)
    return _possible(view.name(left), *(both(numbers, within) for numbers in _numbers(operator, bound)))


def _constant(node: Expression, view: View) -> float | None:
    """The value of a part that reads nothing."""
    match node:
        case Number() | Negate() | Arithmetic():
            values = view.values(node)
            return values.low if isinstance(values, Interval) and values.low == values.high else None
    return None


def _difference(left: Expression, operator: str, right: Expression) -> tuple[Expression, str, float]:
    """`a > b` and `b < a` as one: a - b compared with 0."""
    if unparse(left, canonical=True) > unparse(right, canonical=True):
        left, operator, right = right, _MIRRORED[operator], left
    return Arithmetic("-", left, right), operator, 0.0


def _numbers(operator: str, bound: float) -> tuple[Interval, ...]:
    match operator:
        case "==":
            return (Interval(bound, bound),)
        case "!=":
            return Interval(high=bound, high_open=True), Interval(low=bound, low_open=True)
        case "<" | "<=":
            return (Interval(high=bound, high_open=operator == "<"),)
    return (Interval(low=bound, low_open=operator == ">"),)
