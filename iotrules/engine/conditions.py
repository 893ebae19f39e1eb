"""Conditions of one rule and key over time: each level's hold and clear, and what that means for the alert."""

from __future__ import annotations

from typing import NamedTuple

from iotrules.engine.evaluate import Scope, truth
from iotrules.engine.explain import because
from iotrules.engine.lifecycle import Held, RuleState, Signal
from iotrules.engine.plan import CompiledRule, nanoseconds
from iotrules.engine.schedules import first_open, is_open
from iotrules.engine.stops import Stops
from iotrules.engine.tracks import Track
from iotrules.model.decisions import AlertState, Decision
from iotrules.model.expression import Firing, Members, Truth, Value, Window
from iotrules.model.rules import NO_HOLD, Clear, Condition, Hold, Ladder, Missing, Rule, Rung, Severity
from iotrules.model.times import duration_words


class Observed(NamedTuple):
    """A level's condition at one instant. `broken`: the samples stopped for longer than the greatest gap allowed.

    `counted` is the instant in the time in which holds run.
    """

    rung: Rung
    at: int
    counted: int
    value: Truth
    clears: Truth
    broken: bool
    scope: Scope


class Outcome(NamedTuple):
    """What the alert is to be told, and why. `scope` and `condition` are of the level that decided.

    `since` is in the time in which holds run.
    """

    signal: Signal
    severity: Severity
    reason: str
    since: int
    condition: Condition
    scope: Scope


def observe(
    compiled: CompiledRule, track: Track, rule_state: RuleState, at: int, decision: Decision
) -> tuple[Outcome | None, bool]:
    """Look at every level at event time `at`; the outcome, if any, and whether anything changed."""
    counted, may_fire = rule_state.stops.counted(at), is_open(compiled.rule.only, at)
    seen = [_look(compiled, rung, track, at, rule_state.stops, decision) for rung in compiled.rungs]
    rule_state.observed = at
    interval = track.interval(compiled.stream.interval)
    changed = False
    released: Observed | None = None
    for one, state in zip(seen, rule_state.rungs, strict=True):
        changed |= state.hold.observe(
            False if one.broken and one.rung.condition.hold != NO_HOLD else one.value, counted
        )
        if state.latched:
            broken = one.broken and one.rung.condition.clear.hold != NO_HOLD
            changed |= state.clear.observe(False if broken else one.clears, counted)
            if state.clear.done_after(nanoseconds(one.rung.condition.clear.hold, interval), counted):
                released = one
                state.release()
        elif may_fire and state.hold.done_after(nanoseconds(one.rung.condition.hold, interval), counted):
            state.latch()
            changed = True
    if rule_state.alert is AlertState.FIRING:
        outcome, ended = _of_firing(compiled, track, rule_state, seen, released)
        return outcome, changed or ended
    return _of_quiet(compiled, track, rule_state, seen), changed


def _of_quiet(compiled: CompiledRule, track: Track, rule_state: RuleState, seen: list[Observed]) -> Outcome | None:
    """For an alert that is not firing: has a level latched, is one on its way, or none any more?"""
    pairs = list(zip(seen, rule_state.rungs, strict=True))
    latched = [(one, state) for one, state in pairs if state.latched]
    running = [(one, state) for one, state in pairs if state.hold.since is not None]
    if latched:
        one, state = latched[-1]
        return _outcome(Signal.HELD, one, compiled, track, one.rung.condition.hold, state.since(one.counted))
    pending = rule_state.alert is AlertState.PENDING
    if not running and not pending:
        return None  # the usual case: nothing to say, so no words are made
    if not running:
        return _outcome(Signal.LOST, seen[0], compiled, track, NO_HOLD, seen[0].counted)
    one, state = running[-1]
    if pending or not one.value:
        return None
    return _outcome(Signal.TRUE, one, compiled, track, NO_HOLD, state.since(one.counted))


