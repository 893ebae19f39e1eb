"""What holds a rule back: schedules for firing, what mutes its notifications, and what a stop of the engine does.

House rule: schedules and stops decide whether an alert fires; muting decides only who hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from iotrules.model.times import MINUTE

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_OF_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Opening:
    """When a schedule is open: on `days` (0: Monday), from minute `begins` to before minute `ends`, on a zone's clocks.

    `ends` <= `begins` is on the day after: the days are those on which it begins.
    """

    days: frozenset[int]
    begins: int
    ends: int
    zone: str

    @property
    def always(self) -> bool:
        """Is it never closed?"""
        return len(self.days) == len(DAYS) and (self.begins, self.ends) == (0, MINUTES_OF_DAY)


Schedule = tuple[Opening, ...]
"""Open while any of them is; none: always."""


@dataclass(frozen=True, slots=True)
class Inhibit:
    """While this rule fires, `rules` are muted for keys that have the same values of the labels `same`."""

    rules: tuple[str, ...]
    same: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flapping:
    """`changes` of an alert within `within` ns are too many to tell people of each."""

    changes: int
    within: int


FLAPPING = Flapping(6, 10 * MINUTE)


@dataclass(frozen=True, slots=True)
class Muting:
    """What mutes the notifications of a rule, and those of others; `cooldown` in ns, 0 is none."""

    cooldown: int = 0
    flapping: Flapping | None = FLAPPING
    inhibit: Inhibit | None = None


MUTING = Muting()
"""Of a rule that says nothing of it."""


class OnStop(Enum):
    """What a stop of the engine does to a running `for`."""

    CONTINUE = "continue"
    PAUSE = "pause"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Downtime:
    """The policy for stops of up to `longest` ns (None: any); after a longer one, a running `for` starts again."""

    policy: OnStop = OnStop.CONTINUE
    longest: int | None = None

    def after(self, stop: int) -> OnStop:
        """The policy for a stop of so many ns."""
        return OnStop.RESET if self.longest is not None and stop > self.longest else self.policy


CONTINUE = Downtime()


class Guards(NamedTuple):
    """What decides beside the conditions whether an alert fires."""

    only: Schedule = ()
    downtime: Downtime = CONTINUE


NO_GUARDS = Guards()
