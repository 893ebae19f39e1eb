"""What keeps an alert back beside its condition: its schedule, the limit of open alerts, and what mutes it.

House rule: it is read from the state, and nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from iotrules.engine.lifecycle import RuleState
from iotrules.engine.muting import Cause
from iotrules.engine.schedules import first_open, is_open, next_change
from iotrules.engine.state import State
from iotrules.model.decisions import AlertState, Key
from iotrules.model.explanation import MutedExplained, ScheduleExplained
from iotrules.model.guards import DAYS, MINUTES_OF_DAY, Opening, Schedule
from iotrules.model.times import SECOND

ALERTS_SHOWN = 5

ClockWords: TypeAlias = Callable[[int], str]
"""An instant (ns) as the people who ask read it."""


def utc_clock(at: int) -> str:
    """To the second, UTC: for who does not say how to write it."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class HeldBack:
    """At event time `at`: the rule's schedule, and whether too many alerts are open for this one to open."""

    at: int
    schedule: Schedule
    refused: bool
    clock: ClockWords

    @property
    def closed(self) -> bool:
        return not is_open(self.schedule, self.at)

    def closed_words(self) -> str:
        """That it is outside its schedule, and when that opens; empty if it is inside."""
        if not self.closed:
            return ""
        opens = next_change(self.schedule, self.at)
        return "outside its schedule, which " + (
            "does not open in the next weeks" if opens is None else f"opens next at {self.clock(opens)}"
        )

    def may_fire(self, due: int) -> int | None:
        """The first event time from `due` on at which the schedule is open."""
        return first_open(self.schedule, due)

    def when_words(self, due: int) -> str:
        """What is added of when it fires, where that is not simply `due`; empty if it is."""
        opens = self.may_fire(due)
        if self.refused:
            return "; too many alerts are open already, it waits until others end"
        if self.closed:
            next_ = next_change(self.schedule, self.at)
            then = (
                "" if opens is None else ", and fires then" if opens == next_ else f"; it fires at {self.clock(opens)}"
            )
            return f"; {self.closed_words()}{then and f'{then} if it stays so'}"
        if opens == due:
            return ""
        closes = next_change(self.schedule, self.at)
        closing = "its schedule is closed then" if closes is None else f"its schedule closes at {self.clock(closes)}"
        return f"; {closing}" + ("" if opens is None else f", so it fires at {self.clock(opens)} if it stays so")


def schedule_at(schedule: Schedule, at: int) -> ScheduleExplained | None:
    """Of a rule with `only`: is it open at event time `at`, and until when?"""
    if not schedule:
        return None
    return ScheduleExplained(is_open(schedule, at), next_change(schedule, at), tuple(map(opening_words, schedule)))


def opening_words(opening: Opening) -> str:
    """`mon tue 08:00-18:00 Europe/Berlin`; days that follow one another are joined."""
    days = sorted(opening.days)
    whole = len(days) == len(DAYS)
    follows = days == list(range(days[0], days[-1] + 1)) and len(days) > 2
    named = f"{DAYS[days[0]]}-{DAYS[days[-1]]}" if follows else " ".join(DAYS[day] for day in days)
    times = f"{_minute(opening.begins)}-{_minute(opening.ends)}"
    all_day = (opening.begins, opening.ends) == (0, MINUTES_OF_DAY)
    parts = ["" if whole else named, "" if all_day and not whole else times, opening.zone]
    return " ".join(part for part in parts if part)


def muted_at(state: State, rule: str, key: Key, found: RuleState) -> MutedExplained | None:
    """Why people don't know of a firing alert as it is; None if they do."""
    notice = state.notices.get((rule, key))
    if notice is None or not notice.owes or not notice.why or found.alert is not AlertState.FIRING:
        return None
    if notice.cause != Cause.INHIBITED.value:
        return MutedExplained(notice.cause, notice.why)
    compiled = state.plan.rules.get(rule) or state.plan.sequences.rules.get(rule)
    source = state.inhibitions.source_of(compiled.inhibitors, dict(key.labels)) if compiled else None
    if source is None:
        return MutedExplained(notice.cause, notice.why)
    name, same = source
    alerts = (
        one
        for (other, one), kept in state.rules.items()
        if other == name and kept.alert is AlertState.FIRING and dict(one.labels).items() >= dict(same).items()
    )
    shown = tuple(sorted(alerts, key=lambda one: one.text)[:ALERTS_SHOWN])
    return MutedExplained(notice.cause, notice.why, name, shown)


def _minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