def _of_firing(
    compiled: CompiledRule,
    track: Track,
    rule_state: RuleState,
    seen: list[Observed],
    released: Observed | None,
) -> tuple[Outcome | None, bool]:
    """For a firing alert: is it over, or has its severity moved? And did the rule's own clear change?"""
    latched = [one for one, state in zip(seen, rule_state.rungs, strict=True) if state.latched]
    over, changed = _is_over(compiled, track, rule_state, seen, bool(latched))
    if over:
        decided = released or seen[0]
        return _outcome(
            Signal.CLEARED, decided, compiled, track, _ending(compiled, decided).hold, decided.counted
        ), True
    top = latched[-1] if latched else seen[0]  # the lowest stays until the rule's clear
    if top.rung.severity == rule_state.severity:
        return None, changed
    if top.rung.severity > rule_state.severity:
        return _outcome(Signal.MOVED, top, compiled, track, top.rung.condition.hold, top.counted), True
    decided = released or top
    moved = _outcome(Signal.MOVED, decided, compiled, track, NO_HOLD, decided.counted)
    return moved._replace(severity=top.rung.severity), True


def _is_over(
    compiled: CompiledRule, track: Track, rule_state: RuleState, seen: list[Observed], latched: bool
) -> tuple[bool, bool]:
    clear = compiled.rule.body.clear if isinstance(compiled.rule.body, Ladder) else None
    if clear is None:
        return not latched, False
    first = seen[0]
    value: Truth = not any(one.value for one in seen) if clear.when is None else truth(clear.when, first.scope)
    if any(one.value for one in seen):
        value = False  # `when` beats `clear`
    changed = rule_state.ending.observe(False if first.broken and clear.hold != NO_HOLD else value, first.counted)
    return rule_state.ending.done_after(
        nanoseconds(clear.hold, track.interval(compiled.stream.interval)), first.counted
    ), changed


def _ending(compiled: CompiledRule, decided: Observed) -> Clear:
    """The clear that ended the alert: the rule's own, or that of its last level."""
    body = compiled.rule.body
    return body.clear if isinstance(body, Ladder) and body.clear is not None else decided.rung.condition.clear


def _outcome(signal: Signal, one: Observed, compiled: CompiledRule, track: Track, hold: Hold, since: int) -> Outcome:
    condition = one.rung.condition
    reason = _reason(signal, one, compiled, track, hold)
    return Outcome(signal, one.rung.severity, reason, since, condition, one.scope)


def _reason(signal: Signal, one: Observed, compiled: CompiledRule, track: Track, hold: Hold) -> str:
    if one.broken and signal is Signal.LOST:
        return f"no sample for {duration_words(one.at - track.clock)}"
    clear = _ending(compiled, one) if signal is Signal.CLEARED else None
    words = because(one.rung.condition.when if clear is None or clear.when is None else clear.when, one.scope)
    wanted = nanoseconds(hold, track.interval(compiled.stream.interval))
    return f"{words} for {duration_words(wanted)}" if wanted else words


def hold_due(compiled: CompiledRule, track: Track, rule_state: RuleState) -> int | None:
    """The event time at which something will have been true for as long as it must, if it stays so."""
    candidates = _holds_over(compiled, track, rule_state)
    return min((due for due in candidates if due is not None and due > track.clock), default=None)


def next_due(compiled: CompiledRule, track: Track, rule_state: RuleState) -> int | None:
    """The event time at which time alone may next change what was observed."""
    looked = max(rule_state.observed, track.clock)
    observed = max(looked, track.revised)  # a restart may have forgotten when it last looked
    # What was persisted or registered since is no look: a hold that was over by then has still to be told of.
    candidates = [due for due in _holds_over(compiled, track, rule_state) if due is not None and due > looked]
    later = [track.next_stale(observed)]
    if any(held.since is not None for held, *_ in _running(compiled, rule_state)):
        later += _ends_of_knowledge(compiled, track, rule_state.stops, observed)
    if compiled.every is not None and observed <= track.clock + compiled.horizon:
        later.append(observed + compiled.every)
    return min(candidates + [due for due in later if due is not None and due > observed], default=None)


