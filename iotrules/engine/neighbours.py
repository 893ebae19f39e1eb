"""What is known of a sliding window from its neighbouring samples: changes, time that was true, growth of a counter.

House rule: whole nanoseconds and correctly rounded sums only, so that the history of the window leaves no trace.
"""

from __future__ import annotations

import math
from collections import deque

from iotrules.model.expression import Value

Sample = tuple[int, Value]
"""Event time in ns, and the value."""


class Neighbours:
    """Kept up as pairs of samples come in and, oldest first, go out. O(1) each."""

    __slots__ = ("_changes", "_resets", "_true")

    def __init__(self) -> None:
        self._changes = 0
        self._true = 0
        self._resets: deque[float] = deque()

    def join(self, earlier: Sample, later: Sample) -> None:
        """The two are neighbours now."""
        if earlier[1] is True:
            self._true += later[0] - earlier[0]
        if earlier[1] != later[1]:
            self._changes += 1
            if _fell(earlier[1], later[1]):
                self._resets.append(float(earlier[1]))

    def part(self, earlier: Sample, later: Sample) -> None:
        """The earlier one leaves."""
        if earlier[1] is True:
            self._true -= later[0] - earlier[0]
        if earlier[1] != later[1]:
            self._changes -= 1
            if _fell(earlier[1], later[1]):
                self._resets.popleft()

    def changes(self, before: Sample | None, first: Sample | None) -> int:
        """Samples that differ from the one before them, be it still in the window or not."""
        entered = first is not None and before is not None and before[1] != first[1]
        return self._changes + entered

    def stuck(self, before: Sample | None, first: Sample) -> bool | None:
        """Did nothing change? None if no sample from before the window says what held when it began."""
        if self.changes(before, first):
            return False
        return None if before is None else True

    def share(self, before: Sample | None, first: Sample, last: Sample, begin: int, at: int) -> float | None:
        """Time true of the time that is known, each sample holding until the next; None if that is no time."""
        begin = first[0] if before is None else begin
        held = self._true
        if last[1] is True:
            held += at - last[0]
        if before is not None and before[1] is True:
            held += first[0] - begin
        return held / (at - begin) if at > begin else None

    def increase(self, first: Sample, last: Sample) -> float | None:
        """Of a counter: where it fell, it began anew at 0. None if the number is too large."""
        try:
            return math.fsum((float(last[1]), -float(first[1]), *self._resets))
        except OverflowError:
            return None


def _fell(earlier: Value, later: Value) -> bool:
    return isinstance(earlier, float) and isinstance(later, float) and later < earlier
