"""The newest samples of a key, however old: what is asked of the sample before, and what is carried on from it.

House rule: as of a window, the result depends on the sequence of samples only, and a stored one goes on as it was.
"""

from __future__ import annotations

import math

from iotrules.engine.localtime import local
from iotrules.engine.samples import FOREVER, Sample, WindowState
from iotrules.model.expression import Aggregate, Clock, Lag, Outlier, Statistic, Value, WindowKind
from iotrules.model.times import SECOND


class Newest:
    """The newest sample and the one before it stand alone, since hardly ever more is asked for; others are `older`.

    `last` is None before the first sample, `before` before the second. `absent`: the newest message lacked the value.
    """

    __slots__ = ("absent", "at", "before", "before_at", "last", "older")

    duration = FOREVER

    def __init__(self, state: WindowState | None = None) -> None:
        self.at = self.before_at = 0
        self.last: Value | None = None
        self.before: Value | None = None
        self.older: list[Sample] = []
        self.absent = False
        if state is not None and state.times:
            self.older = list(zip(state.times, state.values, strict=True))
            self.at, self.last = self.older.pop()
            if self.older:
                self.before_at, self.before = self.older.pop()
            self.absent = state.absent
        elif state is not None:
            self.absent = state.absent

    def state(self) -> WindowState:
        samples = self._samples()
        return WindowState([at for at, _ in samples], [value for _, value in samples], absent=self.absent)

    def __len__(self) -> int:
        return len(self._samples())

    @property
    def newest(self) -> Sample | None:
        return None if self.last is None else (self.at, self.last)

    def tail(self, limit: int) -> list[Sample]:
        """The newest samples, at most so many, oldest first."""
        return self._samples()[-limit:]

    def add(self, at: int, value: Value, keep: int) -> bool:
        """Take in a sample no older than the newest, and hold at most `keep`, which is no loss: True."""
        if keep > 1 and self.last is not None:
            if keep > 2 and self.before is not None:
                self.older.append((self.before_at, self.before))
            self.before_at, self.before = self.at, self.last
            del self.older[: max(0, len(self.older) + 2 - keep)]
        self.at, self.last = at, value
        self.absent = False
        return True

    def skip(self) -> None:
        """Note that the newest message lacked the value."""
        self.absent = True

    def value(self, kind: Aggregate, at: int, min_samples: int) -> float | None:
        """What is asked of the samples, or of the clock, at time `at`, not before the newest; None: can't be known."""
        if isinstance(kind, Clock):
            return local(kind, at)
        if kind is WindowKind.COUNT:
            return float(len(self))
        if self.last is None:
            return None
        match kind:
            case Statistic.AGE:
                return (at - self.at) / SECOND
            case Statistic.STREAK | Statistic.EWMA:
                return finite(as_number(self.last))
            case Statistic.CHANGED:
                return None if self.absent or self.before is None else self.last != self.before
            case Statistic.DELTA:
                known = not self.absent and self.before is not None
                return finite(as_number(self.last) - as_number(self.before or 0.0)) if known else None
            case Lag(steps=steps):
                return self._past(steps)
            case Outlier():
                return self._past(0)
        raise KeyError(f"{kind} is not asked of the newest samples")

    def _past(self, steps: int) -> float | None:
        samples = self._samples()
        if self.absent or steps >= len(samples):
            return None
        value = samples[-1 - steps][1]
        return None if isinstance(value, str) else value

    def _samples(self) -> list[Sample]:
        """All of them, oldest first."""
        found = list(self.older)
        if self.before is not None:
            found.append((self.before_at, self.before))
        if self.last is not None:
            found.append((self.at, self.last))
        return found


def finite(value: float | None) -> float | None:
    """The value, or None where a float can't tell it."""
    return value if value is not None and math.isfinite(value) else None


def as_number(value: Value) -> float:
    """A flag counts as 1 or 0; of text, only how often it is there and changes is ever asked."""
    return 0.0 if isinstance(value, str) else float(value)
