"""Alerts of rules over keys: when a sample comes or time passes, look, and move the alert by the table.

Order is by event time within a key, and at the same instant a sample comes before a timer.
"""

from __future__ import annotations

from typing import NamedTuple

from iotrules.engine import notices
from iotrules.engine.conditions import Outcome, count_unknown, hold_due, next_due, observe
from iotrules.engine.covered import covers
from iotrules.engine.effects import run_steps
from iotrules.engine.evidence import evidence_of
from iotrules.engine.groups import named_members
from iotrules.engine.lifecycle import TABLE, RuleState, RungState, Signal
from iotrules.engine.moment import Moment, Sampled, Truths
from iotrules.engine.plan import CompiledRule, Plan, TrackPlan, nanoseconds
from iotrules.engine.registry import forget_unheard, give_up, no_longer_expected
from iotrules.engine.schedules import first_open
from iotrules.engine.state import State
from iotrules.engine.summary import fill
from iotrules.engine.tracks import NEVER, Track
from iotrules.model.decisions import AlertState, Key, Transition
from iotrules.model.expression import Truth, Value
from iotrules.model.rules import Absence, Rule, Severity
from iotrules.model.times import duration_words


class Change(NamedTuple):
    """A signal for an alert, with its words. `outcome` is None where no condition decided."""

    signal: Signal
    at: int
    reason: str
    severity: Severity
    held: int = 0
    outcome: Outcome | None = None


def settle(sampled: Sampled, moment: Moment) -> None:
    """Decide at the newest sample of keys that one message was for: rules that inhibit others come before those.

    Rules whose truths are what they were, and that are at rest, are left out; those that have to wait for others that
    they ask for look once `reread` is called.
    """
    looks = [
        (compiled, index, track)
        for track, truths in sampled
        for index, compiled in enumerate(_plan_of(track).rules)
        if not _is_alike(compiled, index, track, truths, moment)
    ]
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
        _schedule(track, moment.state)


def look_again(track: Track, rule: str, at: int, moment: Moment, *, again: bool) -> None:
    """Have a rule look that waited for others, at event time `at`. `again`: since what it asks for has changed."""
    index = _plan_of(track).waiting.get(rule)
    if index is None:
        return  # it does not look at this key
    compiled, unknown = _plan_of(track).rules[index], moment.decision.counts.get(("unknown", rule), 0)
    if at > track.clock:
        track.looked = max(track.looked, at)
        changed = _as_time_passes(compiled, track, moment.state.rule(rule, track.key), at, moment)
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


def _is_alike(compiled: CompiledRule, index: int, track: Track, truths: Truths, moment: Moment) -> bool:
    """Is there nothing for the rule to decide at the newest sample?"""
    before, part = track.truths, _plan_of(track).parts[index]
    if truths is None or before is None or track.clock < track.looked or truths[part] != before[part]:
        return False
    if index in track.restless or track.dues.get(index, NEVER) <= track.clock:
        return False
    _count_unknown(compiled, track, truths[part], moment)
    return True


def catch_up(track: Track, upto: int, moment: Moment, *, ranked: bool = False) -> None:
    """Let the key's time pass up to event time `upto`: fire what is due, in order. The caller schedules.

    `ranked`: a rule that others inhibit waits for them, a nanosecond for each rank.
    """
    if not track.wakes:
        track.truths = None  # after a long silence: have everything looked at again, and be woken again
    for index, compiled in enumerate(_plan_of(track).rules):
        rule_state = moment.state.rule(compiled.rule.name, track.key)
        late = compiled.rank if ranked else 0
        while (due := _next_due(compiled, track, rule_state, moment.state)) is not None and due + late <= upto:
            if due != _condition_due(compiled, track, rule_state):
                tell_again(compiled, track, due, moment)
                _note_look(track, index, moment.state)
                continue
            track.looked = max(track.looked, due)
            if _as_time_passes(compiled, track, rule_state, due, moment):
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
    due, track.aligned = NEVER, track.clock - track.clock_wall
    for compiled in _plan_of(track).rules:
        rule_state = state.rules.get((compiled.rule.name, track.key))
        if rule_state is None and compiled.every is None and compiled.rungs and not track.goes_stale:
            continue  # it is at rest, and only a message changes that
        found = _next_due(compiled, track, rule_state or RuleState(), state)
        due = due if found is None else min(due, found + compiled.rank)
    state.wake_track(track, None if due == NEVER else track.wall_of(due) + 1)  # a message of the same instant is first


