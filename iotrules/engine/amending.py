"""`on_late: amend`: a sample that comes too late is put in its place, and the key's past is decided again.

House rule: the past is decided on a copy that nothing leaves. What is different now is put right by transitions marked
as amended; no step runs for them, so no command is sent, sent again or taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from iotrules.engine.alerts import put_right
from iotrules.engine.amends import Checkpoint, Log
from iotrules.engine.lateness import passes
from iotrules.engine.lifecycle import RuleState, Signal
from iotrules.engine.looks import rest
from iotrules.engine.moment import Moment
from iotrules.engine.plan import CompiledRule, Plan, compile_rules
from iotrules.engine.sampling import bring_up, take_sample
from iotrules.engine.sources import Held, Source
from iotrules.engine.state import State
from iotrules.engine.tracks import Track, TrackState
from iotrules.model.decisions import AlertState, Decision, Key, Transition
from iotrules.model.expression import Members, Outlier, firings, windows
from iotrules.model.guards import MUTING
from iotrules.model.rules import Absence, Rule, Severity, conditions_of
from iotrules.model.sequences import Sequence
from iotrules.model.times import rough_words


def keep(source: Source, sample: Held, state: State) -> None:
    """Note a sample that is about to be applied in order."""
    stream = state.plan.streams[source.name[0]].stream
    if not stream.amends:
        return
    log = state.amends.get(source.name)
    if log is None:
        log = state.amends[source.name] = Log(_checkpoint(source, state))
    if log.wants_checkpoint():
        log.put_checkpoint(_checkpoint(source, state))
    log.samples.append(sample)
    state.mark(("amend", source.name))


def take_late(source: Source, sample: Held, moment: Moment) -> bool:
    """Have a late sample put in its place at the end of this input; False if it is too late even for that."""
    log = _log_of(source, moment.state)
    if log is None or not log.reaches(sample.at):
        return False
    if log.has(sample):
        moment.decision.count("duplicate", source.name[0])
        return True
    log.insert(sample)
    moment.state.mark(("amend", source.name))
    moment.state.amended.append((source.name, sample.at))
    moment.decision.count("applied", source.name[0])
    moment.decision.count("amended", source.name[0])
    moment.decision.samples.append((source.untyped_origin, sample.at, sample.received, sample.values))
    return True


def _log_of(source: Source, state: State) -> Log | None:
    """What the source's past can be decided again from; a new one where nothing of it has been decided yet."""
    stream, track = state.plan.streams[source.name[0]].stream, _track_of(state, source)
    if not stream.amends or _plan_of(state.plan, stream.name) is None:
        return None
    if source.name not in state.amends and (track is None or not track.sampled):
        state.amends[source.name] = Log(_checkpoint(source, state))
    return state.amends.get(source.name)


def amend(moment: Moment) -> None:
    """Decide again on the past of every source that got late samples in this input."""
    state, oldest = moment.state, dict[tuple[str, tuple[str, ...]], int]()
    for name, at in state.amended:
        oldest[name] = min(at, oldest.get(name, at))
    state.amended.clear()
    for name, at in oldest.items():
        source = state.sources.get(name)
        if source is not None and name in state.amends:
            _amend(source, state.amends[name], at, moment)
            moment.reread(moment)


def forget(state: State) -> None:
    """The rules, or how time counts for them, are not what they were: nothing of before can be decided again."""
    for name in list(state.amends):
        del state.amends[name]
        state.mark(("amend", name))


def _amend(source: Source, log: Log, oldest: int, moment: Moment) -> None:
    plan = _plan_of(moment.state.plan, source.name[0])
    if plan is None:
        return
    track = moment.state.track(_name(source), moment.now)
    copy = moment.state.aside(plan)
    again = replace(moment, decision=Decision(sequence=moment.sequence), state=copy)
    _replay(source, log, oldest, track, again)
    found = _track_of(copy, source)
    if found is None:
        return
    _take_over(track, found.state(), source, moment.state)
    words = f"amended by a message measured {rough_words(track.clock - oldest)} before the newest"
    for compiled in found.plan.rules if found.plan else ():
        changes = (*again.decision.transitions, *again.decision.quiet)
        told = [one for one in changes if one.rule == compiled.rule.name]
        _put_right(moment.state.plan.rules[compiled.rule.name], track, copy, told, words, moment)
    rest(track, moment.state)


