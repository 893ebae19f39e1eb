"""Sets of values that one quantity of a condition can have: intervals of numbers, choices of texts and flags."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from `low` to `high`; an open end does not belong to it."""

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = False

    @property
    def empty(self) -> bool:
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    def example(self) -> float:
        """A number of it that people like to read."""
        if not isfinite(self.low):
            return self.high - 1 if isfinite(self.high) else 0.0
        if not isfinite(self.high):
            return self.low + 1
        middle = (self.low + self.high) / 2
        short = (round(middle, digits) for digits in range(-1, 12))
        return next((number for number in short if not _outside(self, number)), middle)


@dataclass(frozen=True, slots=True)
class Choice:
    """Texts or flags: those named, or all but those."""

    named: frozenset[str | bool] = frozenset()
    all_but: bool = False

    @property
    def empty(self) -> bool:
        return not self.named and not self.all_but


Values: TypeAlias = Interval | Choice

ANY_NUMBER = Interval()
ANY_TEXT = Choice(all_but=True)
EITHER = Choice(frozenset({True, False}))


def _outside(interval: Interval, number: float) -> bool:
    return both(interval, Interval(number, number)).empty


def both(one: Values, other: Values) -> Values:
    """What is in both. A number is never a text: where that is asked, nothing is known, and `one` stands."""
    match one, other:
        case Interval(), Interval():
            return _overlap(one, other)
        case Choice(), Choice():
            return _common(one, other)
    return one


def _overlap(one: Interval, other: Interval) -> Interval:
    low, low_open = max((one.low, one.low_open), (other.low, other.low_open))
    high, high_closed = min((one.high, not one.high_open), (other.high, not other.high_open))
    return Interval(low, high, low_open, not high_closed)


def _common(one: Choice, other: Choice) -> Choice:
    if one.all_but and other.all_but:
        return Choice(one.named | other.named, all_but=True)
    if one.all_but:
        return Choice(other.named - one.named)
    return Choice(one.named - other.named if other.all_but else one.named & other.named)


def shown(values: Values) -> str:
    """One value of the set, for a message."""
    match values:
        case Interval():
            return f"{values.example():g}"
        case Choice(named=named, all_but=False):
            first = min(named, key=str)
            return f'"{first}"' if isinstance(first, str) else str(first).lower()
        case Choice():
            return "something else"


def described(values: Values) -> str:
    """What is known of a quantity, in words; nothing where that is nothing."""
    match values:
        case Interval(low=low, high=high) if isfinite(low) and isfinite(high):
            return f"from {low:g} to {high:g}"
        case Interval(low=low, high=high) if isfinite(low) or isfinite(high):
            return f"at least {low:g}" if isfinite(low) else f"at most {high:g}"
        case Choice(named=named, all_but=False) if not named <= {True, False}:
            return f"one of {', '.join(sorted(str(text) for text in named))}"
    return ""


def add(one: Values, other: Values) -> Values:
    if isinstance(one, Interval) and isinstance(other, Interval):
        return Interval(one.low + other.low, one.high + other.high)
    return ANY_NUMBER


def negate(values: Values) -> Values:
    return Interval(-values.high, -values.low) if isinstance(values, Interval) else ANY_NUMBER


def multiply(one: Values, other: Values) -> Values:
    """The products of bounded intervals; of others nothing is said."""
    if not isinstance(one, Interval) or not isinstance(other, Interval):
        return ANY_NUMBER
    products = [a * b for a in (one.low, one.high) for b in (other.low, other.high)]
    return Interval(min(products), max(products)) if all(map(isfinite, products)) else ANY_NUMBER


def invert(values: Values) -> Values:
    """1 / values, where zero is not among them."""
    if not isinstance(values, Interval) or values.low <= 0 <= values.high:
        return ANY_NUMBER
    return Interval(1 / values.high, 1 / values.low)
