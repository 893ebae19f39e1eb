"""Which rules look at a key, and when: at a sample those whose truths changed, as time passes those that are due.

House rule: a rule that is left out would have changed nothing.
"""

from __future__ import annotations

from iotrules.engine import notices
from iotrules.engine.alerts import as_time_passes, condition_due, next_due_of, on_sample, tell_again
from iotrules.engine.conditions import count_unknown, hold_due
from iotrules.engine.lifecycle import RuleState
from iotrules.engine.moment import Moment, Sampled, Truths
from iotrules.engine.plan import CompiledRule, TrackPlan
from iotrules.engine.state import State
from iotrules.engine.tracks import NEVER, Track
from iotrules.model.decisions import AlertState, Key
from iotrules.model.expression import Truth
from iotrules.model.rules import Absence


def settle(sampled: Sampled, moment: Moment) -> None:
    """Decide at the newest sample of keys that one message was for: rules that inhibit others come before those.

    Rules whose truths are what they were, and that are at rest, are left out; those that have to wait for others that
    they ask for look once `reread` is called.
    """
    for track, _ in sampled:
        moment.state.touched.freeze(track)
    looks = [look for track, truths in sampled for look in _looks(track, truths, moment)]
    for compiled, index, track in sorted(looks, key=_by_rank) if len(sampled) > 1 else looks:
        if compiled.rule.name in _plan_of(track).waiting:
            moment.state.plan.firings.look(track, compiled.rule.name)
            continue
        if not on_sample(compiled, track, moment):
            track.restless.discard(index)
        else:
            track.restless.add(index)
        _note_look(track, index, moment.state)
    for track, truths in sampled:
        plan = _plan_of(track)
        if track.patience < 0 or plan.gap_factors:
            track.patience = plan.patience(track)
        track.truths, track.looked = truths, 0
        track.unknown = truths is not None and None in truths
        _hasten(track, [compiled for compiled, _, looked in looks if looked is track], moment.state)


def look_again(track: Track, rule: str, at: int, moment: Moment, *, again: bool) -> None:
    """Have a rule look that waited for others, at event time `at`. `again`: since what it asks for has changed."""
    index = _plan_of(track).waiting.get(rule)
    if index is None:
        return  # it does not look at this key
    moment.state.touched.freeze(track)
    compiled, unknown = _plan_of(track).rules[index], moment.decision.counts.get(("unknown", rule), 0)
    if at > track.clock:
        track.looked = max(track.looked, at)
        changed = as_time_passes(compiled, track, moment.state.rule(rule, track.key), at, moment)
    else:
        changed = on_sample(compiled, track, moment)
    if again:  # what it was told before is not known any more: it must not look at that time once more
        track.truths = None
        moment.state.keep_rule(rule, track.key, moment.state.rule(rule, track.key))
    if changed or moment.decision.counts.get(("unknown", rule), 0) > unknown:
        track.restless.add(index)  # while it is unknown it looks each time, so that this is counted once
    else:
        track.restless.discard(index)
    _note_look(track, index, moment.state)
    _schedule(track, moment.state)


def _by_rank(look: tuple[CompiledRule, int, Track]) -> int:
    return look[0].rank


def _looks(track: Track, truths: Truths, moment: Moment) -> list[tuple[CompiledRule, int, Track]]:
    """The rules that have something to decide at the newest sample; counts what is unknown to the others."""
    before, plan, clock = track.truths, _plan_of(track), track.clock
    if truths is None or before is None or clock < track.looked:
        return [(compiled, index, track) for index, compiled in enumerate(plan.rules)]
    found = []
    for index, part in enumerate(plan.parts):
        due = index in track.dues and track.dues[index] <= clock
        moved = truths[part] != before[part] and _matters(plan.rules[index], track, part, truths, moment.state)
        if due or moved or index in track.restless:
            found.append((plan.rules[index], index, track))
        elif None in truths[part]:
            _count_unknown(plan.rules[index], track, truths[part], moment)
    return found


def _matters(compiled: CompiledRule, track: Track, part: slice, truths: tuple[Truth, ...], state: State) -> bool:
    """Of what a rule's truths were, may the rule mind what has changed? What clears it counts while it fires only."""
    raising = slice(part.start, part.start + len(compiled.rungs))
    if track.truths is None or truths[raising] != track.truths[raising]:
        return True
    rule_state = state.rules.get((compiled.rule.name, track.key))
    return rule_state is not None and rule_state.alert is AlertState.FIRING


def catch_up(track: Track, upto: int, moment: Moment, *, ranked: bool = False) -> None:
    """Let the key's time pass up to event time `upto`: fire what is due, in order. The caller schedules.

    `ranked`: a rule that others inhibit waits for them, a nanosecond for each rank.
    """
    moment.state.touched.freeze(track)
    if not track.wakes:
        track.truths = None  # after a long silence: have everything looked at again, and be woken again
    for index, compiled in enumerate(_plan_of(track).rules):
        rule_state = moment.state.rule(compiled.rule.name, track.key)
        late = compiled.rank if ranked else 0
        while (due := next_due_of(compiled, track, rule_state, moment.state)) is not None and due + late <= upto:
            if due != condition_due(compiled, track, rule_state):
                tell_again(compiled, track, due, moment)
                _note_look(track, index, moment.state)
                continue
            track.looked = max(track.looked, due)
            if as_time_passes(compiled, track, rule_state, due, moment):
                track.restless.add(index)  # the truths of the newest sample might change it back
            _note_look(track, index, moment.state)