def _ends_of_knowledge(compiled: CompiledRule, track: Track, stops: Stops, observed: int) -> list[int | None]:
    """The event times at which the silence of the key, or of a field, makes values unknown."""
    gap = compiled.silence_allowed(track)
    broken = None if gap is None else max(stops.event(stops.counted(track.clock) + gap + 1), track.revised + 1)
    fresh = None if track.plan is None or not track.plan.stream.partial else track.plan.fresh(track)
    read = () if fresh is None else [track.came[name] + fresh + 1 for name in compiled.reads & track.came.keys()]
    return [broken, min((end for end in read if end > observed), default=None)]


def _holds_over(compiled: CompiledRule, track: Track, rule_state: RuleState) -> list[int | None]:
    """When each hold that runs will be over; where that would fire while it may not, when it may."""
    interval, stops, only = track.interval(compiled.stream.interval), rule_state.stops, compiled.rule.only
    found = []
    for held, hold, fires in _running(compiled, rule_state):
        counted = held.due_after(nanoseconds(hold, interval))
        due = None if counted is None else stops.event(counted)
        if due is not None and fires:
            due = first_open(only, max(due, rule_state.observed, track.clock))
        found.append(due)
    return found


def _running(compiled: CompiledRule, rule_state: RuleState) -> list[tuple[Held, Hold, bool]]:
    """What is being held up, or may be: each level's condition or what clears it, then what ends a ladder.

    The flag says whether it fires when its hold is over.
    """
    found = [
        (state.clear, rung.condition.clear.hold, False) if state.latched else (state.hold, rung.condition.hold, True)
        for rung, state in zip(compiled.rungs, rule_state.rungs, strict=False)
    ]
    if isinstance(compiled.rule.body, Ladder) and compiled.rule.body.clear is not None:
        found.append((rule_state.ending, compiled.rule.body.clear.hold, False))
    return found


def _look(compiled: CompiledRule, rung: Rung, track: Track, at: int, stops: Stops, decision: Decision) -> Observed:
    """A level's condition and what clears it, at event time `at`, with the policy for unknown applied."""
    rule = compiled.rule
    gap = compiled.silence_allowed(track)
    counted = stops.counted(at)
    stale = gap is not None and counted - stops.counted(track.clock) > gap
    scope = scope_of(track, at, stale)
    value = truth(rung.condition.when, scope)
    for fault in scope.faults:
        decision.fault(rule.name, track.key, fault, track.wall_of(at))
    if value is None:
        count_unknown(rule, track, at, decision)
        value = _missing_as(rule)
    clear = rung.condition.clear.when
    clears = (None if value is None else not value) if clear is None else truth(clear, scope)
    if value:
        clears = False  # `when` beats `clear`
    return Observed(rung, at, counted, value, clears, stale and rule.missing is not Missing.TRUE, scope)


def count_unknown(rule: Rule, track: Track, at: int, decision: Decision) -> None:
    """A condition of the rule was unknown at event time `at`."""
    decision.count("unknown", rule.name)
    if rule.missing is Missing.ERROR:
        decision.fault(rule.name, track.key, "the condition is unknown", track.wall_of(at))


def _missing_as(rule: Rule) -> Truth:
    """What an unknown condition is taken for."""
    return {Missing.FALSE: False, Missing.TRUE: True}.get(rule.missing)


def scope_of(track: Track, at: int, stale: bool) -> Scope:
    """What a condition sees at event time `at`; values that are stale it does not see."""
    places = {} if track.plan is None else track.plan.places

    def window(node: Window) -> Value | None:
        place = places[node]
        if isinstance(node.kind, Members) and track.ballots is not None:
            return track.ballots.value(node.kind.value, place, at, node.min_samples)
        return track.windows[place].value(node.kind, at, node.min_samples)

    partial = bool(track.came) and track.plan is not None and track.plan.stream.partial
    values, own = ({}, None) if stale else (track.values_at(at), track.own_values if partial else None)
    return Scope(
        values, track.labels, window, track.attributes, track.remembered, own, lambda asked: _fires(track, asked)
    )


def _fires(track: Track, asked: Firing) -> bool:
    return track.plan is not None and track.plan.firings.fires(asked, track.labels)
