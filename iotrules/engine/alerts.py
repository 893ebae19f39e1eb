"""Alerts of rules over keys: what a look at an instant means for the alert, which moves by the table.

Order is by event time within a key, and at the same instant a sample comes before a timer.
"""

from __future__ import annotations

from typing import NamedTuple

from iotrules.engine import notices
from iotrules.engine.conditions import Outcome, next_due, observe
from iotrules.engine.covered import covers
from iotrules.engine.effects import run_steps
from iotrules.engine.evidence import evidence_of
from iotrules.engine.groups import named_members
from iotrules.engine.lifecycle import TABLE, RuleState, RungState, Signal
from iotrules.engine.moment import Moment
from iotrules.engine.plan import CompiledRule, Plan, nanoseconds
from iotrules.engine.registry import forget_unheard, give_up, no_longer_expected
from iotrules.engine.schedules import first_open
from iotrules.engine.state import State
from iotrules.engine.summary import fill
from iotrules.engine.tracks import Track
from iotrules.model.decisions import AlertState, Evidence, Key, Transition
from iotrules.model.expression import Value
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
    amended: bool = False
    """Is it put right after the fact? Then no step runs."""
    evidence: Evidence | None = None
    """What decided on it, where that was a copy of the key."""


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


def as_time_passes(compiled: CompiledRule, track: Track, rule_state: RuleState, at: int, moment: Moment) -> bool:
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
            edited(compiled, key, rule_state, Signal.WITHDRAWN, Severity(rule_state.severity), reason, moment)
        rule_state.rungs = []  # the levels of the rule as it will be are made when they are looked at
        state.mark(("rule", (name, key)))


def edited(
    compiled: CompiledRule,
    key: Key,
    rule_state: RuleState,
    signal: Signal,
    severity: Severity,
    reason: str,
    moment: Moment,
) -> None:
    """Move an active alert because its rule is not what it was; `compiled` is what it was."""
    at = (compiled.kept, compiled.rule.by, key)
    track = moment.state.tracks.get(at) or Track(at, None, moment.now)
    _move(compiled, track, rule_state, Change(signal, track.clock_at(moment.now), reason, severity), moment)


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


def put_right(
    compiled: CompiledRule,
    track: Track,
    rule_state: RuleState,
    signal: Signal,
    severity: Severity,
    words: str,
    told: Transition | None,
    moment: Moment,
) -> None:
    """Move an alert to what a late sample shows. `told` is what the past, decided again, last said of it."""
    reason = f"{words}: {told.reason}" if told is not None else words
    at, evidence = track.clock_at(moment.now), None if told is None else told.evidence
    change = Change(signal, at, reason, severity, amended=True, evidence=evidence)
    _move(compiled, track, rule_state, change, moment)


def tell_again(compiled: CompiledRule, track: Track, at: int, moment: Moment) -> None:
    """Tell people of a firing alert if what was muted is not any more at event time `at`."""
    rule_state = moment.state.rule(compiled.rule.name, track.key)
    reason = notices.look_again(moment.state, compiled, track.key, rule_state, at)
    if reason is not None:
        change = Change(Signal.UNMUTED, at, reason, Severity(rule_state.severity))
        _move(compiled, track, rule_state, change, moment)


def next_due_of(compiled: CompiledRule, track: Track, rule_state: RuleState, state: State) -> int | None:
    """The event time at which time alone may next change the alert, or who hears of it."""
    condition, notice = condition_due(compiled, track, rule_state), notices.next_due(state, compiled, track.key)
    return min((due for due in (condition, notice) if due is not None), default=None)


def condition_due(compiled: CompiledRule, track: Track, rule_state: RuleState) -> int | None:
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
    moment.decision.tell(transition, alert=compiled.rule.alert)
    if change.signal is not Signal.WITHDRAWN and not change.amended:
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
        change.evidence or evidence_of(moment.state, compiled, track, after, change.at, change.held, change.outcome),
        muted, change.amended,
    )  # fmt: skip
