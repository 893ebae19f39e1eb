"""What a number of a condition measures, and how constants with a unit fit in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal as OneOf

from iotrules.language import unit_products, units
from iotrules.language.syntax import Literal
from iotrules.model.times import SECOND


@dataclass(frozen=True, slots=True)
class Measure:
    """A unit ("" for none), and whether a value is a point on its scale, a difference, or neither.

    `pending` is a constant whose value is not known before its neighbour's unit is.
    """

    unit: str = ""
    kind: OneOf["point", "interval", "mixed"] = "point"
    pending: Literal | None = None
    counted: bool = False

    def as_interval(self) -> Measure:
        return replace(self, kind="interval")


def fit(literal: Literal, target: Measure | None) -> tuple[float, Measure]:
    """The constant in the unit of `target` (None: its own), and what it measures; or UnitError."""
    value, unit = _own(literal)
    if target is None:
        return value, Measure(unit=unit, kind="point")
    if not target.unit:
        if literal.kind == "share" and not target.counted:
            return value / 100, target
        what = "is a count" if target.counted else "has no unit"
        raise units.UnitError(f"{literal.text} has a unit, but what it is compared with {what}")
    if target.kind == "mixed":
        message = f"{literal.text}: is it a temperature or a difference? write the number in {target.unit}"
        raise units.UnitError(message)
    return units.convert(value, unit, target.unit, interval=target.kind == "interval"), target


def _own(literal: Literal) -> tuple[float, str]:
    """The value in the constant's own unit; units.UnitError for a unit nobody knows."""
    if literal.kind == "duration":
        return float(literal.value) / SECOND, "s"
    units.check(literal.unit)
    return float(literal.value), literal.unit


def add(left: Measure, right: Measure, operator: str) -> Measure:
    """What a sum or difference measures: point - point is a difference, point ± difference a point."""
    unit = left.unit or right.unit
    if not units.is_offset(unit):
        return Measure(unit=unit, kind=left.kind)
    bare = [not measure.unit for measure in (left, right)]
    if any(bare):
        return right if bare[0] else left
    match left.kind, right.kind:
        case "point", "point":
            return Measure(unit=unit, kind="interval" if operator == "-" else "mixed")
        case "interval", "interval":
            return Measure(unit=unit, kind="interval")
        case ("point", "interval") | ("interval", "point") if operator == "+" or left.kind == "point":
            return Measure(unit=unit, kind="point")
    return Measure(unit=unit, kind="mixed")


def multiply(left: Measure, right: Measure, operator: str) -> tuple[Measure, float]:
    """What a product or quotient measures, and by what its number is to be multiplied to be in that unit.

    Two degC times 2 is neither a temperature nor a difference.
    """
    if not left.unit and not right.unit:
        return Measure(), 1.0
    if left.unit and not right.unit:
        return scaled(left), 1.0
    if right.unit and not left.unit and operator == "*":
        return scaled(right), 1.0
    if operator == "/" and left.unit and units.same(left.unit, right.unit):
        return Measure(), 1.0
    unit, factor = unit_products.joined(left.unit, right.unit, operator)
    return (Measure(unit=unit, kind="interval") if unit else Measure()), factor


def scaled(measure: Measure) -> Measure:
    """What a multiple of it measures."""
    if measure.kind == "point" and units.is_offset(measure.unit):
        return replace(measure, kind="mixed")
    return measure
