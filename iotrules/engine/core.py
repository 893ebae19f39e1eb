"""The engine: one input in, one decision out.

`now` is our clock in ns, `sequence` the input's number in the journal. The same inputs give the same decisions,
on any machine, however often the engine was stored and restored in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import assert_never

from iotrules.engine import accounting, clocks, commands, held, notices, own_alerts
from iotrules.engine.amending import amend, forget
from iotrules.engine.attending import attend, wake_failed
from iotrules.engine.bounds import Bounds
from iotrules.engine.downtime import take_stop
from iotrules.engine.gaps import wake_gap
from iotrules.engine.groups import apart, vote
from iotrules.engine.held_back import ClockWords, utc_clock
from iotrules.engine.inspect import Gap, Standing, gaps, keys_of, standings
from iotrules.engine.intake import let_leave, take_arrival
from iotrules.engine.letters import take_discard, take_replay
from iotrules.engine.looks import impatient, settle, tell_freed, unknowns, wake
from iotrules.engine.moment import Moment
from iotrules.engine.operators import take_operator
from iotrules.engine.receipts import take_receipt
from iotrules.engine.rehearse import look_again
from iotrules.engine.reload import reload, schedule_all
from iotrules.engine.rereading import pass_time, reread
from iotrules.engine.sequence_alerts import take_reading, tell_freed_sequence, wake_sequence
from iotrules.engine.sequence_why import explain_sequence
from iotrules.engine.shedding import take_shed
from iotrules.engine.state import Remembered, State
from iotrules.engine.stream_alerts import wake_quiet
from iotrules.engine.why import explain
from iotrules.language import load_files
from iotrules.model.decisions import ActiveAlert, Decision, Key
from iotrules.model.explanation import Explanation, SeenMessage
from iotrules.model.inputs import (
    Arrival,
    Discard,
    Input,
    Messages,
    Operator,
    Receipt,
    Reload,
    Replay,
    Shed,
    Started,
    Tick,
)
from iotrules.model.rules import RuleSet, Severity

BOUNDS = Bounds()
_ALL = 2**62


def _load(files: Reload) -> RuleSet:
    return load_files(files.files, files.registry)


class Engine:
    """Owns its state; only values leave it.

    `read` makes rules of the files of a Reload. Without `fused` the plain interpreter does all, which is slower and
    decides the same.
    """

    def __init__(
        self, read: Callable[[Reload], RuleSet] = _load, *, fused: bool = True, bounds: Bounds = BOUNDS
    ) -> None:
        self._state = State(read, fused=fused, bounds=bounds)

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
        dues = (self._state.timers.next_due(), self._state.waiting.next_due())
        return min((due for due in dues if due is not None), default=None)

    @property
    def minds_stops(self) -> bool:
        """Must it be told of the time in which it was stopped?"""
        return self._state.plan.minds_stops

    def remembered(self, key: Key) -> Remembered:
        """What handlers remember about a device; empty, at version 0, if nothing."""
        return self._state.devices.get(key) or Remembered()

    def active_alerts(self) -> list[ActiveAlert]:
        """What is pending or firing now: of rules, held commands, clocks that are ahead, and rules themselves."""
        found = [
            ActiveAlert(rule, key, kept.alert, Severity(kept.severity))
            for (rule, key), kept in self._state.rules.items()
            if kept.active and rule in self.rules.rules and self.rules.rules[rule].alert
        ]
        others = held.active_alerts(self._state) + clocks.active_alerts(self._state.sources.values())
        return found + others + own_alerts.active_alerts(self._state)

    def explain(
        self,
        rule: str,
        key: Key,
        now: int,
        faults: Mapping[str, str] | None = None,
        newest: Mapping[str, SeenMessage] | None = None,
        clock: ClockWords = utc_clock,
    ) -> Explanation:
        """Why the rule sees this key as it does at `now`; changes nothing. KeyError for a rule that there is not.

        `newest`: of a rule with `sequence`, by stream the key's newest message, where somebody knows it. `clock` writes
        instants as the people who ask read them.
        """
        if (one := self._state.plan.sequences.rules.get(rule)) is not None:
            return explain_sequence(self._state, one, key, now, newest or {}, clock)
        return explain(self._state, rule, key, now, faults or {}, clock)

    def keys(self, rule: str) -> list[Key]:
        """The keys that a rule has seen a message of. KeyError for a rule that there is not."""
        return keys_of(self._state, self.rules.rules[rule])

    def standings(self) -> list[Standing]:
        """What is remembered of every rule and key, for comparing."""
        return standings(self._state)

    def gaps(self) -> list[Gap]:
        """What never came of each device that counts its messages, most first."""
        return gaps(self._state)

    def look_again(self, rules: Iterable[str], now: int, sequence: int) -> Decision:
        """Of a copy, what these rules decide on each key's newest values; the running engine never does this."""
        decision = Decision()
        look_again(frozenset(rules), self._moment(now, sequence, decision))
        return decision

    def process(self, value: Input, now: int, sequence: int) -> Decision:
        """Decide on one input. RuleError for a reload that doesn't load: then nothing has changed."""
        decision = Decision(sequence=sequence)
        moment = self._moment(now, sequence, decision)
        changes = self._state.changes
        match value:
            case Messages(arrivals):
                self._take(arrivals, moment)
                amend(moment)
            case Tick():
                self._tick(moment)
                self._tell_freed(moment, passed=True)
            case Started(stopped):
                self._state.keep_all()
                take_stop(stopped, moment)
                forget(self._state)
                reread(moment)
                self._tell_freed(moment, passed=True)
            case Receipt():
                take_receipt(self._state, value, now, decision)
            case Operator():
                take_operator(self._state, value, now, decision)
            case Replay():
                take_replay(value, moment)
                amend(moment)
                self._tell_freed(moment, passed=True)
            case Discard():
                take_discard(value, moment)
            case Shed():
                take_shed(value, moment)
            case Reload():
                self._state.keep_all()
                reload(value, moment)
                self._tell_freed(moment, passed=True)
            case _:
                assert_never(value)
        attend(moment)
        accounting.check(decision)
        decision.changed = not isinstance(value, Tick) or self._state.changes > changes
        return decision

    def _moment(self, now: int, sequence: int, decision: Decision) -> Moment:
        ways = (settle, pass_time, impatient, unknowns, take_reading, reread, vote, apart)
        return Moment(now, sequence, decision, self._state, *ways)

    def _take(self, arrivals: Sequence[Arrival], moment: Moment) -> None:
        """Ordinary messages go through their stream's generated function, all else the careful way."""
        state, now = self._state, moment.now
        freed = state.inhibitions.freed
        sources, samples, touched = state.by_topic, moment.decision.samples, state.touched
        for arrival in arrivals:
            source = sources.get(arrival.topic)
            if (
                source is None
                or source.take is None
                or not source.take(source, arrival.payload, arrival.received, now, samples, touched, moment)
            ):
                take_arrival(state, arrival, moment)
            if freed:
                self._tell_freed(moment)
        moment.decision.count("received", by=len(arrivals))
        for plan in state.plan.streams.values():
            plan.count_taken(moment.decision)

    def begin_snapshot(self) -> None:
        """From now on `snapshot_parts` gives the parts that changed since the last snapshot began, as they are now."""
        self._state.begin_snapshot()

    def snapshot_parts(self, size: int) -> dict[str, bytes | None]:
        """The next parts of the snapshot that was begun, about `size` bytes (None: gone); none are left: complete.

        Inputs may be decided on in between.
        """
        return self._state.take_parts(size)

    def take_snapshot(self) -> dict[str, bytes | None]:
        """A whole snapshot at once: what is left of the one that was begun, then what has changed since."""
        parts = self._state.take_parts(_ALL)
        self._state.begin_snapshot()
        return parts | self._state.take_parts(_ALL)

    def restore(self, parts: dict[str, bytes]) -> None:
        """Become the engine that these parts were taken from. Only for a new engine."""
        self._state.restore(parts)
        for name, opened in self._state.commands.items():
            self._state.timers.set(("command", name), opened.deadline)
        notices.rebuild(self._state)
        self._state.inhibitions.freed.clear()  # the input that freed them has told of them
        schedule_all(self._state)

    def _tell_freed(self, moment: Moment, *, passed: bool = False) -> None:
        """Tell people of the alerts that nobody inhibits any more, once all that an input does is done."""
        state = self._state
        freed = sorted(state.inhibitions.freed, key=lambda one: (one[0], one[1].text))
        state.inhibitions.freed.clear()
        for name, key in freed:
            if name in state.plan.rules:
                tell_freed(state.plan.rules[name], key, moment, passed=passed)
            else:
                tell_freed_sequence(state.plan.sequences.rules[name], key, moment, passed=passed)

    def _tick(self, moment: Moment) -> None:
        state = moment.state
        for stream, *captured in state.waiting.pop_due(moment.now):
            let_leave(state.sources[stream, tuple(captured)], state.plan.streams[stream], moment)
        for name in self._state.timers.pop_due(moment.now):
            match name:
                case ("command", command):
                    commands.overdue(self._state, command, moment.now, moment.decision)
                case ("gap", *source):
                    wake_gap(tuple(source), moment)
                case ("quiet", alert):
                    wake_quiet(alert, moment)
                case ("failed", rule):
                    wake_failed(rule, moment)
                case ("sequence", rule, key):
                    wake_sequence(rule, Key.from_text(key), moment)
                    reread(moment)
                case _:
                    wake(self._state.woken(name), moment)
                    reread(moment)