def on_sample(compiled: CompiledRule, track: Track, moment: Moment) -> bool:
    """A sample of the key was taken in: decide on it. Did that change anything?"""
    rule_state = moment.state.rule(compiled.rule.name, track.key)
    if not isinstance(compiled.rule.body, Absence):
        return _observe(compiled, track, rule_state, track.clock, moment)
    _forgive(compiled, track, rule_state, moment)
    reason = f"heard again after {duration_words(track.silence)}" if track.silence else "heard for the first time"
    if rule_state.observed > track.clock:  # of our clock, or a device that was given up: it is known by its own now
        rule_state.observed = track.clock
        moment.state.keep_rule(compiled.rule.name, track.key, rule_state)
    change = Change(Signal.CLEARED, track.clock, reason, compiled.rule.severity)
    return _move(compiled, track, rule_state, change, moment)


def _as_time_passes(compiled: CompiledRule, track: Track, rule_state: RuleState, at: int, moment: Moment) -> bool:
    if isinstance(compiled.rule.body, Absence):
        _silence(compiled, track, rule_state, at, moment)
        return True
    moment.decision.count("evaluations", compiled.rule.name)
    faults = len(moment.decision.faults)
    changed = _observe(compiled, track, rule_state, at, moment)
    moment.state.rules[compiled.rule.name, track.key] = rule_state  # it looked: that is remembered until a restart
    if len(moment.decision.faults) > faults:  # which is told of, and must not come again with a restart
        moment.state.keep_rule(compiled.rule.name, track.key, rule_state)
    return changed


def withdraw(compiled: CompiledRule, reason: str, moment: Moment, *, keep: Rule | None = None) -> None:
    """End what a rule has open, since the rule is not what it was. Its steps do not run. Not for keys of `keep`."""
    rule, state = compiled.rule, moment.state
    for (name, key), rule_state in state.rules.items():
        if name != rule.name or (keep is not None and covers(keep, key)):
            continue
        if rule_state.active:
            at = (compiled.kept, rule.by, key)
            track = state.tracks.get(at) or Track(at, None, moment.now)
            severity = Severity(rule_state.severity)
            change = Change(Signal.WITHDRAWN, track.clock_at(moment.now), reason, severity)
            _move(compiled, track, rule_state, change, moment)
        rule_state.rungs = []  # the levels of the rule as it will be are made when they are looked at
        state.mark(("rule", (name, key)))


def decommission(before: Plan, moment: Moment) -> None:
    """End what is open about devices that were taken out of the registry; they are expected no more until heard."""
    state = moment.state
    for compiled, key in no_longer_expected(state, before):
        track = state.tracks.get((compiled.rule.stream, compiled.rule.by, key))
        if track is not None:
            reason = "no longer in the registry: not expected any more"
            change = Change(Signal.CLEARED, track.clock_at(moment.now), reason, compiled.rule.severity)
            _move(compiled, track, state.rule(compiled.rule.name, key), change, moment)
        give_up(state, compiled, key)
    forget_unheard(state)


def tell_again(compiled: CompiledRule, track: Track, at: int, moment: Moment) -> None:
    """Tell people of a firing alert if what was muted is not any more at event time `at`."""
    rule_state = moment.state.rule(compiled.rule.name, track.key)
    reason = notices.look_again(moment.state, compiled, track.key, rule_state, at)
    if reason is not None:
        change = Change(Signal.UNMUTED, at, reason, Severity(rule_state.severity))
        _move(compiled, track, rule_state, change, moment)


