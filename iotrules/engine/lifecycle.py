"""The life of an alert, for one rule and key.

House rules: a truth about a key over time goes in, transitions come out; unknown never fires and never clears; `for`
counts only time in which the condition was known to be true, and any false sample or gap starts it again.

The body is the table below: what each state does on each signal. Anything not in it is no transition.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from iotrules.engine.stops import Stops
from iotrules.model.decisions import AlertState
from iotrules.model.expression import Truth
from iotrules.model.rules import Severity


class Signal(Enum):
    """What an observation of the condition means for the alert."""

    TRUE = "the condition is true"
    HELD = "the condition was true for as long as `for` says"
    LOST = "the condition is false, or its samples stopped"
    MOVED = "another level is the highest one now"
    CLEARED = "what ends the alert was true for as long as `clear` says"
    UNMUTED = "people are told now of what was muted"
    WITHDRAWN = "the rule was removed or changed in meaning"


TABLE: dict[tuple[AlertState, Signal], AlertState] = {
    (AlertState.INACTIVE, Signal.TRUE): AlertState.PENDING,
    (AlertState.INACTIVE, Signal.HELD): AlertState.FIRING,
    (AlertState.PENDING, Signal.HELD): AlertState.FIRING,
    (AlertState.PENDING, Signal.LOST): AlertState.INACTIVE,
    (AlertState.PENDING, Signal.WITHDRAWN): AlertState.INACTIVE,
    (AlertState.FIRING, Signal.MOVED): AlertState.FIRING,
    (AlertState.FIRING, Signal.UNMUTED): AlertState.FIRING,
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

    def done_after(self, wanted: int | None, at: int) -> bool:
        """Has it been true for `wanted` ns at event time `at`? Never while that is not known."""
        return wanted is not None and self.since is not None and self.frozen is None and at - self.since >= wanted

    def due_after(self, wanted: int | None) -> int | None:
        """The event time at which it will have been true for `wanted`, if it stays so."""
        if wanted is None or self.since is None or self.frozen is not None:
            return None
        return self.since + wanted


class RungState(msgspec.Struct, array_like=True):
    """One level of a rule: on its way, or latched and perhaps on its way out."""

    hold: Held = msgspec.field(default_factory=Held)
    clear: Held = msgspec.field(default_factory=Held)
    latched: bool = False

    def latch(self) -> None:
        self.latched, self.clear = True, Held()

    def release(self) -> None:
        self.latched, self.hold, self.clear = False, Held(), Held()

    def since(self, at: int) -> int:
        """Since when its condition has been true, for event time `at`."""
        return at if self.hold.since is None else self.hold.since


class RuleState(msgspec.Struct, array_like=True):
    """All that is remembered for one rule and key."""

    state: str = AlertState.INACTIVE.value
    episode: int = 0
    number: int = 0
    severity: int = 0
    rungs: list[RungState] = []
    ending: Held = msgspec.field(default_factory=Held)
    """How long a ladder's own clear has been true."""
    observed: int = 0
    """Event time of the newest observation. An input that moves only this need not be journaled."""
    stops: Stops = msgspec.field(default_factory=Stops)
    """The holds run in the time that it counts."""
    refused: bool = False
    """Could it not become pending, or fire, because there are too many already?"""

    @property
    def alert(self) -> AlertState:
        return AlertState(self.state)

    @property
    def active(self) -> bool:
        return self.state in (AlertState.PENDING.value, AlertState.FIRING.value)

    def enter(self, after: AlertState, sequence: int, severity: Severity) -> None:
        """Take on the next state of the alert. An episode begins with its first firing; its name is used once."""
        opens = after is AlertState.FIRING and self.alert is not AlertState.FIRING
        if opens:  # a batch may hold more than one opening; then the later ones take the next number
            self.episode = max(sequence, self.episode + 1)
        self.state, self.severity = after.value, severity
        self.number += 1
        if opens or after in (AlertState.INACTIVE, AlertState.RESOLVED):
            self.ending = Held()
        if after in (AlertState.INACTIVE, AlertState.RESOLVED):
            for rung in self.rungs:
                rung.release()
