"""What the functions of present values do; outside what one is defined for, its result is unknown and a fault."""

from __future__ import annotations

import math
from collections.abc import Callable

from iotrules.model.expression import Value

EARTH_RADIUS = 6_371_008.8
"""Metres: the mean radius R1 of the IUGG."""


class DomainError(ArithmeticError):
    """A function of values that it is not defined for."""


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
    """Great-circle distance in metres of two places in degrees (haversine on a sphere: within 0.6 %)."""
    if max(abs(lat), abs(other_lat)) > 90 or max(abs(lon), abs(other_lon)) > 180:
        raise DomainError("the distance of a place that is not on Earth")
    one, other = math.radians(lat), math.radians(other_lat)
    across = math.sin(math.radians(other_lon - lon) / 2) ** 2
    chord = math.sin((other - one) / 2) ** 2 + math.cos(one) * math.cos(other) * across
    return 2 * EARTH_RADIUS * math.asin(math.sqrt(min(1.0, chord)))


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
}
