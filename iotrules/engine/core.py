"""The engine: one input in, one decision out.

`now` is our clock in ns, `sequence` the input's number in the journal. The same inputs give the same decisions,
on any machine, however often the engine was stored and restored in between.
"""

from __future__ import annotations

from typing import assert_never

from iotrules.engine import commands
from iotrules.engine.alerts import Moment, advance, on_sample, schedule, withdraw
from iotrules.engine.decode import decode_object, identity, read_fields, read_time
from iotrules.engine.evaluate import Scope, evaluate
from iotrules.engine.plan import TrackPlan
from iotrules.engine.receipts import take_receipt
from iotrules.engine.state import Remembered, State
from iotrules.engine.tracks import Seen
from iotrules.model.decisions import DeadLetter, Decision, Key, Reading
from iotrules.model.errors import MessageError
from iotrules.model.expression import Value
from iotrules.model.inputs import Arrival, Input, Messages, Receipt, Reload, Tick
from iotrules.model.rules import RuleSet, Stream

RECENT_WITH_TIME = 64
RECENT_WITHOUT_TIME = 1024
"""Identities kept per source. With event time, whatever is older than the newest is late anyway."""

Labels = tuple[tuple[str, str], ...]


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

    def process(self, value: Input, now: int, sequence: int) -> Decision:
        """Decide on one input. RuleError for a reload that doesn't load: then nothing has changed."""
        decision = Decision()
        moment = Moment(now, sequence, decision)
        changes = self._state.changes
        match value:
            case Messages(arrivals):
                for arrival in arrivals:
                    self._take_arrival(arrival, moment)
            case Tick():
                self._tick(moment)
            case Receipt():
                take_receipt(self._state, value, now, decision)
            case Reload():
                self._reload(value, moment)
            case _:
                assert_never(value)
        decision.wake_at = self.wake_at
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
        for (stream, by, key), track in self._state.tracks.items():
            plan = self._state.plan.tracks.get((stream, by))
            for compiled in plan.rules if plan else ():
                schedule(self._state, compiled, track, self._state.rule(compiled.rule.name, key))

    def _take_arrival(self, arrival: Arrival, moment: Moment) -> None:
        moment.decision.count("received")
        route = self._state.plan.router.route(arrival.topic)
        if route.ack is not None:
            commands.take_answer(self._state, route.ack, arrival, moment.now, moment.decision)
            return
        try:
            if route.fault:
                raise MessageError("bad topic", route.fault)
            if not route.streams:
                raise MessageError("unknown topic", "no stream has a topic like this")
            document = decode_object(arrival.payload)
        except MessageError as error:
            moment.decision.dead_letters.append(
                DeadLetter(arrival.topic, arrival.payload, arrival.received, error.reason, error.detail)
            )
            return
        for stream, labels in route.streams:
            self._take_reading(stream, labels, document, arrival, moment)

    def _take_reading(
        self, stream: Stream, labels: Labels, document: dict[str, object], arrival: Arrival, moment: Moment
    ) -> None:
        decision = moment.decision
        key = Key(labels)
        name = (stream.name, tuple(value for _, value in labels))
        seen = self._state.seen.setdefault(name, Seen())
        at = _event_time(stream, document, arrival, decision)
        if not _is_new(stream, seen, document, arrival, at, decision):
            return
        self._state.mark(("seen", name))
        event_time = _own_clock(arrival, seen) if at is None else at
        seen.watermark = event_time if seen.watermark is None else max(seen.watermark, event_time)
        values, faults = read_fields(stream, document)
        for field, fault in faults:
            decision.count("bad_values", f"{stream.name}.{field}: {fault}")
        decision.count("applied", stream.name)
        decision.readings.append(Reading(stream.name, key, event_time, arrival.received, values))
        for plan in self._state.plan.by_stream[stream.name]:
            self._sample(plan, labels, event_time, values, moment)

    def _sample(
        self, plan: TrackPlan, labels: Labels, at: int, values: dict[str, Value | None], moment: Moment
    ) -> None:
        captured = dict(labels)
        key = Key(tuple((name, captured[name]) for name in plan.by))
        track = self._state.track((plan.stream.name, plan.by, key), moment.now)
        at = max(at, track.clock)
        for compiled in plan.rules:
            if track.clock:
                advance(self._state, compiled, track, at - 1, moment)
        track.sample(at, moment.now, captured, values)
        scope = Scope(values, captured, lambda _: None)
        for buffer in plan.buffers:
            value = evaluate(buffer.argument, scope)
            number = value if isinstance(value, float) else 0.0  # only `count` looks at what is no number
            if value is not None and not track.windows[buffer.name].add(at, number):
                moment.decision.count("window_overflow", buffer.name)
        for compiled in plan.rules:
            on_sample(self._state, compiled, track, moment)

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
        advance(self._state, compiled, track, track.clock_at(moment.now), moment)

    def _reload(self, files: Reload, moment: Moment) -> None:
        """Use other rule files: state stays where the meaning did, the rest ends with that reason."""
        before = self._state.plan
        self._state.load(files)
        after = self._state.plan
        for name, compiled in before.rules.items():
            successor = after.rules.get(name)
            if successor is not None and successor.rule.meaning == compiled.rule.meaning:
                continue
            reason = "the rule was removed" if successor is None else "the rule's condition was changed"
            withdraw(self._state, compiled, reason, moment)
        self._keep_tracks(before.set.streams)
        self._reschedule()

    def _keep_tracks(self, before: dict[str, Stream]) -> None:
        """Rebuild what is kept for each key to what the rules now read; streams of another meaning start anew."""
        streams = self._state.plan.set.streams
        for name, track in list(self._state.tracks.items()):
            del self._state.tracks[name]
            self._state.mark(("track", name))
            if (name[0], name[1]) in self._state.plan.tracks and _same(before.get(name[0]), streams.get(name[0])):
                self._state.track(name, track.clock_wall).restore(track.state())
        for source in [source for source in self._state.seen if source[0] not in streams]:
            del self._state.seen[source]
            self._state.mark(("seen", source))

    def _reschedule(self) -> None:
        self._state.timers.clear("rule")
        for (stream, by, key), track in self._state.tracks.items():
            for compiled in self._state.plan.tracks[stream, by].rules:
                schedule(self._state, compiled, track, self._state.rule(compiled.rule.name, key))


