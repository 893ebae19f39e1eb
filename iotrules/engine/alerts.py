"""Rules over keys: observe a condition when a sample comes or time passes, and move the alert by the table.

Order is by event time within a key, and at the same instant a sample comes before a timer.
"""

from __future__ import annotations

from typing import NamedTuple

from iotrules.engine.effects import run_steps
from iotrules.engine.evaluate import Scope, truth
from iotrules.engine.explain import because, read_values
from iotrules.engine.lifecycle import TABLE, Held, RuleState, Signal
from iotrules.engine.plan import CompiledRule
from iotrules.engine.state import State
from iotrules.engine.summary import fill
from iotrules.engine.tracks import Track
from iotrules.model.decisions import AlertState, Decision, Evidence, Transition
from iotrules.model.expression import Truth, Value, Window
from iotrules.model.rules import NO_HOLD, Absence, Condition, Hold, Missing, Rule
from iotrules.model.times import duration_words


class Moment(NamedTuple):
    """The input being decided on: our clock, the journal's sequence, and where the outcome goes."""

    now: int
    sequence: int
    decision: Decision


class Observed(NamedTuple):
    """A condition at one instant. `broken`: the samples stopped for longer than the greatest gap allowed."""

    at: int
    value: Truth
    clears: Truth
    broken: bool
    scope: Scope


def on_sample(state: State, compiled: CompiledRule, track: Track, moment: Moment) -> None:
    """A sample of the key was taken in: decide on it."""
    rule_state = state.rule(compiled.rule.name, track.key)
    match compiled.rule.body:
        case Condition() as body:
            _observe(state, compiled, body, track, rule_state, track.clock, moment)
        case Absence():
            reason = f"heard again after {duration_words(track.gaps[-1] if track.gaps else 0)}"
            _signal(state, compiled, track, rule_state, Signal.CLEARED, track.clock, reason, moment)
    schedule(state, compiled, track, rule_state)


def advance(state: State, compiled: CompiledRule, track: Track, upto: int, moment: Moment) -> None:
    """Let the key's time pass up to event time `upto`: fire what is due, in order."""
    rule_state = state.rule(compiled.rule.name, track.key)
    while (due := _next_due(compiled, track, rule_state)) is not None and due <= upto:
        match compiled.rule.body:
            case Condition() as body:
                _observe(state, compiled, body, track, rule_state, due, moment)
            case Absence():
                _silence(state, compiled, track, rule_state, due, moment)
    schedule(state, compiled, track, rule_state)


def schedule(state: State, compiled: CompiledRule, track: Track, rule_state: RuleState) -> None:
    """Have the engine woken when time alone may change this alert."""
    due = _next_due(compiled, track, rule_state)
    wall = None if due is None else track.wall_of(due)
    state.timers.set(("rule", compiled.rule.name, track.key.text), wall)


def withdraw(state: State, compiled: CompiledRule, reason: str, moment: Moment) -> None:
    """End what a rule has open, since the rule is not what it was. Its steps do not run."""
    rule = compiled.rule
    for (name, key), rule_state in state.rules.items():
        if name == rule.name and rule_state.active:
            track = state.tracks.get((rule.stream, rule.by, key)) or Track(rule.stream, rule.by, key, moment.now)
            at = track.clock_at(moment.now)
            _signal(state, compiled, track, rule_state, Signal.WITHDRAWN, at, reason, moment)


def _next_due(compiled: CompiledRule, track: Track, rule_state: RuleState) -> int | None:
    """The event time at which time alone may next change the alert."""
    rule = compiled.rule
    if isinstance(rule.body, Absence):
        return _absence_due(rule.body, compiled, track, rule_state)
    candidates = []
    if rule_state.alert is AlertState.FIRING:
        candidates.append(_held_due(rule_state.clear, rule.body.clear.hold, compiled, track))
    elif rule_state.alert is AlertState.PENDING:
        candidates.append(_held_due(rule_state.hold, rule.body.hold, compiled, track))
    running = rule_state.hold if rule_state.alert is AlertState.PENDING else rule_state.clear
    gap = track.max_gap(compiled.stream.interval)
    if gap is not None and running.since is not None and track.clock + gap + 1 > rule_state.observed:
        candidates.append(track.clock + gap + 1)
    observed = max(rule_state.observed, track.clock)  # a restart may have forgotten when it last looked
    if compiled.every is not None and observed <= track.clock + compiled.horizon:
        candidates.append(observed + compiled.every)
    return min((due for due in candidates if due is not None), default=None)


