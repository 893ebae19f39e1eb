"""One case in virtual time, on the engine that runs live: messages, timers, functions, answers, restarts.

House rule: no clock is read. Time is what the case says, and moves to the next message or the engine's next wish.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, assert_never

import msgspec

from iotrules.engine import Engine
from iotrules.engine.effects import WireAnswer
from iotrules.model.decisions import (
    AlertState,
    CommandChange,
    CommandState,
    Decision,
    Effect,
    Invoke,
    Key,
    PublishMessage,
    SendCommand,
    Transition,
)
from iotrules.model.errors import FunctionError
from iotrules.model.guards import Muting
from iotrules.model.inputs import (
    Arrival,
    Input,
    Messages,
    Operator,
    Receipt,
    Reload,
    Started,
    Tick,
    decode_input,
    encode_input,
)
from iotrules.model.rules import Ladder, RuleSet, Severity
from iotrules.tools.testing.cases import Case, Reply, Restart, Ruling, Sent
from iotrules.tools.testing.devices import of_case
from iotrules.tools.testing.functions import LocalHandlers

SNAPSHOT_EVERY = 8
"""Journaled inputs: a restart has both a snapshot to restore and inputs after it to replay."""

_REPLIES: Mapping[Reply, tuple[Any, ...]] = {
    "succeeded": ("acknowledged", "succeeded"),
    "failed": ("acknowledged", "failed"),
    "rejected": ("rejected",),
    "none": (),
}


class Invocation(NamedTuple):
    """A rule had a function called; `at` is an offset from the case's start, ns."""

    at: int
    rule: str
    function: str
    key: Key


class Fault(NamedTuple):
    """A function, or a delivery, that failed for good."""

    at: int
    what: str
    detail: str


@dataclass(slots=True)
class Run:
    """All that happened in a case. Times of transitions and commands are absolute, the others offsets; ns."""

    start: int
    transitions: list[Transition] = field(default_factory=list)
    levels: list[Transition] = field(default_factory=list)
    """Those of the levels of ladders, by `level_name`."""
    commands: dict[str, list[CommandChange]] = field(default_factory=dict)
    """By the command's id: each change of its state."""
    invocations: list[Invocation] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unmet: list[Ruling] = field(default_factory=list)
    """Where nothing was held that could be approved or rejected."""
    restarts: list[Restart] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    """Rule → how often its condition was unknown."""
    restarted: set[tuple[str, AlertState]] = field(default_factory=set)
    """(rule, pending or firing): a restart came while an alert of the rule was in that state."""


def play(case: Case, rules: RuleSet, texts: Mapping[str, str], handlers: LocalHandlers) -> Run:
    """What happens when the case meets these rules. The same in, the same out."""
    handlers.forget()
    world = _World(case, of_case(case, _visible(rules)), texts, handlers)
    waiting = deque(case.sent)
    events: list[Restart | Ruling] = [*case.restarts, *case.rulings]
    for event in sorted(events, key=lambda event: event.at):
        world.send_all(_take(waiting, event.at))
        world.pass_time(case.start + event.at)
        if isinstance(event, Ruling):
            world.rule(event)
        else:
            world.restart(event)
            world.send_backlog(_take(waiting, event.end))
    world.send_all(_take(waiting, case.end))
    world.pass_time(case.start + case.end + 2)  # what is due at the very end is due, 1 ns after its messages
    return world.run


def _visible(rules: RuleSet) -> RuleSet:
    """The same rules, but each shows its transitions, also where `alert: false` keeps them from people.

    Each level of a ladder is there once more as a rule of its own without steps, so that it can be looked at.
    """
    shown = {name: replace(rule, alert=True) for name, rule in rules.rules.items()}
    levels = {
        level_name(rule.name, rung.severity): replace(
            rule,
            name=level_name(rule.name, rung.severity),
            body=rung.condition,
            severity=rung.severity,
            steps=(),
            muting=Muting(flapping=None),
        )
        for rule in shown.values()
        if isinstance(rule.body, Ladder)
        for rung in rule.body.rungs
    }
    return replace(rules, rules=shown | levels)


def level_name(rule: str, level: Severity) -> str:
    """What a level of a ladder is called as a rule of its own; no rule of a file can be called so."""
    return f"{rule}@{level.word}"


def is_of(key: Key, labels: Mapping[str, str]) -> bool:
    """Is the device of the key the one that these labels name?"""
    return all(labels.get(name) == value for name, value in key.labels)


def _take(waiting: deque[Sent], upto: int) -> list[Sent]:
    taken = []
    while waiting and waiting[0].at <= upto:
        taken.append(waiting.popleft())
    return taken


class _Entry(NamedTuple):
    """A row of the journal."""

    now: int
    sequence: int
    body: bytes


