"""What the functions of present values do; outside what one is defined for, its result is unknown and a fault."""

from __future__ import annotations

import math
from collections.abc import Callable

from iotrules.engine.places import distance, inside, on_earth
from iotrules.language.patterns import MAX_TEXT, found
from iotrules.model.expression import Function, Value


class DomainError(ArithmeticError):
    """A function of values that it is not defined for."""


def apply(node: Function, values: list[Value]) -> Value:
    """The function's value for its arguments' values, as `call`; `inside` looks at its zone as well."""
    if node.zone is None:
        return call(node.name, values)
    lat, lon = map(float, values)
    if not on_earth(lat, lon):
        raise DomainError("a zone and a place that is not on Earth")
    return inside(node.zone.shape, lat, lon)


def call(name: str, values: list[Value]) -> Value:
    """The function's value, never NaN or infinite; DomainError where there is none. Types were checked at load."""
    if name in _OF_TEXT:
        return _OF_TEXT[name](*map(str, values))
    try:
        result = _OF_NUMBERS[name](*map(float, values))
    except OverflowError:
        raise DomainError("a number too large") from None
    if not math.isfinite(result):
        raise DomainError("a number too large")
    return result


def _clamp(value: float, low: float, high: float) -> float:
    if low > high:
        raise DomainError("clamp with its low end above its high end")
    return min(max(value, low), high)


def _round(value: float) -> float:
    """To the nearest whole number, halves away from zero, as people do it."""
    whole = math.floor(abs(value))
    return math.copysign(whole + (abs(value) - whole >= 0.5), value) + 0.0


def _sqrt(value: float) -> float:
    if value < 0:
        raise DomainError("the square root of a negative number")
    return math.sqrt(value)


def _log(value: float) -> float:
    if value <= 0:
        raise DomainError("the logarithm of a number that is not positive")
    return math.log(value)


def _mod(value: float, divisor: float) -> float:
    if divisor == 0:
        raise DomainError("division by zero")
    return value % divisor


def _distance(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    if not on_earth(lat, lon) or not on_earth(other_lat, other_lon):
        raise DomainError("the distance of a place that is not on Earth")
    return distance(lat, lon, other_lat, other_lon)


def _matches(text: str, pattern: str) -> bool:
    if len(text) > MAX_TEXT:
        raise DomainError("a text too long for a pattern")
    return found(text, pattern)


_OF_NUMBERS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "clamp": _clamp,
    "round": _round,
    "floor": lambda value: float(math.floor(value)),
    "ceil": lambda value: float(math.ceil(value)),
    "sqrt": _sqrt,
    "log": _log,
    "exp": math.exp,
    "mod": _mod,
    "distance": _distance,
}
_OF_TEXT: dict[str, Callable[..., Value]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": str.__contains__,
    "lower": str.lower,
    "matches": _matches,
}
