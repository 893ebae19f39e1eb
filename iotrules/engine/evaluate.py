"""The plain tree interpreter of conditions: three truth values, no exception for anything that data can do.

This is the reference meaning of the language; faster code is held to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, assert_never

from iotrules.engine.functions import DomainError, apply
from iotrules.engine.registry import NO_ATTRIBUTES, NOTHING_REMEMBERED, read_state
from iotrules.model.expression import (
    And,
    Arithmetic,
    AttributeRef,
    Comparison,
    Expression,
    FieldRef,
    Firing,
    Flag,
    Function,
    LabelRef,
    Membership,
    Negate,
    Not,
    Number,
    Or,
    StateRef,
    Text,
    Truth,
    Value,
    Window,
)


class Scope:
    """What names mean at one instant: fields (None: missing), labels, windows, attributes, persisted state, rules."""

    __slots__ = ("attributes", "faults", "fields", "firing", "labels", "own", "remembered", "window")

    def __init__(
        self,
        fields: Mapping[str, Value | None],
        labels: Mapping[str, str],
        window: Callable[[Window], Value | None],
        attributes: Mapping[str, Value] = NO_ATTRIBUTES,
        remembered: Callable[[], Mapping[str, Any]] = lambda: NOTHING_REMEMBERED,
        own: Mapping[str, Value | None] | None = None,
        firing: Callable[[Firing], bool] = lambda _: False,
    ) -> None:
        self.fields = fields
        self.own = fields if own is None else own
        """What the newest message brought itself: `has` asks for that."""
        self.labels = labels
        self.window = window
        self.attributes = attributes
        self.remembered = remembered
        self.firing = firing
        self.faults: list[str] = []
        """What went wrong in arithmetic (division by zero, overflow): the result is unknown, and it is counted."""


def truth(node: Expression, scope: Scope) -> Truth:
    """A condition's truth: True, False, or None for unknown."""
    match node:
        case And(operands):
            return _all([truth(operand, scope) for operand in operands])
        case Or(operands):
            return _negate(_all([_negate(truth(operand, scope)) for operand in operands]))
        case Not(operand):
            return _negate(truth(operand, scope))
        case Comparison(operands, operators):
            values = [evaluate(operand, scope) for operand in operands]
            steps = zip(values, operators, values[1:], strict=False)
            return _all([_compare(left, operator, right) for left, operator, right in steps])
        case Membership(operand, choices):
            subject = evaluate(operand, scope)
            found = [_compare(subject, "==", evaluate(choice, scope)) for choice in choices]
            return _negate(_all([_negate(hit) for hit in found]))
        case _:
            value = evaluate(node, scope)
            return value if isinstance(value, bool) else None


def evaluate(node: Expression, scope: Scope) -> Value | None:
    """A node's value, None if it is missing or unknown."""
    match node:
        case Number(value) | Text(value) | Flag(value):
            return value
        case FieldRef(name):
            return scope.fields.get(name)
        case LabelRef(name):
            return scope.labels.get(name)
        case AttributeRef(name):
            return scope.attributes.get(name)
        case StateRef():
            return read_state(node, scope.remembered, scope.faults)
        case Window():
            return scope.window(node)
        case Firing():
            return scope.firing(node)
        case Function():
            return _function(node, scope)
        case Negate(operand):
            inner = evaluate(operand, scope)
            return None if inner is None else -float(inner)
        case Arithmetic(operator, left, right):
            return _arithmetic(operator, evaluate(left, scope), evaluate(right, scope), scope)
        case Comparison() | Membership() | Not() | And() | Or():
            return truth(node, scope)
        case _:
            assert_never(node)


def _all(truths: list[Truth]) -> Truth:
    """Kleene's conjunction: false beats unknown beats true."""
    if False in truths:
        return False
    return None if None in truths else True


def _negate(value: Truth) -> Truth:
    return None if value is None else not value


def _compare(left: Value | None, operator: str, right: Value | None) -> Truth:
    if left is None or right is None:
        return None
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
    low, high = float(left), float(right)  # the loader lets only numbers through to an order
    match operator:
        case "<":
            return low < high
        case "<=":
            return low <= high
        case ">":
            return low > high
        case _:
            return low >= high


def _function(node: Function, scope: Scope) -> Value | None:
    if node.name == "has" and scope.own is not scope.fields:
        scope = Scope(scope.own, scope.labels, scope.window, scope.attributes, scope.remembered)
    values: list[Value] = []
    for argument in node.arguments:
        value = evaluate(argument, scope)
        if value is None:
            return False if node.name == "has" else None
        values.append(value)
    if node.name == "has":
        return True
    try:
        return apply(node, values)
    except DomainError as error:
        scope.faults.append(str(error))
        return None


def _arithmetic(operator: str, left: Value | None, right: Value | None, scope: Scope) -> float | None:
    if left is None or right is None:
        return None
    a, b = float(left), float(right)
    match operator:
        case "+":
            result = a + b
        case "-":
            result = a - b
        case "*":
            result = a * b
        case _ if b == 0:
            scope.faults.append("division by zero")
            return None
        case _:
            result = a / b
    if math.isfinite(result):
        return result
    scope.faults.append("a number too large")
    return None
