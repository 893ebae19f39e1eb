"""What the members of a group say to one question, counted as they come and go.

House rule: sums are exact (whole numbers behind a common scale), so neither the order in which members spoke nor a
restart changes a digit, and nothing cancels. A message costs O(log n) comparisons and one memory move.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable

from iotrules.engine.ranks import quantile, robust_score
from iotrules.model.expression import Value

LEAST_OTHERS = 4
"""With fewer other members nothing can be told of how far one is out."""

_SCALE = 1074
"""Every float is a whole number of 2**-1074."""

_SUMS = frozenset({"avg", "sum", "stddev"})
_ORDER = frozenset({"min", "max", "median", "outlier"})


class Tally:
    """Of members heard no longer than `fresh` ns ago, the values of one question; `kinds` says what is kept of them.

    `held`: member → (when it spoke, by the group's clock, and its value), the oldest first. None: it has no value.
    """

    __slots__ = (
        "_ordered", "_ranked", "_squared", "_squares", "_summed", "_total", "_upto", "fresh", "held", "known", "trues",
        "version",
    )  # fmt: skip

    def __init__(self, fresh: int, kinds: Iterable[str]) -> None:
        wanted = frozenset(kinds)
        self.fresh = fresh
        self._summed, self._squared, self._ranked = bool(wanted & _SUMS), "stddev" in wanted, bool(wanted & _ORDER)
        self.version = 0
        """Another number whenever an answer may be another one."""
        self._clear()

    def _clear(self) -> None:
        self.held: dict[str, tuple[int, Value | None]] = {}
        self.known = self.trues = self._total = self._squares = 0
        self._ordered: list[float] = []
        self._upto = 0

    def put(self, member: str, at: int, value: Value | None) -> None:
        """A member speaks at the group's time `at`, which never goes back."""
        before = self.held.pop(member, None)
        if before is None or type(before[1]) is not type(value) or before[1] != value:
            if before is not None:
                self._count(before[1], -1)
            self._count(value, 1)
            self.version += 1
        self.held[member] = (at, value)

    def drop(self, member: str) -> None:
        """Forget a member."""
        before = self.held.pop(member, None)
        if before is not None:
            self._count(before[1], -1)
            self.version += 1

    def advance(self, at: int) -> bool:
        """Let go of members that are stale at the group's time `at`. False if that lies before what was let go."""
        if at < self._upto:
            return False
        while self.held:
            member = next(iter(self.held))
            if at - self.held[member][0] <= self.fresh:
                break
            self.drop(member)
        self._upto = at
        return True

    def refill(self, spoken: Iterable[tuple[str, int, Value | None]], at: int) -> None:
        """Count anew for the group's time `at`, from all that members said, the oldest first."""
        self._clear()
        self.version += 1
        for member, spoke, value in spoken:
            if at - spoke <= self.fresh:
                self.put(member, spoke, value)
        self._upto = at

    def next_stale(self) -> int | None:
        """When, by the group's clock, the next member will not be fresh any more."""
        oldest = next(iter(self.held.values()), None)
        return None if oldest is None else oldest[0] + self.fresh + 1

    def value(self, kind: str, least: int, registered: int = 0) -> Value | None:
        """The aggregate over those that have a value; None with fewer than `least` of them.

        `registered`: how many members there should be, if that is known.
        """
        if self.known < max(least, 1):
            return None
        match kind:
            case "count":
                return float(self.trues)
            case "any":
                return self.trues > 0
            case "all":
                return self.trues == self.known
            case "share":
                return self.trues / max(self.known, registered)
            case "min":
                return self._ordered[0]
            case "max":
                return self._ordered[-1]
            case "median":
                return quantile(self._ordered, 0.5)
        return self._of_sums(kind)

    def _of_sums(self, kind: str) -> float | None:
        try:
            match kind:
                case "sum":
                    return self._total / (1 << _SCALE)
                case "avg":
                    return self._total / (self.known << _SCALE)
            if self.known < 2:
                return None
            apart = self.known * self._squares - self._total * self._total
            return math.sqrt(apart / (self.known * (self.known - 1) << 2 * _SCALE))
        except OverflowError:
            return None  # larger than any float

    def apart(self, member: str, value: float) -> float | None:
        """How far a member's `value` lies from the others', in deviations estimated from their median and MAD."""
        own = self.held.get(member, (0, None))[1]
        if own is None:
            return _score(self._ordered, value)
        place = bisect_left(self._ordered, own)
        kept = self._ordered.pop(place)  # out and in again: two memory moves, where a copy counts every reference
        score = _score(self._ordered, value)
        self._ordered.insert(place, kept)
        return score

    def _count(self, value: Value | None, by: int) -> None:
        """Take a member's value in (`by` 1) or out (-1)."""
        if value is None:
            return
        self.known += by
        if isinstance(value, bool):
            self.trues += by if value else 0
            return
        number = float(value) + 0.0
        if self._summed:
            exact = _exact(number)
            self._total += by * exact
            if self._squared:
                self._squares += by * exact * exact
        if not self._ranked:
            return
        if by > 0:
            insort(self._ordered, number)
        else:
            del self._ordered[bisect_left(self._ordered, number)]


def _score(others: list[float], value: float) -> float | None:
    score = robust_score(others, value) if len(others) >= LEAST_OTHERS else None
    return score if score is not None and math.isfinite(score) else None


def _exact(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator << (_SCALE + 1 - denominator.bit_length())
