"""What the engine says of its rules once an input is decided: that one fails, or has more alerts than are kept.

House rule: a fault of a rule is counted and shown, it is never taken for "not matched", and touches no other rule.
"""

from __future__ import annotations

from iotrules.engine.moment import Moment
from iotrules.engine.own_alerts import end_own, raise_own
from iotrules.engine.plan import Plan
from iotrules.engine.state import State
from iotrules.engine.stream_alerts import end_of_streams
from iotrules.model.decisions import Fault
from iotrules.model.rules import failed_name, overflow_name
from iotrules.model.times import MINUTE, duration_words

QUIET = 10 * MINUTE
"""A rule that had no fault for so long is taken to work again."""

ROOM = 0.9
"""The share of what is kept at which there is room again, so that the alert does not come and go with each key."""


def attend(moment: Moment) -> None:
    """Raise what this input gives reason for, and end what is over."""
    state = moment.state
    for fault in moment.decision.faults:
        _fail(fault, moment)
    for rule in sorted(state.overflowing):
        _overflow(rule, moment)
    state.overflowing.clear()
    for name in sorted(name for name, found in state.own.items() if found.firing and name == overflow_name(found.rule)):
        _end_overflow(name, state.own[name].rule, moment)


def wake_failed(rule: str, moment: Moment) -> None:
    """The time is over in which there had to be no fault."""
    why = f"no fault for {duration_words(QUIET)}"
    end_own(moment.state, failed_name(rule), why, moment.now, moment.decision)


def schedule_failed(state: State) -> None:
    """Set every timer anew from the state."""
    state.timers.clear("failed")
    for name, found in state.own.items():
        if found.firing and name == failed_name(found.rule):
            state.timers.set(("failed", found.rule), found.last + QUIET)


def end_changed(before: Plan, moment: Moment) -> None:
    """What was said of a rule that has changed, or is gone, is over."""
    state, after = moment.state, moment.state.plan.set.rules
    end_of_streams(moment)
    for name, found in sorted(state.own.items()):
        if found.stream:
            continue
        old, new = before.set.rules.get(found.rule), after.get(found.rule)
        if new is None or old is None or old.meaning != new.meaning:
            why = "the rule was removed" if new is None else "the rule was changed"
            end_own(state, name, why, moment.now, moment.decision)


def _fail(fault: Fault, moment: Moment) -> None:
    state = moment.state
    if fault.rule not in state.plan.set.rules:
        return
    summary = f"{fault.rule} fails for {fault.key or 'its key'}: {fault.what}"
    found = raise_own(state, failed_name(fault.rule), fault.what, summary, moment.now, moment.decision)
    found.rule, found.last = fault.rule, max(found.last, fault.wall)
    state.timers.set(("failed", fault.rule), found.last + QUIET)


def _overflow(rule: str, moment: Moment) -> None:
    most = moment.state.bounds
    why = f"over {most.episodes:,} alerts of the rule fire, or over {most.pending:,} are pending"
    summary = f"{rule}: too many alerts; those that are open are kept, further ones are not opened until some end"
    raise_own(moment.state, overflow_name(rule), why, summary, moment.now, moment.decision).rule = rule


def _end_overflow(name: str, rule: str, moment: Moment) -> None:
    state = moment.state
    firing, pending = state.active.counts(rule)
    if firing <= ROOM * state.bounds.episodes and pending <= ROOM * state.bounds.pending:
        why = f"there is room again: {firing:,} alerts fire, {pending:,} are pending"
        end_own(state, name, why, moment.now, moment.decision)
