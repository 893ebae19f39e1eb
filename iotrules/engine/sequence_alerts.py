"""Alerts of sequences: messages of several streams, and time, move them by the table of every alert."""

from __future__ import annotations

from iotrules.engine import notices
from iotrules.engine.covered import covers
from iotrules.engine.effects import run_steps
from iotrules.engine.lifecycle import TABLE, Signal
from iotrules.engine.moment import Moment
from iotrules.engine.schedules import is_open
from iotrules.engine.sequence_looks import fits_of, known_values, step_scope
from iotrules.engine.sequence_plan import SequenceRule
from iotrules.engine.sequence_words import event_words, evidence_values, match_words, shown_values
from iotrules.engine.sequences import (
    Message,
    SequenceState,
    Turn,
    lets_time_pass,
    next_deadline,
    pass_deadline,
    settle,
    take,
)
from iotrules.engine.state import State
from iotrules.engine.summary import fill
from iotrules.model.decisions import AlertState, Evidence, Key, Reading, Sample, Transition
from iotrules.model.rules import condition_text
from iotrules.model.times import duration_words

_COUNTED = {Turn.LATE: "sequence_late", Turn.REPEATED: "sequence_repeated", Turn.EVICTED: "sequence_evicted"}


def take_reading(sample: Sample, moment: Moment) -> None:
    """A message was applied: show it to the sequences that look at its stream."""
    (stream, key, values_of), at, received, values = sample
    reading = Reading(stream, key, at, received, values_of(values))
    for one in moment.state.plan.sequences.by_stream.get(stream, ()):
        _take(moment.state, one, reading, moment)


def wake_sequence(rule: str, key: Key, moment: Moment) -> None:
    """Time has passed for a key: what is due by now is decided."""
    state = moment.state
    one = state.plan.sequences.rules[rule]
    found = _state(state, one, key)
    _advance(state, one, key, found.clock_at(moment.now) - 1, moment)
    _schedule(state, one, key)


def tell_freed_sequence(one: SequenceRule, key: Key, moment: Moment, *, passed: bool) -> None:
    """Tell people of an alert that nobody inhibits any more; `passed`: our clock's time has passed for every key."""
    state = moment.state
    found = _state(state, one, key)
    at = max(found.clock_at(moment.now) if passed else found.clock, state.notices[one.rule.name, key].at)
    _tell_again(state, one, key, at, moment)
    _schedule(state, one, key)


def _tell_again(state: State, one: SequenceRule, key: Key, at: int, moment: Moment) -> None:
    reason = notices.look_again(state, one, key, state.rule(one.rule.name, key), at)
    if reason is not None:
        _move(state, one, key, Signal.UNMUTED, at, reason, moment)


def withdraw_sequence(state: State, one: SequenceRule, reason: str, moment: Moment) -> None:
    """End what a rule has open, since the rule is not what it was, and forget its runs. Its steps do not run."""
    for name in [name for name in state.sequences if name[0] == one.rule.name]:
        found = state.sequences[name]
        _move(state, one, name[1], Signal.WITHDRAWN, found.clock_at(moment.now), reason, moment)
        del state.sequences[name]
        state.mark(("sequence", name))


def schedule_sequences(state: State) -> None:
    """Set every timer anew from the state."""
    state.timers.clear("sequence")
    for rule, key in state.sequences:
        _schedule(state, state.plan.sequences.rules[rule], key)


def _take(state: State, one: SequenceRule, reading: Reading, moment: Moment) -> None:
    captured = dict(reading.key.labels)
    key = Key(tuple((name, captured[name]) for name in one.rule.by))
    if not covers(one.rule, key):
        return
    moment.decision.count("evaluations", one.rule.name)
    if one.known.names:
        remembered = state.devices.get(key)
        directory = state.plan.directory
        known = known_values(one, directory.attributes(reading.key), remembered.body if remembered else {})
        reading = reading._replace(values=reading.values | known)
    fits = fits_of(one, reading, captured, moment.decision)
    begins = 0 in fits.steps or any(one.sequence.without[place].before is not None for place in fits.without)
    if not begins and (one.rule.name, key) not in state.sequences:
        return  # nothing is open that it could be a step of
    found = _state(state, one, key)
    kept = {step: {name: reading.values.get(name) for name in sorted(one.kept[step])} for step in fits.steps}
    message = Message(reading.at, moment.now + one.behind(reading.stream), fits, kept, captured)
    due = _next_due(state, one, key)
    if due is not None and due < reading.at:
        if not lets_time_pass(one.sequence, found, message):
            return
        _advance(state, one, key, reading.at - 1, moment)
    for turn in take(one.sequence, found, message):
        if turn is Turn.CLEARED:
            _clear(state, one, key, reading, moment)
        else:
            _turn(state, one, key, turn, reading.at, moment)
    _schedule(state, one, key)