def _replay(source: Source, log: Log, oldest: int, track: Track, again: Moment) -> None:
    """Decide on the samples once more, from the newest state of before that none of the late ones touches."""
    newer = log.newer
    first = log.split if newer is not None and oldest >= newer.at else 0
    _restore(again.state, source, newer if first and newer is not None else log.base)
    plans = again.state.plan.streams[source.name[0]].tracks
    for index in range(first, len(log.samples)):
        if index == log.split and index > first and newer is not None:
            log.newer = _checkpoint(source, again.state)
        sample = log.samples[index]
        tracks = [bring_up(plan, source.labels, sample.at, again) for plan in plans]
        for one in tracks:
            take_sample(one, source.labels, sample, sample.received, again)
        again.settle([(one, None) for one in tracks], again)
    found = _track_of(again.state, source)
    if found is not None and track.sampled:  # so far our clock has had the rules look, but for what it waits for
        again.catch_up(found, track.clock_at(again.now) - 1, again)


def _put_right(
    compiled: CompiledRule, track: Track, copy: State, told: list[Transition], words: str, moment: Moment
) -> None:
    """Bring one rule's alert to what the samples say, by what the table allows."""
    name = (compiled.rule.name, track.key)
    wanted, rule_state = copy.rules.get(name) or RuleState(), moment.state.rule(*name)
    for signal in _signals(rule_state, wanted):
        severity = Severity(wanted.severity if wanted.active else rule_state.severity)
        newest = told[-1] if told else None
        put_right(compiled, track, rule_state, signal, severity, words, newest, moment)
    rule_state.rungs, rule_state.ending = wanted.rungs, wanted.ending
    rule_state.observed = wanted.observed
    moment.state.keep_rule(*name, rule_state)


def _signals(before: RuleState, wanted: RuleState) -> Iterator[Signal]:
    """What makes the alert that is `before` the one that is wanted."""
    if before.alert is AlertState.FIRING:
        if wanted.alert is AlertState.FIRING:
            if before.severity != wanted.severity:
                yield Signal.MOVED
            return
        yield Signal.CLEARED
    elif before.alert is AlertState.PENDING:
        if wanted.alert is AlertState.FIRING:
            yield Signal.HELD
        elif wanted.alert is not AlertState.PENDING:
            yield Signal.LOST
        return
    if wanted.alert is AlertState.FIRING:
        yield Signal.HELD
    elif wanted.alert is AlertState.PENDING:
        yield Signal.TRUE


def _take_over(track: Track, found: TrackState, source: Source, state: State) -> None:
    """The key as its samples in order make it; what only rules look at that are not amended stays."""
    before, late = track.state(), state.plan.streams[source.name[0]].stream.late
    found.windows = before.windows | found.windows
    found.clock_wall = passes(source, found.clock, late) if late else before.clock_wall  # there the clock stays
    found.revised, found.gaps = before.revised, found.gaps or before.gaps
    track.restore(found)
    state.mark(("track", track.name))


def _checkpoint(source: Source, state: State) -> Checkpoint:
    track, plan = _track_of(state, source), _plan_of(state.plan, source.name[0])
    names = plan.rules if plan is not None else {}
    key = _key(source)
    rules = {name: state.rules[name, key] for name in names if (name, key) in state.rules}
    return Checkpoint.of(None if track is None else track.state(), rules)


def _restore(copy: State, source: Source, checkpoint: Checkpoint) -> None:
    """Make the copy what the checkpoint says of the source's key."""
    key, kept = _key(source), checkpoint.track_state()
    for name, rule_state in checkpoint.rule_states().items():
        copy.rules[name, key] = rule_state
    copy.plan.firings.fill(copy.rules)
    if kept is not None:
        copy.track(_name(source), kept.clock_wall).restore(kept)


def _key(source: Source) -> Key:
    return Key(tuple(source.labels.items()))


def _name(source: Source) -> tuple[str, tuple[str, ...], Key]:
    return source.name[0], tuple(source.labels), _key(source)


def _track_of(state: State, source: Source) -> Track | None:
    """The track that this source's samples alone go to."""
    return state.tracks.get(_name(source))


def _plan_of(plan: Plan, stream: str) -> Plan | None:
    """The rules of a stream whose past can be decided again, compiled alone; None if there is none."""
    if stream not in plan.amended:
        rules = {
            name: replace(one.rule, muting=MUTING, steps=())
            for name, one in plan.rules.items()
            if one.rule.stream == stream and _is_amended(one.rule, one.stream.captures)
        }
        streams = {stream: plan.set.streams[stream]}
        alone = compile_rules(replace(plan.set, streams=streams, rules=rules, registry=None), fused=False)
        plan.amended[stream] = replace(alone, directory=plan.directory) if rules else None
    return plan.amended[stream]


def _is_amended(rule: Rule, captures: tuple[str, ...]) -> bool:
    """Of one device alone, and of its values: not of silence, of others, or of what other rules decided."""
    if isinstance(rule.body, Absence | Sequence) or rule.across or rule.joined or rule.by != captures:
        return False
    conditions = conditions_of(rule)
    of_others = (isinstance(window.kind, Members | Outlier) for one in conditions for window in windows(one))
    return not any(of_others) and not any(firings(one) for one in conditions)