def wake(track: Track, moment: Moment) -> None:
    """Our clock has moved, and a time that some rule waited for may have come."""
    catch_up(track, track.clock_at(moment.now) - 1, moment, ranked=True)
    _schedule(track, moment.state)


def impatient(track: Track, moment: Moment) -> None:
    """The key reports more often than it did: silence is noticed earlier."""
    track.patience = _plan_of(track).patience(track)
    _schedule(track, moment.state)


def unknowns(track: Track, moment: Moment) -> None:
    """Count what is unknown at the newest sample, as it was before."""
    plan = _plan_of(track)
    for compiled, part in zip(plan.rules, plan.parts, strict=True):
        _count_unknown(compiled, track, (track.truths or ())[part], moment)


def _count_unknown(compiled: CompiledRule, track: Track, truths: tuple[Truth, ...], moment: Moment) -> None:
    """Of a rule's truths those of the levels' conditions come first."""
    for _ in range(truths[: len(compiled.rungs)].count(None)):
        count_unknown(compiled.rule, track, track.clock, moment.decision)


def rest(track: Track, state: State) -> None:
    """Have every rule look again at the next sample, and be woken for what is due before."""
    track.forget_looks()
    if track.plan is not None:
        for index in range(len(track.plan.rules)):
            _note_look(track, index, state)
        _schedule(track, state)


def _plan_of(track: Track) -> TrackPlan:
    if track.plan is None:
        raise KeyError(f"no rule looks at {track.key}")
    return track.plan


def _note_look(track: Track, index: int, state: State) -> None:
    """After a look: when is a hold of the rule over, and may samples with the same truths be left unlooked at?"""
    compiled = _plan_of(track).rules[index]
    rule_state = state.rules.get((compiled.rule.name, track.key))
    dues = [notices.next_due(state, compiled, track.key)]
    if rule_state is not None:
        dues.append(hold_due(compiled, track, rule_state))
    due = min((due for due in dues if due is not None), default=None)
    if due is None:
        track.dues.pop(index, None)
    else:
        track.dues[index] = due
    track.due = min(track.dues.values(), default=NEVER)
    if rule_state is not None and not _keeps_still(compiled, rule_state):
        track.restless.add(index)


def _keeps_still(compiled: CompiledRule, rule_state: RuleState) -> bool:
    """Not where a sample ends a silence, or where a hold's length depends on when samples come."""
    if isinstance(compiled.rule.body, Absence):
        return rule_state.alert is not AlertState.FIRING and not rule_state.refused
    return compiled.stream.interval is not None or not (compiled.counts_intervals and rule_state.active)


def _schedule(track: Track, state: State) -> None:
    """Have the engine woken when time alone may change an alert of this key."""
    track.aligned = track.clock - track.clock_wall
    due = min([_wants_waking(compiled, track, state) for compiled in _plan_of(track).rules], default=NEVER)
    state.wake_track(track, None if due == NEVER else _wall_after(due, track))


def _hasten(track: Track, looked: list[CompiledRule], state: State) -> None:
    """Have the engine woken sooner than it would be, if a rule wants it that has just looked.

    Where it is woken too soon it finds nothing to do, and is told anew when to wake.
    """
    due = min([_wants_waking(compiled, track, state) for compiled in looked], default=NEVER)
    if due != NEVER and _wall_after(due, track) < track.wake_at:
        _schedule(track, state)


def _wall_after(due: int, track: Track) -> int:
    """Our clock when the key's has passed `due`: a message of the same instant is first."""
    return track.wall_of(due) + 1


def _wants_waking(compiled: CompiledRule, track: Track, state: State) -> int:
    """The event time at which time alone may change the rule's alert for this key; NEVER if it can't."""
    rule_state = state.rules.get((compiled.rule.name, track.key))
    if rule_state is None and compiled.rungs and not track.goes_stale:  # at rest: no hold of it runs
        looked = max(track.clock, track.revised)
        if compiled.every is None or not track.sampled or looked > track.clock + compiled.horizon:
            return NEVER
        return looked + compiled.every + compiled.rank
    found = next_due_of(compiled, track, rule_state or RuleState(), state)
    return NEVER if found is None else found + compiled.rank


def tell_freed(compiled: CompiledRule, key: Key, moment: Moment, *, passed: bool) -> None:
    """Tell people of an alert that nobody inhibits any more.

    `passed`: our clock's time has passed for every key; else a key's time is that of its newest sample.
    """
    state, name = moment.state, (compiled.kept, compiled.rule.by, key)
    track = state.tracks.get(name)
    if track is None:
        return
    state.touched.freeze(track)
    at = max(track.clock_at(moment.now) if passed else track.clock, state.notices[compiled.rule.name, key].at)
    tell_again(compiled, track, at, moment)
    for index, one in enumerate(_plan_of(track).rules):
        if one is compiled:
            _note_look(track, index, state)
    _schedule(track, state)