def _held_due(held: Held, hold: Hold, compiled: CompiledRule, track: Track) -> int | None:
    wanted = _nanoseconds(hold, compiled, track)
    return None if wanted is None else held.due(wanted)


def _absence_due(absence: Absence, compiled: CompiledRule, track: Track, rule_state: RuleState) -> int | None:
    if rule_state.alert is AlertState.FIRING:
        return track.clock + absence.seen_within
    wanted = _nanoseconds(absence.hold, compiled, track)
    if wanted is None or rule_state.observed >= track.clock + absence.seen_within:
        return None
    return track.clock + wanted


def _nanoseconds(hold: Hold, compiled: CompiledRule, track: Track) -> int | None:
    """How long the hold is for this key; None while its reporting interval is not known yet."""
    if hold.nanoseconds is not None:
        return hold.nanoseconds
    interval = track.interval(compiled.stream.interval)
    return None if interval is None or hold.intervals is None else round(hold.intervals * interval)


def _observe(
    state: State,
    compiled: CompiledRule,
    body: Condition,
    track: Track,
    rule_state: RuleState,
    at: int,
    moment: Moment,
) -> None:
    seen = _look(compiled, body, track, at, moment.decision)
    rule_state.observed = at
    changed = rule_state.hold.observe(False if seen.broken and body.hold != NO_HOLD else seen.value, at)
    if rule_state.alert is AlertState.FIRING:
        broken = seen.broken and body.clear.hold != NO_HOLD
        changed |= rule_state.clear.observe(False if broken else seen.clears, at)
    if changed:
        state.mark(("rule", (compiled.rule.name, track.key)))
    signal = _signal_of(compiled, body, track, rule_state, seen)
    if signal is not None:
        reason = _reason(compiled, body, track, signal, seen)
        _signal(state, compiled, track, rule_state, signal, at, reason, moment, seen.scope)


def _signal_of(
    compiled: CompiledRule, body: Condition, track: Track, rule_state: RuleState, seen: Observed
) -> Signal | None:
    if rule_state.alert is AlertState.FIRING:
        wanted = _nanoseconds(body.clear.hold, compiled, track)
        done = wanted is not None and rule_state.clear.done(wanted, seen.at)
        return Signal.CLEARED if done else None
    if rule_state.hold.since is None:
        return Signal.LOST
    wanted = _nanoseconds(body.hold, compiled, track)
    if wanted is not None and rule_state.hold.done(wanted, seen.at):
        return Signal.HELD
    return Signal.TRUE if seen.value else None


def _look(compiled: CompiledRule, body: Condition, track: Track, at: int, decision: Decision) -> Observed:
    """The condition and what clears it, at event time `at`, with the policy for unknown applied."""
    rule = compiled.rule
    gap = track.max_gap(compiled.stream.interval)
    stale = gap is not None and at - track.clock > gap
    scope = _scope(compiled, track, at, stale)
    value = truth(body.when, scope)
    decision.count("evaluations", rule.name)
    for fault in scope.faults:
        decision.count("rule_errors", f"{rule.name}: {fault}")
    if value is None:
        decision.count("unknown", rule.name)
        value = _missing_as(rule, decision)
    clears = None if body.clear.when is None else truth(body.clear.when, scope)
    if body.clear.when is None:
        clears = None if value is None else not value
    elif value:
        clears = False  # `when` beats `clear`
    return Observed(at, value, clears, stale and rule.missing is not Missing.TRUE, scope)


