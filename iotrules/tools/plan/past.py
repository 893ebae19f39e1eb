"""The kept telemetry, played through rules in virtual time: the episodes that they would have had.

House rule: the engine that runs live, in a dry run; a reading becomes the message that it was decoded from, as far as
the history keeps it (only the fields of the stream; missing values and unusable messages are not there).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from iotrules.engine import Engine
from iotrules.history.views import StoredReading
from iotrules.model.decisions import AlertState, Decision, Key, Transition
from iotrules.model.inputs import Arrival, Messages, Reload, Tick
from iotrules.model.rules import EventTime, Severity, Stream
from iotrules.model.times import MILLISECOND, SECOND


@dataclass(frozen=True, slots=True)
class Episode:
    """From a firing to its end, None if it had not ended; event time ns, `severity` the worst."""

    rule: str
    key: Key
    opened: int
    closed: int | None
    severity: Severity


@dataclass(slots=True)
class Player:
    """One engine on the way through the past."""

    files: Reload
    engine: Engine = field(default_factory=Engine)
    now: int = 0
    sequence: int = 0
    messages: int = 0
    unplayable: set[str] = field(default_factory=set)
    """Streams of the history that these rules don't have, or that are keyed in another way."""
    _open: dict[tuple[str, Key], Episode] = field(default_factory=dict)
    _ended: list[Episode] = field(default_factory=list)

    def begin(self, at: int) -> None:
        """Load the rules. RuleError if they don't load."""
        self.now = at
        self._put(msgspec.structs.replace(self.files, dry_run=True))

    def play(self, readings: Iterable[StoredReading]) -> None:
        """Take in readings, in order of time."""
        for reading in readings:
            stream = self.engine.rules.streams.get(reading.stream)
            arrival = None if stream is None else message_of(stream, reading)
            if arrival is None:
                self.unplayable.add(reading.stream)
                continue
            self.pass_time(reading.at)
            self.messages += 1
            self._put(Messages((arrival,)))

    def pass_time(self, target: int) -> None:
        """Let timers fire that are due before `target`; a message of the same instant comes first."""
        while (wake_at := self.engine.wake_at) is not None and wake_at < target:
            self.now = max(self.now, wake_at)
            self._put(Tick())
        self.now = max(self.now, target)

    def episodes(self) -> list[Episode]:
        """All of them, by rule, key and time."""
        found = [*self._ended, *self._open.values()]
        return sorted(found, key=lambda one: (one.rule, one.key.text, one.opened))

    def _put(self, value: Reload | Messages | Tick) -> None:
        decision = self.engine.process(value, self.now, self.sequence + 1)
        self.sequence += decision.changed
        self._note(decision)

    def _note(self, decision: Decision) -> None:
        for change in decision.transitions:
            name = (change.rule, change.key)
            if change.after is AlertState.FIRING:
                self._open[name] = _opened(change, self._open.get(name))
            elif change.after is AlertState.RESOLVED and name in self._open:
                one = self._open.pop(name)
                self._ended.append(Episode(one.rule, one.key, one.opened, change.at, one.severity))


def _opened(change: Transition, before: Episode | None) -> Episode:
    if before is None:
        return Episode(change.rule, change.key, change.at, None, change.severity)
    return Episode(change.rule, change.key, before.opened, None, max(before.severity, change.severity))


def message_of(stream: Stream, reading: StoredReading) -> Arrival | None:
    """The message that this reading was decoded from; None if the stream has other labels by now."""
    document: dict[str, Any] = {}
    for one in stream.fields:
        if one.name in reading.values:
            _set(document, one.path, reading.values[one.name])
    if stream.time is not None:
        _set(document, stream.time.path, _time(stream.time, reading.at))
    try:
        topic = stream.topic.fill(dict(Key.from_text(reading.key).labels))
    except KeyError:
        return None
    return Arrival(topic, msgspec.json.encode(document), reading.at)


def _set(document: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        inner = document.setdefault(name, {})
        document = inner if isinstance(inner, dict) else {}
    document[path[-1]] = value


def _time(rule: EventTime, at: int) -> int | float | str:
    """The event time as the stream's messages have it."""
    if rule.format == "iso8601":
        moment = datetime.fromtimestamp(at // SECOND, UTC) + timedelta(microseconds=at % SECOND // 1_000)
        return moment.isoformat()
    scale = {"unix_s": SECOND, "unix_ms": MILLISECOND, "unix_us": 1_000, "unix_ns": 1}[rule.format]
    return at // scale if at % scale == 0 else at / scale