def tell_freed(compiled: CompiledRule, key: Key, moment: Moment, *, passed: bool) -> None:
    """Tell people of an alert that nobody inhibits any more.

    `passed`: our clock's time has passed for every key; else a key's time is that of its newest sample.
    """
    state, name = moment.state, (compiled.kept, compiled.rule.by, key)
    track = state.tracks.get(name)
    if track is None:
        return
    at = max(track.clock_at(moment.now) if passed else track.clock, state.notices[compiled.rule.name, key].at)
    tell_again(compiled, track, at, moment)
    for index, one in enumerate(_plan_of(track).rules):
        if one is compiled:
            _note_look(track, index, state)
    _schedule(track, state)


def _next_due(compiled: CompiledRule, track: Track, rule_state: RuleState, state: State) -> int | None:
    """The event time at which time alone may next change the alert, or who hears of it."""
    condition, notice = _condition_due(compiled, track, rule_state), notices.next_due(state, compiled, track.key)
    return min((due for due in (condition, notice) if due is not None), default=None)


def _condition_due(compiled: CompiledRule, track: Track, rule_state: RuleState) -> int | None:
    """The event time at which time alone may next change the alert."""
    body = compiled.rule.body
    if not isinstance(body, Absence):
        return next_due(compiled, track, rule_state) if track.sampled else None
    if body.registered and track.registered:
        wanted = nanoseconds(body.hold, track.interval(compiled.stream.interval))
        if wanted is None or rule_state.alert is AlertState.FIRING:
            return None
        return _silent_for(compiled, track, rule_state, wanted, max(track.clock, rule_state.observed))
    if not track.sampled:
        return None
    if rule_state.alert is AlertState.FIRING:
        return track.clock + body.seen_within
    wanted = nanoseconds(body.hold, track.interval(compiled.stream.interval))
    if wanted is None or rule_state.observed >= track.clock + body.seen_within:
        return None
    since = max(track.clock, rule_state.observed) if rule_state.refused else track.clock
    due = _silent_for(compiled, track, rule_state, wanted, since)
    return None if compiled.rule.only and due is not None and due >= track.clock + body.seen_within else due


def _silent_for(compiled: CompiledRule, track: Track, rule_state: RuleState, wanted: int, since: int) -> int | None:
    """When the key will have been silent for `wanted` since then, and the rule may fire."""
    stops = rule_state.stops
    due = stops.event(max(stops.counted(since), stops.reset_at) + wanted)
    return first_open(compiled.rule.only, max(due, rule_state.observed)) if compiled.rule.only else due


def _observe(compiled: CompiledRule, track: Track, rule_state: RuleState, at: int, moment: Moment) -> bool:
    """Look at the rule's conditions at event time `at`. Did that change anything?"""
    if len(rule_state.rungs) != len(compiled.rungs):
        rule_state.rungs = [RungState() for _ in compiled.rungs]
    outcome, changed = observe(compiled, track, rule_state, at, moment.decision)
    if changed:
        moment.state.keep_rule(compiled.rule.name, track.key, rule_state)
    if outcome is None:
        return _forgive(compiled, track, rule_state, moment) or changed
    change = Change(
        outcome.signal, at, outcome.reason, outcome.severity, rule_state.stops.counted(at) - outcome.since, outcome
    )
    return _move(compiled, track, rule_state, change, moment) or changed


def _forgive(compiled: CompiledRule, track: Track, rule_state: RuleState, moment: Moment) -> bool:
    """An alert that could not be opened: is it still wanted? Then it goes on being tried."""
    if not rule_state.refused:
        return False
    if not any(rung.latched or rung.hold.since is not None for rung in rule_state.rungs):
        rule_state.refused = False
        moment.state.keep_rule(compiled.rule.name, track.key, rule_state)
    return True


