"""What is known of a window from its neighbouring samples: changes, time that was true, growth of a counter.

House rule: whole numbers, and correctly rounded sums of what is asked for, so that nothing drifts.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from itertools import accumulate
from operator import ne

from iotrules.engine.samples import Log


class Changes:
    """`upto[i]`: how many samples of the log up to the one at `i` differ from the one before them."""

    __slots__ = ("upto",)

    def __init__(self, log: Log) -> None:
        self.upto: array[int] = array("q", accumulate(map(ne, log.values, log.values[1:]), initial=0))

    def count(self, log: Log, head: int) -> int:
        """Samples from `head` on that differ from the one before, be that still in the window or not."""
        values, upto = log.values, self.upto
        while len(upto) < len(values):
            upto.append(upto[-1] + bool(values[len(upto)] != values[len(upto) - 1]))
        return upto[-1] - upto[head - 1 if head else 0]


class Held:
    """`upto[i]`: the ns before the sample at `i` for which the samples of the log were true."""

    __slots__ = ("upto",)

    def __init__(self, log: Log) -> None:
        self.upto = array("q", [0])

    def share(self, log: Log, head: int, begin: int, at: int) -> float | None:
        """Of the time from `begin` that is known, how much was true; None if no time is."""
        times, values, upto = log.times, log.values, self.upto
        while len(upto) < len(values):
            last = len(upto) - 1
            upto.append(upto[last] + (times[last + 1] - times[last] if values[last] else 0))
        held = upto[-1] - upto[head] + (at - times[-1] if values[-1] else 0)
        if not head:
            begin = times[0]
        elif values[head - 1]:
            held += times[head] - begin
        return held / (at - begin) if at > begin else None


class Falls:
    """Where a counter fell, and from which value: there it began anew at 0."""

    __slots__ = ("places", "seen", "tops")

    def __init__(self, log: Log) -> None:
        self.places: list[int] = []
        self.tops: list[float] = []
        self.seen = 1

    def increase(self, log: Log, head: int) -> float | None:
        """From the sample at `head` to the newest; None if the number is too large. O(falls) where it fell."""
        values = log.values
        for place in range(self.seen, len(values)):
            if values[place] < values[place - 1]:
                self.places.append(place)
                self.tops.append(values[place - 1])
        self.seen = len(values)
        if not self.places or self.places[-1] <= head:
            return float(values[-1] - values[head])
        try:
            return math.fsum((values[-1], -values[head], *self.tops[bisect_right(self.places, head) :]))
        except OverflowError:
            return None
