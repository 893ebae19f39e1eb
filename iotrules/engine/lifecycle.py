"""The life of an alert, for one rule and key.

House rules: a truth about a key over time goes in, transitions come out; unknown never fires and never clears; `for`
counts only time in which the condition was known to be true, and any false sample or gap starts it again.

The body is the table below: what each state does on each signal. Anything not in it is no transition.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from iotrules.model.decisions import AlertState
from iotrules.model.expression import Truth


class Signal(Enum):
    """What an observation of the condition means for the alert."""

    TRUE = "the condition is true"
    HELD = "the condition was true for as long as `for` says"
    LOST = "the condition is false, or its samples stopped"
    CLEARED = "what ends the alert was true for as long as `clear` says"
    WITHDRAWN = "the rule was removed or changed in meaning"


TABLE: dict[tuple[AlertState, Signal], AlertState] = {
    (AlertState.INACTIVE, Signal.TRUE): AlertState.PENDING,
    (AlertState.INACTIVE, Signal.HELD): AlertState.FIRING,
    (AlertState.PENDING, Signal.HELD): AlertState.FIRING,
    (AlertState.PENDING, Signal.LOST): AlertState.INACTIVE,
    (AlertState.PENDING, Signal.WITHDRAWN): AlertState.INACTIVE,
    (AlertState.FIRING, Signal.CLEARED): AlertState.RESOLVED,
    (AlertState.FIRING, Signal.WITHDRAWN): AlertState.RESOLVED,
    (AlertState.RESOLVED, Signal.TRUE): AlertState.PENDING,
    (AlertState.RESOLVED, Signal.HELD): AlertState.FIRING,
}


class Held(msgspec.Struct, array_like=True):
    """How long something has been true without a break, in event time; an unknown stretch does not count."""

    since: int | None = None
    frozen: int | None = None

    def observe(self, value: Truth, at: int) -> bool:
        """Take in the truth at event time `at`, not earlier than the one before. Did that change anything?"""
        before = (self.since, self.frozen)
        if value is None:
            if self.since is not None and self.frozen is None:
                self.frozen = at
        elif not value:
            self.since = self.frozen = None
        else:
            self.since = at if self.since is None else self.since + (at - (self.frozen or at))
            self.frozen = None
        return before != (self.since, self.frozen)

    def done(self, wanted: int, at: int) -> bool:
        return self.since is not None and self.frozen is None and at - self.since >= wanted

    def due(self, wanted: int) -> int | None:
        """The event time at which it will have been true for `wanted`, if it stays so."""
        return None if self.since is None or self.frozen is not None else self.since + wanted


class RuleState(msgspec.Struct, array_like=True):
    """All that is remembered for one rule and key."""

    state: str = AlertState.INACTIVE.value
    episode: int = 0
    number: int = 0
    hold: Held = msgspec.field(default_factory=Held)
    clear: Held = msgspec.field(default_factory=Held)
    observed: int = 0
    """Event time of the newest observation. An input that moves only this need not be journaled."""

    @property
    def alert(self) -> AlertState:
        return AlertState(self.state)

    @property
    def active(self) -> bool:
        return self.state in (AlertState.PENDING.value, AlertState.FIRING.value)
