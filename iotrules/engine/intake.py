"""Taking in messages: each becomes a sample, a duplicate, late, an answer to a command, or a dead letter."""

from __future__ import annotations

from typing import Any, NamedTuple

from iotrules.engine import commands
from iotrules.engine.alerts import Moment, advance, on_sample
from iotrules.engine.decode import MAX_PAYLOAD, decode_object, identity, read_fields, read_time
from iotrules.engine.evaluate import Scope, evaluate
from iotrules.engine.folds import fold
from iotrules.engine.plan import Buffer, TrackPlan
from iotrules.engine.state import State
from iotrules.engine.tracks import Seen
from iotrules.engine.windows import SampleWindow
from iotrules.model.decisions import DeadLetter, Decision, Key, Reading
from iotrules.model.errors import MessageError
from iotrules.model.expression import Value
from iotrules.model.inputs import Arrival
from iotrules.model.rules import Stream

RECENT_TIMED = 64
RECENT_UNTIMED = 1024
"""Identities kept per source: a message older than the newest is late anyway, unless its own time could not be used."""

_NEVER_LATE = 2**62

Labels = tuple[tuple[str, str], ...]


class Parsed(NamedTuple):
    """What a message says to one stream. `time` is its own, None where it has none that can be used."""

    stream: Stream
    labels: Labels
    time: int | None
    time_fault: str
    digest: int | None
    values: dict[str, Value | None]
    faults: list[tuple[str, str]]


def take_arrival(state: State, arrival: Arrival, moment: Moment) -> None:
    """Decide on one message. Whatever it contains, it changes at most its own device's state."""
    moment.decision.count("received")
    route = state.plan.router.route(arrival.topic)
    if route.ack is not None:
        commands.take_answer(state, route.ack, arrival, moment.now, moment.decision)
        return
    try:
        if route.fault:
            raise MessageError("bad topic", route.fault)
        if not route.streams:
            raise MessageError("unknown topic", "no stream has a topic like this")
        parsed = _parse_all(route.streams, arrival)
    except MessageError as error:
        # stored up to a bound: whoever may publish must not fill the disk with one message
        kept = arrival.payload[:MAX_PAYLOAD]
        letter = DeadLetter(arrival.topic, kept, arrival.received, error.reason, error.detail)
        moment.decision.dead_letters.append(letter)
        return
    for one in parsed:
        _take(state, one, arrival, moment)


def _parse_all(streams: tuple[tuple[Stream, Labels], ...], arrival: Arrival) -> list[Parsed]:
    """All that depends on the payload alone, before anything is changed."""
    try:
        document = decode_object(arrival.payload)
        return [_parse(stream, labels, document, arrival) for stream, labels in streams]
    except MessageError:
        raise
    except Exception as error:
        # The second line of defence: a payload that we did not think of is refused, it does not end the engine.
        raise MessageError("engine fault", f"{type(error).__name__}: {error}") from error


def _parse(stream: Stream, labels: Labels, document: dict[str, Any], arrival: Arrival) -> Parsed:
    at, fault = None, ""
    if stream.time is not None:
        at = read_time(stream.time, document)
        if at is None:
            fault = "no_event_time"
        elif at > arrival.received + stream.time.ahead:
            at, fault = None, "clock_ahead"
    digest = identity(stream, document, arrival.payload, at)
    values, faults = read_fields(stream, document)
    return Parsed(stream, labels, at, fault, digest, values, faults)


def _take(state: State, parsed: Parsed, arrival: Arrival, moment: Moment) -> None:
    decision, stream = moment.decision, parsed.stream
    name = (stream.name, tuple(value for _, value in parsed.labels))
    seen = state.seen.setdefault(name, Seen())
    if parsed.time_fault:
        decision.count(parsed.time_fault, stream.name)
    if not _is_new(seen, parsed, decision):
        return
    at = _remember(seen, parsed, arrival)
    state.mark(("seen", name))
    for field, fault in parsed.faults:
        decision.count("bad_values", f"{stream.name}.{field}: {fault}")
    decision.count("applied", stream.name)
    decision.readings.append(Reading(stream.name, Key(parsed.labels), at, arrival.received, parsed.values))
    for plan in state.plan.by_stream[stream.name]:
        _sample(state, plan, parsed.labels, at, parsed.values, moment)


def _is_new(seen: Seen, parsed: Parsed, decision: Decision) -> bool:
    """Neither a duplicate nor late; those are counted."""
    if parsed.digest is not None and parsed.digest in seen.recent:
        decision.count("duplicate", parsed.stream.name)
        return False
    if parsed.time is not None and seen.watermark is not None and parsed.time < seen.watermark:
        decision.count("late", parsed.stream.name)
        return False
    return True


def _remember(seen: Seen, parsed: Parsed, arrival: Arrival) -> int:
    """Move the source's watermark and keep the message's identity; the event time that it is taken at."""
    at = parsed.time
    if at is None:  # the source's own clock, which went on since its newest message
        passed = max(0, arrival.received - seen.wall)
        at = arrival.received if seen.watermark is None else seen.watermark + passed
    seen.watermark, seen.wall = at, arrival.received
    if parsed.digest is not None:
        seen.recent[parsed.digest] = _NEVER_LATE if parsed.time is None else at
        _forget(seen.recent, at)
    return at


def _forget(recent: dict[int, int], watermark: int) -> None:
    """Let go of identities, oldest first: those that lateness covers beyond the few, any beyond the many."""
    while len(recent) > RECENT_TIMED:
        oldest = next(iter(recent))
        if recent[oldest] >= watermark and len(recent) <= RECENT_UNTIMED:
            return
        del recent[oldest]


def _sample(
    state: State, plan: TrackPlan, labels: Labels, at: int, values: dict[str, Value | None], moment: Moment
) -> None:
    """One sample for the key of one way of keying, and all rules that look at it."""
    captured = dict(labels)
    key = Key(tuple((name, captured[name]) for name in plan.by))
    track = state.track((plan.stream.name, plan.by, key), moment.now)
    at = max(at, track.clock) if track.sampled else at
    if track.sampled:
        for compiled in plan.rules:
            advance(state, compiled, track, at - 1, moment)
    track.sample(at, moment.now, captured, values)
    scope = Scope(values, captured, lambda _: None)
    for buffer in plan.buffers:
        if buffer.keep:
            _keep(buffer, track.windows[buffer.name], at, evaluate(buffer.argument, scope), moment)
    for fault in scope.faults:
        moment.decision.count("rule_errors", f"{plan.stream.name}: {fault}")
    for compiled in plan.rules:
        on_sample(state, compiled, track, moment)


def _keep(buffer: Buffer, window: SampleWindow, at: int, value: Value | None, moment: Moment) -> None:
    if value is None:
        window.skip()
        return
    kept = fold(buffer.fold, window.newest, at, value, buffer.span)
    if not window.add(at, kept, buffer.keep):
        moment.decision.count("window_overflow", buffer.name)
