"""Sums and products of numbers that are checked: what they measure, and in which unit."""

from __future__ import annotations

from iotrules.language.quantities import Measure, add, multiply
from iotrules.language.syntax import Binary, Operator
from iotrules.language.typed import Checker, Typed, fit_pair, settled
from iotrules.model.expression import Arithmetic, Expression, Number
from iotrules.model.rules import FieldType


def added(checker: Checker, syntax: Binary, left: Typed, right: Typed) -> Typed:
    """A sum or difference; both in one unit, or the problem is noted."""
    minuend = syntax.operator == "-" and left.measure.pending is not None
    left, right = fit_pair(checker, left, right, interval=not minuend)
    if left.type is None or right.type is None:
        return Typed(left.node, None, Measure(), syntax.start, reads=True)
    node = Arithmetic(syntax.operator, left.node, right.node)
    measure = add(left.measure, right.measure, syntax.operator)
    return Typed(node, FieldType.NUMBER, measure, syntax.start, left.reads or right.reads)


def multiplied(checker: Checker, syntax: Binary, left: Typed, right: Typed) -> Typed:
    """A product or quotient, in the unit that is left."""
    left, right = settled(checker, left), settled(checker, right)
    if left.type is None or right.type is None:
        return Typed(left.node, None, Measure(), syntax.start, reads=True)
    measure, factor = multiply(left.measure, right.measure, syntax.operator)
    node = _times(syntax.operator, left.node, right.node, factor)
    return Typed(node, FieldType.NUMBER, measure, syntax.start, left.reads or right.reads)


def _times(operator: Operator, left: Expression, right: Expression, factor: float) -> Expression:
    """`left operator right`, times a factor: in a constant where there is one."""
    if factor == 1:
        return Arithmetic(operator, left, right)
    if isinstance(left, Number):
        return Arithmetic(operator, Number(left.value * factor, left.text), right)
    if isinstance(right, Number):
        value = right.value * factor if operator == "*" else right.value / factor
        return Arithmetic(operator, left, Number(value, right.text))
    return Arithmetic("*", Arithmetic(operator, left, right), Number(factor, f"{factor:.12g}"))