def _silence(compiled: CompiledRule, track: Track, rule_state: RuleState, at: int, moment: Moment) -> None:
    rule_state.observed = at
    silent = at - track.clock
    said = "no message for" if track.sampled else "in the registry, and never heard for"
    signal, reason = Signal.HELD, f"{said} {duration_words(silent)}"
    if rule_state.alert is AlertState.FIRING:
        signal, reason = Signal.CLEARED, f"silent for {duration_words(silent)}: not expected any more"
    change = Change(signal, at, reason, compiled.rule.severity, silent)
    _move(compiled, track, rule_state, change, moment)
    moment.state.keep_rule(compiled.rule.name, track.key, rule_state)


def _move(compiled: CompiledRule, track: Track, rule_state: RuleState, change: Change, moment: Moment) -> bool:
    """Move the alert if the table says so, and let the transition out with its evidence and effects. Did it?"""
    before = rule_state.alert
    after = TABLE.get((before, change.signal))
    if after is None:
        return False
    if before is not after and moment.state.active.is_full(compiled.rule.name, after, moment.state.bounds):
        _refuse(compiled, track, rule_state, after, moment)
        return True
    rule_state.refused = False
    risen_from = rule_state.severity if before is AlertState.FIRING else None
    rule_state.enter(after, moment.sequence, change.severity)
    moment.state.keep_rule(compiled.rule.name, track.key, rule_state)
    if (after is AlertState.FIRING) is not (before is AlertState.FIRING):
        wall = track.wall_of(change.at)
        moment.state.plan.firings.note(compiled.rule.name, track.key, after is AlertState.FIRING, wall)
    notices.follow_source(moment.state, compiled.rule, track.key, before, after)
    muted, note = notices.judge(moment.state, compiled, track.key, rule_state, change.signal, change.at)
    if note:
        change = change._replace(reason=f"{change.reason}; {note}")
    values = _template_values(compiled.rule, track, change)
    transition = _transition(compiled, track, rule_state, before, change, muted, values, moment)
    if compiled.rule.alert:
        moment.decision.transitions.append(transition)
    if change.signal is not Signal.WITHDRAWN:
        run_steps(moment.state, compiled.rule, transition, risen_from, moment.decision, values)
    return True


def _template_values(rule: Rule, track: Track, change: Change) -> dict[str, Value | None]:
    """What the templates of a rule name."""
    values = dict(named_members(rule, track, change.at)) | dict(track.values_at(change.at)) | dict(track.labels)
    values |= {f"attr.{name}": value for name, value in track.attributes.items()}
    return values | {"rule": rule.name, "severity": change.severity.word, "held": duration_words(change.held)}


def _refuse(compiled: CompiledRule, track: Track, rule_state: RuleState, after: AlertState, moment: Moment) -> None:
    """Leave the alert as it is: there are too many. It is tried again as long as there is reason for it."""
    if not rule_state.refused:
        rule_state.refused = True
        moment.state.refuse(compiled.rule.name, moment.decision, pending=after is AlertState.PENDING)
        moment.state.keep_rule(compiled.rule.name, track.key, rule_state)


def _transition(
    compiled: CompiledRule,
    track: Track,
    rule_state: RuleState,
    before: AlertState,
    change: Change,
    muted: str,
    values: dict[str, Value | None],
    moment: Moment,
) -> Transition:
    rule, after = compiled.rule, rule_state.alert
    return Transition(
        rule.name, track.key, 0 if after is AlertState.PENDING else rule_state.episode, rule_state.number,
        before, after, change.severity, change.at, moment.now, change.reason, fill(rule.summary, values),
        evidence_of(moment.state, compiled, track, after, change.at, change.held, change.outcome), muted,
    )  # fmt: skip
