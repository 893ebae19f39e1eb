"""Taking in messages: each becomes a sample, a duplicate, late, an answer to a command, or a dead letter.

This is the careful way, for any message; a generated function (`fuse`) takes in the ordinary ones.
"""

from __future__ import annotations

from typing import NamedTuple

from iotrules.engine import commands
from iotrules.engine.buffers import Buffer
from iotrules.engine.decode import MAX_PAYLOAD, decode_object, digest_of, identity, read_fields, read_time
from iotrules.engine.decoder import decode_whole
from iotrules.engine.drift import Drift
from iotrules.engine.evaluate import Scope, evaluate
from iotrules.engine.folds import fold
from iotrules.engine.moment import Moment
from iotrules.engine.plan import StreamPlan, TrackPlan
from iotrules.engine.sources import Identity, Source
from iotrules.engine.state import State
from iotrules.engine.tracks import Track
from iotrules.engine.windows import SampleWindow
from iotrules.model.decisions import DeadLetter, Key
from iotrules.model.errors import MessageError
from iotrules.model.expression import Value
from iotrules.model.inputs import Arrival
from iotrules.model.rules import Stream


class Parsed(NamedTuple):
    """What a message says to its stream. `time` is its own, None where it has none that can be used."""

    stream: Stream
    time: int | None
    time_fault: str
    identity: Identity
    values: dict[str, Value | None]
    faults: list[tuple[str, str]]


def take_arrival(state: State, arrival: Arrival, moment: Moment) -> None:
    """Decide on one message. Whatever it contains, it changes at most its own device's state."""
    route = state.plan.router.route(arrival.topic)
    if route.ack is not None:
        commands.take_answer(state, route.ack, arrival, moment.now, moment.decision)
        return
    try:
        if route.fault:
            raise MessageError("bad topic", route.fault)
        if route.stream is None:
            raise MessageError("unknown topic", "no stream has a topic like this")
        plan = state.plan.streams[route.stream.name]
        parsed = _parse(plan, arrival)
    except MessageError as error:
        # stored up to a bound: whoever may publish must not fill the disk with one message
        kept = arrival.payload[:MAX_PAYLOAD]
        letter = DeadLetter(arrival.topic, kept, arrival.received, error.reason, error.detail)
        moment.decision.dead_letters.append(letter)
        return
    source = state.source(route.stream.name, route.labels)
    _take(source, plan, parsed, arrival, moment)
    state.publishes(arrival.topic, source)


def _parse(plan: StreamPlan, arrival: Arrival) -> Parsed:
    """All that depends on the payload alone, before anything is changed."""
    try:
        return _read(plan, arrival)
    except MessageError:
        raise
    except Exception as error:
        # The second line of defence: a payload that we did not think of is refused, it does not end the engine.
        raise MessageError("engine fault", f"{type(error).__name__}: {error}") from error


def _read(plan: StreamPlan, arrival: Arrival) -> Parsed:
    stream, payload = plan.stream, arrival.payload
    if len(payload) > MAX_PAYLOAD:
        raise MessageError("too large", f"{len(payload)} bytes, at most {MAX_PAYLOAD} are taken")
    whole = None if plan.decoder is None else decode_whole(plan.decoder, payload)
    if whole is not None and plan.decoder is not None:
        at, fault = _believed(stream, plan.decoder.time_of(whole), arrival.received)
        told_apart = plan.decoder.identity_of(whole) or (None if at is None else digest_of(at, payload))
        return Parsed(stream, at, fault, told_apart, plan.values_of(whole), [])
    document = decode_object(payload)
    given = None if stream.time is None else read_time(stream.time, document)
    at, fault = _believed(stream, given, arrival.received)
    values, faults = read_fields(stream, document)
    return Parsed(stream, at, fault, identity(stream, document, payload, at), values, faults)


def _believed(stream: Stream, at: int | None, received: int) -> tuple[int | None, str]:
    """The event time that a message gave, or None and why it can't be used."""
    if stream.time is None:
        return None, ""
    if at is None:
        return None, "no_event_time"
    return (None, "clock_ahead") if at > received + stream.time.ahead else (at, "")


def _take(source: Source, plan: StreamPlan, parsed: Parsed, arrival: Arrival, moment: Moment) -> None:
    decision, stream = moment.decision, parsed.stream
    if parsed.time_fault:
        decision.count(parsed.time_fault, stream.name)
    if not _is_new(source, parsed, moment):
        return
    at = _remember(source, parsed, arrival)
    moment.state.mark(("seen", source.name))
    for field, fault in parsed.faults:
        decision.count("bad_values", f"{stream.name}.{field}: {fault}")
    decision.count("applied", stream.name)
    decision.samples.append((source.untyped_origin, at, arrival.received, parsed.values))
    moment.settle([(_sample(one, source, at, parsed.values, moment), None) for one in plan.tracks], moment)
    if plan.sequenced:
        moment.take_reading(decision.samples[-1], moment)


def _is_new(source: Source, parsed: Parsed, moment: Moment) -> bool:
    """Neither a duplicate nor late; those are counted."""
    source.settle_last(digest_of)
    if source.has(parsed.identity):
        moment.decision.count("duplicate", parsed.stream.name)
        return False
    if parsed.time is not None and source.watermark is not None and parsed.time < source.watermark:
        moment.decision.count("late", parsed.stream.name)
        return False
    return True


def _remember(source: Source, parsed: Parsed, arrival: Arrival) -> int:
    """Move the source's watermark and keep the message's identity; the event time that it is taken at."""
    at = parsed.time
    if at is None:  # the source's own clock, which went on since its newest message
        passed = max(0, arrival.received - source.wall)
        at = arrival.received if source.watermark is None else source.watermark + passed
    source.watermark, source.wall = at, arrival.received
    source.remember(parsed.identity, at, timed=parsed.time is not None)
    return at


def _sample(plan: TrackPlan, source: Source, at: int, values: dict[str, Value | None], moment: Moment) -> Track:
    """One sample for the key of one way of keying; its rules are to look at it then."""
    track = track_of(moment.state, plan, source, moment.now)
    plan = track.plan or plan
    moment.state.mark(("track", track.name))
    if track.sampled:
        at = max(at, track.clock)
        moment.catch_up(track, at - 1, moment)
    track.sample(at, moment.now, source.labels, values)
    scope = Scope(values, source.labels, lambda _: None, track.attributes, track.remembered)
    for buffer, window in zip(plan.buffers, track.windows, strict=True):
        if buffer.keep:
            _keep(buffer, window, at, evaluate(buffer.argument, scope), moment)
    for fault in scope.faults:
        moment.decision.count("rule_errors", f"{plan.stream.name}: {fault}")
    plan.count_evaluations(moment.decision, 1)
    return track


def track_of(state: State, plan: TrackPlan, source: Source, now: int) -> Track:
    """The track that a source's samples go to."""
    key = Key(tuple((name, source.labels[name]) for name in plan.by))
    return state.track((plan.stream.name, plan.by, key), now)


def _keep(buffer: Buffer, window: SampleWindow | Drift, at: int, value: Value | None, moment: Moment) -> None:
    if value is None:
        window.skip()
        return
    kept = fold(buffer.fold, window.newest, at, value, buffer.span)
    if not window.add(at, kept, buffer.keep):
        moment.decision.count("window_overflow", buffer.name)
