"""Using other rule files: state stays where the meaning did, the rest ends with that reason."""

from __future__ import annotations

from iotrules.engine import notices
from iotrules.engine.alerts import decommission, withdraw
from iotrules.engine.amending import forget
from iotrules.engine.attending import end_changed, schedule_failed
from iotrules.engine.clocks import note_believed
from iotrules.engine.decode import digest_of
from iotrules.engine.evictions import abandon
from iotrules.engine.gaps import schedule_gaps
from iotrules.engine.intake import keep_pace, let_leave
from iotrules.engine.lateness import decided_before, next_leaves
from iotrules.engine.looks import rest
from iotrules.engine.moment import Moment
from iotrules.engine.parts import keep_parts
from iotrules.engine.plan import Plan
from iotrules.engine.registry import newly_expected
from iotrules.engine.sequence_alerts import schedule_sequences, withdraw_sequence
from iotrules.engine.state import State
from iotrules.engine.stream_alerts import schedule_quiet
from iotrules.engine.ties import streams_under
from iotrules.engine.tracks import Track
from iotrules.language.meaning import apart_from_keys, differ_in_parts
from iotrules.model.expression import fields
from iotrules.model.inputs import Reload
from iotrules.model.rules import Rule, Stream, joined_stream


def reload(files: Reload, moment: Moment) -> None:
    """Load the files and bring the state in line. RuleError if they don't load: then nothing has changed."""
    state = moment.state
    before = state.plan
    state.load(files)
    forget(state)
    after = state.plan
    for name, compiled in before.rules.items():
        successor = after.set.rules.get(name)
        if successor is not None and _differ_in_keys(successor, compiled.rule):
            withdraw(compiled, "only_keys of the rule leaves this key out now", moment, keep=successor)
        elif successor is not None and differ_in_parts(compiled.rule, successor):
            keep_parts(compiled, successor, moment)
        elif reason := _why_it_ends(compiled.rule, successor, "condition"):
            withdraw(compiled, reason, moment)
    for name, one in before.sequences.rules.items():
        if reason := _why_it_ends(one.rule, after.set.rules.get(name), "sequence"):
            withdraw_sequence(state, one, reason, moment)
    _rebuild_sources(before.set.streams, moment)
    _rebuild_tracks(state, before, moment.now)
    decommission(before, moment)
    newly_expected(state, before, moment.now)
    notices.rebuild(state)
    schedule_all(state)
    after.firings.fill(state.rules)
    moment.reread(moment)
    _wait_as_said_now(before.set.streams, moment)
    end_changed(before, moment)


def _wait_as_said_now(before: dict[str, Stream], moment: Moment) -> None:
    """Where a stream's `late` is another now, samples wait accordingly."""
    for source in list(moment.state.sources.values()):
        plan = moment.state.plan.streams[source.name[0]]
        if before[plan.stream.name].late != plan.stream.late:
            let_leave(source, plan, moment)
            keep_pace(source, plan, moment)


def _differ_in_keys(one: Rule, other: Rule) -> bool:
    """Do they decide alike, on other keys?"""
    return one.meaning != other.meaning and apart_from_keys(one.meaning) == apart_from_keys(other.meaning)


def _why_it_ends(rule: Rule, successor: Rule | None, what: str) -> str:
    """Nothing, if the rule means what it meant."""
    if successor is None:
        return "the rule was removed"
    return "" if successor.meaning == rule.meaning else f"the rule's {what} was changed"


def schedule_all(state: State) -> None:
    """Set every timer anew from the state."""
    state.timers.clear("track")
    for track in state.tracks.values():
        rest(track, state)
    for source in state.sources.values():
        state.leaves(source, next_leaves(source, state.plan.streams[source.name[0]].stream.late))
    schedule_sequences(state)
    schedule_failed(state)
    schedule_gaps(state)
    schedule_quiet(state)


def _rebuild_sources(before: dict[str, Stream], moment: Moment) -> None:
    """A stream with another topic or another time starts anew."""
    state = moment.state
    known = list(state.sources.items())
    state.sources.clear()
    state.sources_of.clear()
    state.waiting.clear_all()
    for name, source in known:
        state.let_go(source)
        if _same_stream(before.get(name[0]), state.plan.set.streams.get(name[0])):
            again = state.source(name[0], tuple(source.labels.items()))
            again.restore(source.state(digest_of))
            again.passed = decided_before(again, before[name[0]].late, moment.now)
        else:
            note_believed(source, "the stream was changed or removed", moment)
            abandon(source, moment.decision)


def _rebuild_tracks(state: State, before: Plan, now: int) -> None:
    """Keep for each key what the rules now read of it."""
    streams = state.plan.set.streams
    for name, track in list(state.tracks.items()):
        del state.tracks[name]
        state.let_go(track)
        pairs = [(before.set.streams.get(one), streams.get(one)) for one in streams_under(name[0])]
        if name[:2] in state.plan.tracks and all(_same_stream(old, new) for old, new in pairs):
            successor = state.track(name, track.clock_wall)
            _carry_over(successor, track, _changed_fields(pairs))
            if successor.attributes != track.attributes:
                successor.revised = successor.clock_at(now)


def _same_stream(old: Stream | None, new: Stream | None) -> bool:
    return old is not None and new is not None and (old.topic, _clock(old)) == (new.topic, _clock(new))


def _clock(stream: Stream) -> tuple[tuple[str, ...], str] | None:
    """What an event time means; not how long samples wait."""
    return None if stream.time is None else (stream.time.path, stream.time.format)


def _changed_fields(pairs: list[tuple[Stream | None, Stream | None]]) -> frozenset[str]:
    """The fields that are not declared as they were; `pairs` are streams before and after, more than one if joined."""
    before, after = joined_stream([old for old, _ in pairs if old]), joined_stream([new for _, new in pairs if new])
    return frozenset(field.name for field in set(before.fields) ^ set(after.fields))


def _carry_over(track: Track, before: Track, changed: frozenset[str]) -> None:
    """Take over what was kept for a key, but for what came from fields or zones that mean something else now."""
    stored = before.state()
    stored.values = {name: value for name, value in stored.values.items() if name not in changed}
    partial = track.plan is not None and (track.plan.stream.partial or bool(track.plan.ties.joined))
    stored.came = {name: stored.came.get(name, stored.clock) for name in stored.values} if partial else {}
    if not partial:
        stored.values = {name: value for name, value in before.own_values.items() if name not in changed}
    kept = {buffer.name: buffer.argument for buffer in before.buffers}
    for buffer in track.buffers:
        if fields(buffer.argument) & changed or kept.get(buffer.name) != buffer.argument:
            stored.windows.pop(buffer.name, None)
    track.restore(stored)