def _missing_as(rule: Rule, decision: Decision) -> Truth:
    match rule.missing:
        case Missing.FALSE:
            return False
        case Missing.TRUE:
            return True
        case Missing.ERROR:
            decision.count("rule_errors", f"{rule.name}: the condition is unknown")
    return None


def _scope(compiled: CompiledRule, track: Track, at: int, stale: bool) -> Scope:
    def window(node: Window) -> float | None:
        return track.windows[compiled.buffers[node]].value(node.kind, at, node.min_samples)

    return Scope({} if stale else track.values, track.labels, window)


def _reason(compiled: CompiledRule, body: Condition, track: Track, signal: Signal, seen: Observed) -> str:
    if seen.broken and signal is Signal.LOST:
        return f"no sample for {duration_words(seen.at - track.clock)}"
    node = body.clear.when if signal is Signal.CLEARED and body.clear.when is not None else body.when
    words = because(node, seen.scope)
    hold = body.clear.hold if signal is Signal.CLEARED else body.hold
    wanted = _nanoseconds(hold, compiled, track)
    return f"{words} for {duration_words(wanted)}" if wanted and signal in (Signal.HELD, Signal.CLEARED) else words


def _silence(
    state: State, compiled: CompiledRule, track: Track, rule_state: RuleState, at: int, moment: Moment
) -> None:
    rule_state.observed = at
    silent = duration_words(at - track.clock)
    if rule_state.alert is AlertState.FIRING:
        reason = f"silent for {silent}: not expected any more"
        _signal(state, compiled, track, rule_state, Signal.CLEARED, at, reason, moment)
    else:
        _signal(state, compiled, track, rule_state, Signal.HELD, at, f"no message for {silent}", moment)
    state.mark(("rule", (compiled.rule.name, track.key)))


def _signal(
    state: State,
    compiled: CompiledRule,
    track: Track,
    rule_state: RuleState,
    signal: Signal,
    at: int,
    reason: str,
    moment: Moment,
    scope: Scope | None = None,
) -> None:
    """Move the alert if the table says so, and let the transition out with its evidence and effects."""
    before = rule_state.alert
    after = TABLE.get((before, signal))
    if after is None:
        return
    held = Held() if rule_state.hold.since is None else rule_state.hold
    since = at if held.since is None else held.since
    rule_state.state = after.value
    rule_state.number += 1
    if after is AlertState.FIRING:
        # a batch may hold more than one opening; then the later ones take the next number
        rule_state.episode = max(moment.sequence, rule_state.episode + 1)
    if after is not AlertState.PENDING:
        rule_state.hold, rule_state.clear = Held(), Held()
    state.mark(("rule", (compiled.rule.name, track.key)))
    seen = scope or Scope(track.values, track.labels, lambda _: None)
    transition = _transition(
        compiled.rule, track, rule_state, before, at, duration_words(at - since), reason, moment, seen
    )
    if compiled.rule.alert:
        moment.decision.transitions.append(transition)
    if signal is not Signal.WITHDRAWN:
        run_steps(state, compiled.rule, transition, moment.decision)


def _transition(
    rule: Rule,
    track: Track,
    rule_state: RuleState,
    before: AlertState,
    at: int,
    held: str,
    reason: str,
    moment: Moment,
    scope: Scope,
) -> Transition:
    values = dict(track.values) | dict(track.labels)
    values |= {"rule": rule.name, "severity": rule.severity.word, "held": held}
    body = rule.body
    text, value, read = "silence", None, tuple[tuple[str, Value | None], ...]()
    if isinstance(body, Condition):
        text, value, read = body.text, truth(body.when, scope), read_values(body.when, scope)
    return Transition(
        rule.name, track.key, rule_state.episode if rule_state.alert is not AlertState.PENDING else 0,
        rule_state.number, before, rule_state.alert, rule.severity, at, moment.now, reason,
        fill(rule.summary, values), Evidence(text, value, read, track.clock if track.sampled else None),
    )  # fmt: skip