def _same(before: Stream | None, after: Stream | None) -> bool:
    """Do two declarations of a stream mean the same? Where they were written does not matter."""
    if before is None or after is None:
        return False
    return (before.topic, before.fields, before.time, before.id_paths) == (
        after.topic,
        after.fields,
        after.time,
        after.id_paths,
    )


def _event_time(stream: Stream, document: dict[str, object], arrival: Arrival, decision: Decision) -> int | None:
    """The message's own time, or None where it has none that can be used."""
    if stream.time is None:
        return None
    at = read_time(stream.time, document)
    if at is None:
        decision.count("no_event_time", stream.name)
    elif at > arrival.received + stream.time.ahead:
        decision.count("clock_ahead", stream.name)
        return None
    return at


def _own_clock(arrival: Arrival, seen: Seen) -> int:
    """Arrival time, but never before what the source has sent."""
    return arrival.received if seen.watermark is None else max(arrival.received, seen.watermark)


def _is_new(
    stream: Stream,
    seen: Seen,
    document: dict[str, object],
    arrival: Arrival,
    at: int | None,
    decision: Decision,
) -> bool:
    """Neither a duplicate nor late; those are counted."""
    digest = identity(stream, document, arrival.payload, at)
    if digest is not None and digest in seen.recent:
        decision.count("duplicate", stream.name)
        return False
    if at is not None and seen.watermark is not None and at < seen.watermark:
        decision.count("late", stream.name)
        return False
    if digest is not None:
        seen.recent[digest] = at or arrival.received
        kept = RECENT_WITHOUT_TIME if stream.time is None else RECENT_WITH_TIME
        while len(seen.recent) > kept:
            del seen.recent[next(iter(seen.recent))]
    return True
