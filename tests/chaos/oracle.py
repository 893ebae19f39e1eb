"""What should have come of a journal: the checker's own reading of it, for the plain rules of plant.py.

House rule: nothing here comes from iotrules. A journal row is (sequence, now, value), the value as MessagePack has it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.history import message_id
from tests.chaos.plant import LATE_MS, Threshold, read_rules
from tests.chaos.poison import certainly_bad

MS = 1_000_000
MESSAGES, TICK, RELOAD = "m", "t", "r"
Row = tuple[int, int, list[Any]]
AlertKey = tuple[str, str]
"""The rule, and the device."""


@dataclass(slots=True)
class Alert:
    """What the oracle knows of one rule and device. Times in ns."""

    firing: bool = False
    since: int | None = None
    clock: int = 0
    wall: int = 0
    story: list[tuple[str, int | None]] = field(default_factory=list)
    """("firing", event time) and ("resolved", None), in order."""


@dataclass(slots=True)
class Expected:
    """What must be found in the store, if all went well."""

    logged: set[str] = field(default_factory=set)
    """Every message that is in the journal."""
    sequences: set[int] = field(default_factory=set)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(received | applied | duplicate | late | dead, stream)"""
    dead: Counter[str] = field(default_factory=Counter)
    """What nobody can read, by id of topic and the first 4 KiB."""
    alerts: dict[AlertKey, Alert] = field(default_factory=lambda: defaultdict(Alert))
    late_in_time: list[str] = field(default_factory=list)
    reloads: int = 0
    rule_names: set[str] = field(default_factory=set)


def expect(rows: Iterable[Row]) -> Expected:
    """Read the journal, from its beginning, in its order."""
    reading = _Reading()
    for sequence, now, value in rows:
        reading.expected.sequences.add(sequence)
        match value[0]:
            case "m":
                for topic, payload, *_ in value[1]:
                    reading.message(topic, bytes(payload), now)
            case "t":
                reading.tick(now)
            case "r":
                reading.reload(value[1])
    reading.finish()
    return reading.expected


class _Reading:
    def __init__(self) -> None:
        self.expected = Expected()
        self._rules: dict[str, Threshold] = {}
        self._seen: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._newest: dict[str, int] = {}
        self._waiting: dict[str, list[tuple[int, int, str, dict[str, Any], int]]] = defaultdict(list)

    def message(self, topic: str, payload: bytes, now: int) -> None:
        expected, parts = self.expected, topic.split("/")
        stream = parts[-1]
        expected.logged.add(message_id(topic.encode(errors="replace"), payload))
        expected.counts["received", ""] += 1
        if stream not in ("env", "slow") or len(parts) != 5:
            return
        if certainly_bad(payload):
            expected.dead[message_id(topic.encode(), payload[:4096])] += 1
            return
        body = json.loads(payload)
        seen = self._seen[topic, str(body["boot"])]
        if body["seq"] in seen:
            expected.counts["duplicate", stream] += 1
            return
        if stream == "slow":
            self._keep(topic, body, now, seen)
            return
        at = body["ts"] * MS
        if at < self._newest.get(topic, at):
            expected.counts["late", stream] += 1
            return
        seen.add(body["seq"])
        self._newest[topic] = at
        expected.counts["applied", stream] += 1
        self._apply(parts[3], stream, body, at, now)

    def _keep(self, topic: str, body: dict[str, Any], now: int, seen: set[int]) -> None:
        """A sample that may have come before an older one."""
        at = body["ts"] * MS
        newest = self._newest.get(topic, at)
        if at < newest and (at < newest - LATE_MS * MS or at < now - LATE_MS * MS):
            self.expected.counts["perhaps late", "slow"] += 1
            return
        seen.add(body["seq"])
        self._newest[topic] = max(newest, at)
        self.expected.counts["applied", "slow"] += 1
        self._waiting[topic].append((at, body["seq"], topic.split("/")[3], body, now))

    def tick(self, now: int) -> None:
        """A hold may be over without a further message."""
        for (name, _), alert in self.expected.alerts.items():
            rule = self._rules.get(name)
            if rule is None or alert.since is None or alert.firing:
                continue
            due = alert.since + rule.hold_ms * MS
            if due <= alert.clock + (now - alert.wall):
                _fire(alert, due)

    def reload(self, files: dict[str, str]) -> None:
        self.expected.reloads += 1
        rules = {rule.name: rule for text in files.values() for rule in read_rules(text)}
        for (name, _), alert in self.expected.alerts.items():
            if rules.get(name) != self._rules.get(name):
                if alert.firing:
                    alert.story.append(("resolved", None))
                alert.firing, alert.since = False, None
        self._rules = rules
        self.expected.rule_names |= set(rules)

    def finish(self) -> None:
        """What waited leaves in the order of its time."""
        for samples in self._waiting.values():
            for at, _, device, body, now in sorted(samples, key=lambda one: one[:2]):
                self._apply(device, "slow", body, at, now)

    def _apply(self, device: str, stream: str, body: dict[str, Any], at: int, now: int) -> None:
        for rule in self._rules.values():
            if rule.stream == stream and rule.field in body:
                look(rule, self.expected.alerts[rule.name, device], body[rule.field], at, now)


def look(rule: Threshold, alert: Alert, value: float, at: int, now: int) -> None:
    """One sample of a rule's field, at event time `at`."""
    due = None if alert.since is None else alert.since + rule.hold_ms * MS
    if due is not None and due < at and not alert.firing:
        _fire(alert, due)
    alert.clock, alert.wall = max(at, alert.clock), now
    if value > rule.above:
        if alert.since is None and not alert.firing:
            alert.since = at
        if not alert.firing and alert.since is not None and alert.since + rule.hold_ms * MS <= at:
            _fire(alert, alert.since + rule.hold_ms * MS)
        return
    alert.since = None
    if alert.firing and (rule.below is None or value < rule.below):
        alert.firing = False
        alert.story.append(("resolved", None))


def _fire(alert: Alert, at: int) -> None:
    alert.firing, alert.since = True, None
    alert.story.append(("firing", at))