class _World:
    def __init__(self, case: Case, rules: RuleSet, texts: Mapping[str, str], handlers: LocalHandlers) -> None:
        self.run = Run(case.start)
        self._case = case
        self._rules = rules
        self._handlers = handlers
        self._engine = Engine(self._given)
        self._now = case.start
        self._sequence = 0
        self._journal: list[_Entry] = []
        self._parts: dict[str, bytes] = {}
        self._put(Reload(dict(texts)))

    def _given(self, _: Reload) -> RuleSet:
        """Rules that were checked (or mutated) before, instead of being read from the files each time."""
        return self._rules

    def send_all(self, sent: Iterable[Sent]) -> None:
        """Each message when its time has come; timers before it fire."""
        for message in sent:
            self.pass_time(self._case.start + message.at)
            self._put(Messages((Arrival(message.topic, message.payload, self._now),)))

    def send_backlog(self, sent: Iterable[Sent]) -> None:
        """What the broker kept while the engine was down, at once and before any timer."""
        arrivals = tuple(Arrival(message.topic, message.payload, self._now) for message in sent)
        if arrivals:
            self._put(Messages(arrivals))

    def pass_time(self, target: int) -> None:
        """Move the clock, ticking whenever the engine wants to be woken before then."""
        while (wake_at := self._engine.wake_at) is not None and wake_at < target:
            self._now = max(self._now, wake_at)
            self._put(Tick())
        self._now = max(self._now, target)

    def restart(self, restart: Restart) -> None:
        """Kill the engine, and go on later with one made from the last snapshot and the journal after it."""
        self.run.restarts.append(restart)
        latest = {(change.rule, change.key): change.after for change in self.run.transitions}
        self.run.restarted |= {(rule, state) for (rule, _), state in latest.items()}
        self._now = self._case.start + restart.end
        self._engine = Engine(self._given)
        self._engine.restore(self._parts)
        for entry in self._journal:
            self._engine.process(decode_input(entry.body), entry.now, entry.sequence)
        if self._engine.minds_stops and restart.down:
            self._put(Started(self._case.start + restart.at))

    def rule(self, ruling: Ruling) -> None:
        """Approve or reject what is held then, as a person would."""
        held = [changes[-1] for changes in self.run.commands.values() if changes[-1].state is CommandState.HELD]
        meant = [one for one in held if one.name == ruling.command and is_of(one.key, ruling.key)]
        if not meant:
            self.run.unmet.append(ruling)
        for one in meant:
            self._put(Operator(ruling.action, one.id, ruling.who, ruling.why))

    def _put(self, value: Input) -> None:
        body = encode_input(value)
        decision = self._engine.process(decode_input(body), self._now, self._sequence + 1)
        if decision.changed:
            self._sequence += 1
            self._journal.append(_Entry(self._now, self._sequence, body))
        self._note(decision)
        if self._case.restarts and len(self._journal) >= SNAPSHOT_EVERY:
            self._take_snapshot()
        for effect in decision.effects:
            self._carry_out(effect)

    def _take_snapshot(self) -> None:
        for name, body in self._engine.take_snapshot().items():
            if body is None:
                self._parts.pop(name, None)
            else:
                self._parts[name] = body
        self._journal.clear()

    def _note(self, decision: Decision) -> None:
        for transition in decision.transitions:
            (self.run.levels if "@" in transition.rule else self.run.transitions).append(transition)
        for change in decision.commands:
            self.run.commands.setdefault(change.id, []).append(change)
        for (counter, label), times in decision.counts.items():
            if counter == "unknown":
                self.run.unknown[label] += times
        for row in decision.ledger:
            if row.state == "failed":
                at = self._now - self._case.start
                self.run.faults.append(Fault(at, row.function or row.effect, row.detail))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Invoke():
                at, rule = self._now - self._case.start, str(effect.event["reason"]["rule"])
                self.run.invocations.append(Invocation(at, rule, effect.function, effect.key))
                self._put(self._invoke(effect))
            case SendCommand():
                self._put(Receipt(effect.id, "done"))
                for status in _REPLIES[self._case.reply]:
                    self._reply(effect, WireAnswer(effect.command, status))
            case PublishMessage():
                self._put(Receipt(effect.id, "done"))
            case _:
                assert_never(effect)

    def _invoke(self, effect: Invoke) -> Receipt:
        device = self._engine.remembered(effect.key)
        event = effect.event | {"state": device.body, "state_version": device.version}
        try:
            answer = self._answer(effect, msgspec.json.encode(event))
        except FunctionError as error:
            return Receipt(effect.id, "failed", str(error))
        return Receipt(effect.id, "done", answer=answer, state_version=device.version)

    def _answer(self, effect: Invoke, event: bytes) -> bytes:
        if effect.function in self._case.answers:
            return msgspec.json.encode(self._case.answers[effect.function])
        return self._handlers.invoke(effect.function, event, effect.id)

    def _reply(self, command: SendCommand, answer: WireAnswer) -> None:
        """The device's answer, on the topic that answers to the command's."""
        topics = self._rules.commands
        captured = topics.topic.match(command.topic) if topics else None
        if topics is None or captured is None:
            return
        labels = dict(command.key.labels) | dict(zip(topics.topic.captures, captured, strict=True))
        if set(topics.ack.captures) <= labels.keys():
            self._put(Messages((Arrival(topics.ack.fill(labels), msgspec.json.encode(answer), self._now),)))