def _state(state: State, one: SequenceRule, key: Key) -> SequenceState:
    name = (one.rule.name, key)
    state.mark(("sequence", name))
    return state.sequences.setdefault(name, SequenceState())


def _advance(state: State, one: SequenceRule, key: Key, upto: int, moment: Moment) -> None:
    """Let the key's time pass up to event time `upto`."""
    found = state.sequences[one.rule.name, key]
    while (due := _next_due(state, one, key)) is not None and due <= upto:
        if due == next_deadline(one.sequence, found):
            _turn(state, one, key, pass_deadline(one.sequence, found, due), due, moment)
        else:
            _tell_again(state, one, key, due, moment)


def _next_due(state: State, one: SequenceRule, key: Key) -> int | None:
    """When time alone changes what the sequence waits for, or who hears of its alert."""
    found = state.sequences[one.rule.name, key]
    dues = (next_deadline(one.sequence, found), notices.next_due(state, one, key))
    return min((due for due in dues if due is not None), default=None)


def _schedule(state: State, one: SequenceRule, key: Key) -> None:
    """Have the engine woken for the next deadline; a message of the same instant comes first."""
    found = state.sequences[one.rule.name, key]
    due = _next_due(state, one, key)
    state.timers.set(("sequence", one.rule.name, key.text), None if due is None else found.wall_of(due) + 1)


def _turn(state: State, one: SequenceRule, key: Key, turn: Turn, at: int, moment: Moment) -> None:
    found = state.sequences[one.rule.name, key]
    if turn is Turn.MATCHED and found.match is not None:
        _move(state, one, key, Signal.HELD, at, match_words(one, found.match), moment)
    elif turn is Turn.OVER:
        reason = f"{duration_words(one.sequence.within)} after it fired"
        _move(state, one, key, Signal.CLEARED, at, reason, moment)
    else:
        moment.decision.count(_COUNTED[turn], one.rule.name)


def _clear(state: State, one: SequenceRule, key: Key, reading: Reading, moment: Moment) -> None:
    pattern, match = one.sequence.clear, state.sequences[one.rule.name, key].match
    if pattern is not None and match is not None:
        scope = step_scope(one, reading.values, dict(reading.key.labels), reading.at, match.events)
        reason = event_words(pattern, scope)
        _move(state, one, key, Signal.CLEARED, reading.at, reason, moment)


def _move(state: State, one: SequenceRule, key: Key, signal: Signal, at: int, reason: str, moment: Moment) -> None:
    """Move the alert if the table says so, and let the transition out with its evidence and effects."""
    rule, found, rule_state = one.rule, state.sequences[one.rule.name, key], state.rule(one.rule.name, key)
    before, matched = rule_state.alert, found.match
    after = TABLE.get((before, signal))
    if after is None or matched is None:
        return
    if signal is Signal.HELD and not is_open(rule.only, at):
        moment.decision.count("sequence_closed", rule.name)
        settle(found)
        return
    if after is AlertState.FIRING and state.active.is_full(rule.name, after, state.bounds):
        state.refuse(rule.name, moment.decision)
        settle(found)
        return
    rule_state.enter(after, moment.sequence, rule.severity)
    state.keep_rule(rule.name, key, rule_state)
    state.plan.firings.note(rule.name, key, after is AlertState.FIRING, found.wall_of(at))
    notices.follow_source(state, rule, key, before, after)
    muted, note = notices.judge(state, one, key, rule_state, signal, at)
    reason = f"{reason}; {note}" if note else reason
    held = {"rule": rule.name, "severity": rule.severity.word, "held": duration_words(at - matched.begin)}
    values = shown_values(one, key, matched, state.plan.directory.attributes(key)) | held
    last = matched.events[-1].at
    evidence = Evidence(condition_text(rule), signal is Signal.HELD or None, evidence_values(one, key, matched), last)
    transition = Transition(
        rule.name, key, rule_state.episode, rule_state.number, before, after, rule.severity, at, moment.now,
        reason, fill(rule.summary, values), evidence, muted,
    )  # fmt: skip
    moment.decision.tell(transition, alert=rule.alert)
    if signal not in (Signal.WITHDRAWN, Signal.UNMUTED):
        run_steps(state, rule, transition, None, moment.decision, values)
    if signal not in (Signal.HELD, Signal.UNMUTED):
        settle(found)
