"""Taking in messages: each becomes a sample, a duplicate, late, an answer to a command, or a dead letter.

This is the careful way, for any message; a generated function (`fuse`) takes in the ordinary ones.
"""

from __future__ import annotations

from typing import NamedTuple

from iotrules.engine import amending, clocks, commands, gaps, lateness
from iotrules.engine.decode import MAX_PAYLOAD, decode_object, digest_of, identity, read_fields, read_time
from iotrules.engine.decoder import decode_whole
from iotrules.engine.evictions import make_room
from iotrules.engine.joins import sample_joined
from iotrules.engine.moment import Moment, Truths
from iotrules.engine.plan import StreamPlan
from iotrules.engine.samples import FOREVER
from iotrules.engine.sampling import bring_up, take_sample, track_of
from iotrules.engine.sources import Counted, Held, Identity, Source
from iotrules.engine.state import State
from iotrules.engine.tracks import Track
from iotrules.model.decisions import DeadLetter
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
    ahead: int = 0
    """How far its time is ahead of ours, ns, where it is too far to be used."""


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
        if not state.knows_source(route.stream.name, route.labels):
            make_room(state, route.stream.name, moment.decision)
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
    whole = None if plan.decoder is None or stream.partial else decode_whole(plan.decoder, payload)
    if whole is not None and plan.decoder is not None:
        at, fault, ahead = _believed(stream, plan.decoder.time_of(whole), arrival.received)
        told_apart = plan.decoder.identity_of(whole) or (None if at is None else digest_of(at, payload))
        return Parsed(stream, at, fault, told_apart, plan.values_of(whole), [], ahead)
    document = decode_object(payload)
    given = None if stream.time is None else read_time(stream.time, document)
    at, fault, ahead = _believed(stream, given, arrival.received)
    values, faults = read_fields(stream, document)
    return Parsed(stream, at, fault, identity(stream, document, payload, at), values, faults, ahead)


def _believed(stream: Stream, at: int | None, received: int) -> tuple[int | None, str, int]:
    """The event time that a message gave, or None, why it can't be used, and how far it is ahead if it is that."""
    if stream.time is None:
        return None, "", 0
    if at is None:
        return None, "no_event_time", 0
    ahead = at - received
    return (None, "clock_ahead", ahead) if ahead > stream.time.ahead else (at, "", 0)


def _take(source: Source, plan: StreamPlan, parsed: Parsed, arrival: Arrival, moment: Moment) -> None:
    decision, stream = moment.decision, parsed.stream
    if parsed.time_fault:
        decision.count(parsed.time_fault, stream.name)
    if stream.late:
        let_leave(source, plan, moment)
    moment.state.touched.freeze(source)
    if not _is_new(source, parsed, arrival, moment):
        gaps.fill(source, parsed.identity, moment.state)
        return
    moment.state.mark(("seen", source.name))
    if parsed.ahead:
        clocks.note_ahead(source, parsed.ahead, moment)
    elif parsed.time is not None:
        clocks.note_believed(source, "its clock is believed again", moment)
    gaps.follow(source, parsed.identity, moment)
    at = _remember(source, parsed, arrival, moment.now)
    for field, fault in parsed.faults:
        decision.count("bad_values", f"{stream.name}.{field}: {fault}")
    sample = _sample_of(parsed, at, arrival)
    if not stream.late:
        _apply(source, plan, sample, moment)
        return
    early = lateness.wait(source, sample)
    decision.count("waiting", stream.name)
    if early is not None:
        decision.count("released_early", stream.name)
        decision.count("waiting", stream.name, by=-1)
        _apply(source, plan, early, moment)
    let_leave(source, plan, moment)
    keep_pace(source, plan, moment)


def _sample_of(parsed: Parsed, at: int, arrival: Arrival) -> Held:
    """What is taken of a message, with what gives it its place among those of the same event time if it has to wait."""
    number = parsed.identity.number if isinstance(parsed.identity, Counted) else 0
    digest = digest_of(at, arrival.payload) if parsed.stream.late or parsed.stream.amends else 0
    return Held(at, number, digest, arrival.received, parsed.values)


def let_leave(source: Source, plan: StreamPlan, moment: Moment) -> None:
    """Apply the samples that the source's watermark has passed, in order; the others are waited for.

    A key's clock is then what shows the watermark, so that whatever depends on time runs `late` behind.
    """
    late = plan.stream.late
    before = lateness.decided_before(source, late, moment.now) if late else FOREVER
    moment.state.touched.freeze(source)
    for sample in lateness.leaving(source, before):
        moment.state.mark(("seen", source.name))
        moment.decision.count("waiting", plan.stream.name, by=-1)
        _apply(source, plan, sample, moment)
    moment.state.leaves(source, lateness.next_leaves(source, late))


def keep_pace(source: Source, plan: StreamPlan, moment: Moment) -> None:
    """Set the clocks of a source's keys by its watermark, which a message may have moved."""
    for track_plan in plan.tracks:
        track = track_of(moment.state, track_plan, source.labels, moment.now)
        if track.sampled and track.plan is not None:
            moment.state.touched.freeze(track)
            track.clock_wall = lateness.passes(source, track.clock, plan.stream.late)
            moment.impatient(track, moment)


def _apply(source: Source, plan: StreamPlan, sample: Held, moment: Moment) -> None:
    """Take a sample into the history and to its keys, whose clocks go on from it: with the watermark, if it waited."""
    late = plan.stream.late
    wall = lateness.passes(source, sample.at, late) if late else moment.now
    moment.decision.count("applied", plan.stream.name)
    moment.decision.samples.append((source.untyped_origin, sample.at, sample.received, sample.values))
    amending.keep(source, sample, moment.state)
    tracks = [bring_up(one, source.labels, sample.at, moment) for one in plan.tracks]
    for track in tracks:
        take_sample(track, source.labels, sample, wall, moment)
    sampled: list[tuple[Track, Truths]] = [(track, None) for track in tracks]
    for track in tracks:
        sampled += moment.vote(track, None, moment)
    sampled += sample_joined(source, sample, wall, moment)
    moment.settle(sampled, moment)
    if plan.sequenced:
        moment.take_reading(moment.decision.samples[-1], moment)
    moment.reread(moment)


def _is_new(source: Source, parsed: Parsed, arrival: Arrival, moment: Moment) -> bool:
    """Neither a duplicate nor late; those are counted, and what is late may be put in its place."""
    source.settle_last(digest_of)
    if source.has(parsed.identity):
        moment.decision.count("duplicate", parsed.stream.name)
        return False
    late = parsed.stream.late
    if parsed.time is None or not lateness.is_late(source, parsed.time, late, moment.now):
        return True
    if not amending.take_late(source, _sample_of(parsed, parsed.time, arrival), moment):
        moment.decision.count("late", parsed.stream.name)
    elif isinstance(parsed.identity, Counted):
        source.remember(parsed.identity, parsed.time, timed=True)
        moment.state.mark(("seen", source.name))
    return False


def _remember(source: Source, parsed: Parsed, arrival: Arrival, now: int) -> int:
    """Move the source's clock and keep the message's identity; the event time that it is taken at."""
    at, late = parsed.time, parsed.stream.late
    if at is None:  # the source's own clock, which went on since its newest message
        own = lateness.clock_at(source, arrival.received)
        at = arrival.received if own is None else own
    lateness.move_on(source, at, arrival.received, late, now)
    source.remember(parsed.identity, at, timed=parsed.time is not None, late=late)
    return at
