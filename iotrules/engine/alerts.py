"""Alerts of rules over keys: when a sample comes or time passes, look, and move the alert by the table.

Order is by event time within a key, and at the same instant a sample comes before a timer.
"""

from __future__ import annotations

from typing import NamedTuple

from iotrules.engine.conditions import Outcome, nanoseconds, next_due, observe
from iotrules.engine.effects import run_steps
from iotrules.engine.evaluate import truth
from iotrules.engine.explain import read_values
from iotrules.engine.lifecycle import TABLE, RuleState, RungState, Signal
from iotrules.engine.plan import CompiledRule
from iotrules.engine.state import State
from iotrules.engine.summary import fill
from iotrules.engine.tracks import Track
from iotrules.model.decisions import AlertState, Decision, Evidence, Transition
from iotrules.model.rules import Absence, Rule, Severity, condition_text
from iotrules.model.times import duration_words


class Moment(NamedTuple):
    """The input being decided on: our clock, the journal's sequence, and where the outcome goes."""

    now: int
    sequence: int
    decision: Decision


class Change(NamedTuple):
    """A signal for an alert, with its words. `outcome` is None where no condition decided."""

    signal: Signal
    at: int
    reason: str
    severity: Severity
    held: int = 0
    outcome: Outcome | None = None


def on_sample(state: State, compiled: CompiledRule, track: Track, moment: Moment) -> None:
    """A sample of the key was taken in: decide on it."""
    rule_state = _rule_state(state, compiled, track)
    if isinstance(compiled.rule.body, Absence):
        reason = f"heard again after {duration_words(track.gaps[-1] if track.gaps else 0)}"
        change = Change(Signal.CLEARED, track.clock, reason, compiled.rule.severity)
        _move(state, compiled, track, rule_state, change, moment)
    else:
        _observe(state, compiled, track, rule_state, track.clock, moment)
    schedule(state, compiled, track)


def advance(state: State, compiled: CompiledRule, track: Track, upto: int, moment: Moment) -> None:
    """Let the key's time pass up to event time `upto`: fire what is due, in order. The caller schedules."""
    rule_state = _rule_state(state, compiled, track)
    while (due := _next_due(compiled, track, rule_state)) is not None and due <= upto:
        if isinstance(compiled.rule.body, Absence):
            _silence(state, compiled, track, rule_state, due, moment)
        else:
            _observe(state, compiled, track, rule_state, due, moment)


def schedule(state: State, compiled: CompiledRule, track: Track) -> None:
    """Have the engine woken when time alone may change this alert."""
    due = _next_due(compiled, track, _rule_state(state, compiled, track))
    wall = None if due is None else track.wall_of(due) + 1  # a message of the same instant comes first
    state.timers.set(("rule", compiled.rule.name, track.key.text), wall)


def withdraw(state: State, compiled: CompiledRule, reason: str, moment: Moment) -> None:
    """End what a rule has open, since the rule is not what it was. Its steps do not run."""
    rule = compiled.rule
    for (name, key), rule_state in state.rules.items():
        if name != rule.name:
            continue
        if rule_state.active:
            track = state.tracks.get((rule.stream, rule.by, key)) or Track(rule.stream, rule.by, key, moment.now)
            severity = Severity(rule_state.severity)
            change = Change(Signal.WITHDRAWN, track.clock_at(moment.now), reason, severity)
            _move(state, compiled, track, rule_state, change, moment)
        rule_state.rungs = []  # the levels of the rule as it will be are made when they are looked at
        state.mark(("rule", (name, key)))


def _rule_state(state: State, compiled: CompiledRule, track: Track) -> RuleState:
    found = state.rule(compiled.rule.name, track.key)
    if len(found.rungs) != len(compiled.rungs):
        found.rungs = [RungState() for _ in compiled.rungs]
    return found


def _next_due(compiled: CompiledRule, track: Track, rule_state: RuleState) -> int | None:
    """The event time at which time alone may next change the alert."""
    body = compiled.rule.body
    if not isinstance(body, Absence):
        return next_due(compiled, track, rule_state)
    if rule_state.alert is AlertState.FIRING:
        return track.clock + body.seen_within
    wanted = nanoseconds(body.hold, compiled, track)
    if wanted is None or rule_state.observed >= track.clock + body.seen_within:
        return None
    return track.clock + wanted


def _observe(
    state: State, compiled: CompiledRule, track: Track, rule_state: RuleState, at: int, moment: Moment
) -> None:
    outcome, changed = observe(compiled, track, rule_state, at, moment.decision)
    if changed:
        state.mark(("rule", (compiled.rule.name, track.key)))
    if outcome is not None:
        held = at - outcome.since
        change = Change(outcome.signal, at, outcome.reason, outcome.severity, held, outcome)
        _move(state, compiled, track, rule_state, change, moment)


def _silence(
    state: State, compiled: CompiledRule, track: Track, rule_state: RuleState, at: int, moment: Moment
) -> None:
    rule_state.observed = at
    silent = at - track.clock
    signal, reason = Signal.HELD, f"no message for {duration_words(silent)}"
    if rule_state.alert is AlertState.FIRING:
        signal, reason = Signal.CLEARED, f"silent for {duration_words(silent)}: not expected any more"
    change = Change(signal, at, reason, compiled.rule.severity, silent)
    _move(state, compiled, track, rule_state, change, moment)
    state.mark(("rule", (compiled.rule.name, track.key)))


def _move(
    state: State, compiled: CompiledRule, track: Track, rule_state: RuleState, change: Change, moment: Moment
) -> None:
    """Move the alert if the table says so, and let the transition out with its evidence and effects."""
    before = rule_state.alert
    after = TABLE.get((before, change.signal))
    if after is None:
        return
    risen_from = rule_state.severity if before is AlertState.FIRING else None
    rule_state.enter(after, moment.sequence, change.severity)
    state.mark(("rule", (compiled.rule.name, track.key)))
    transition = _transition(compiled.rule, track, rule_state, before, change, moment)
    if compiled.rule.alert:
        moment.decision.transitions.append(transition)
    if change.signal is not Signal.WITHDRAWN:
        run_steps(state, compiled.rule, transition, risen_from, moment.decision)


def _transition(
    rule: Rule, track: Track, rule_state: RuleState, before: AlertState, change: Change, moment: Moment
) -> Transition:
    values = dict(track.values) | dict(track.labels)
    values |= {"rule": rule.name, "severity": change.severity.word, "held": duration_words(change.held)}
    after = rule_state.alert
    return Transition(
        rule.name, track.key, 0 if after is AlertState.PENDING else rule_state.episode, rule_state.number,
        before, after, change.severity, change.at, moment.now, change.reason, fill(rule.summary, values),
        _evidence(rule, track, change.outcome),
    )  # fmt: skip


def _evidence(rule: Rule, track: Track, outcome: Outcome | None) -> Evidence:
    sampled = track.clock if track.sampled else None
    if outcome is None:
        return Evidence(condition_text(rule), None, (), sampled)
    when = outcome.condition.when
    return Evidence(outcome.condition.text, truth(when, outcome.scope), read_values(when, outcome.scope), sampled)
