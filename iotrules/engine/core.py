"""The engine: one input in, one decision out.

`now` is our clock in ns, `sequence` the input's number in the journal. The same inputs give the same decisions,
on any machine, however often the engine was stored and restored in between.
"""

from __future__ import annotations

from typing import assert_never

from iotrules.engine import commands
from iotrules.engine.alerts import Moment, advance, schedule
from iotrules.engine.intake import take_arrival
from iotrules.engine.receipts import take_receipt
from iotrules.engine.reload import reload, schedule_all
from iotrules.engine.state import Remembered, State
from iotrules.model.decisions import ActiveAlert, Decision, Key
from iotrules.model.inputs import Input, Messages, Receipt, Reload, Tick
from iotrules.model.rules import RuleSet, Severity


class Engine:
    """Owns its state; only values leave it."""

    def __init__(self) -> None:
        self._state = State()

    @property
    def rules(self) -> RuleSet:
        """The rules in use."""
        return self._state.plan.set

    @property
    def files(self) -> Reload:
        """The rule files in use, as they were loaded."""
        return self._state.files

    @property
    def wake_at(self) -> int | None:
        """The next instant at which the engine wants a tick, or None."""
        return self._state.timers.next_due()

    def remembered(self, key: Key) -> Remembered:
        """What handlers remember about a device; empty, at version 0, if nothing."""
        return self._state.devices.get(key) or Remembered()

    def active_alerts(self) -> list[ActiveAlert]:
        """What is pending or firing now, of the rules that raise alerts."""
        return [
            ActiveAlert(rule, key, found.alert, Severity(found.severity))
            for (rule, key), found in self._state.rules.items()
            if found.active and rule in self.rules.rules and self.rules.rules[rule].alert
        ]

    def process(self, value: Input, now: int, sequence: int) -> Decision:
        """Decide on one input. RuleError for a reload that doesn't load: then nothing has changed."""
        decision = Decision()
        moment = Moment(now, sequence, decision)
        changes = self._state.changes
        match value:
            case Messages(arrivals):
                for arrival in arrivals:
                    take_arrival(self._state, arrival, moment)
            case Tick():
                self._tick(moment)
            case Receipt():
                take_receipt(self._state, value, now, decision)
            case Reload():
                reload(self._state, value, moment)
            case _:
                assert_never(value)
        decision.changed = not isinstance(value, Tick) or self._state.changes > changes
        return decision

    def take_snapshot(self) -> dict[str, bytes | None]:
        """The parts of the state that changed since the last call (None: gone)."""
        return self._state.take_dirty()

    def restore(self, parts: dict[str, bytes]) -> None:
        """Become the engine that these parts were taken from. Only for a new engine."""
        self._state.restore(parts)
        for name, opened in self._state.commands.items():
            self._state.timers.set(("command", name), opened.deadline)
        schedule_all(self._state)

    def _tick(self, moment: Moment) -> None:
        for name in self._state.timers.pop_due(moment.now):
            match name:
                case ("command", command):
                    commands.overdue(self._state, command, moment.now, moment.decision)
                case ("rule", rule, key):
                    self._wake_rule(rule, Key.from_text(key), moment)

    def _wake_rule(self, rule: str, key: Key, moment: Moment) -> None:
        compiled = self._state.plan.rules[rule]
        track = self._state.tracks[compiled.rule.stream, compiled.rule.by, key]
        advance(self._state, compiled, track, track.clock_at(moment.now) - 1, moment)
        schedule(self._state, compiled, track)
