"""For each transition of an alert, whether its notification is muted; and who is told later, when nothing mutes it.

House rule: what is decided here goes into the transition's words only.
"""

from __future__ import annotations

from typing import TypeAlias

from iotrules.engine.lifecycle import RuleState, Signal
from iotrules.engine.muting import Cause, Notice, flapping_words, source_named, words
from iotrules.engine.plan import CompiledRule
from iotrules.engine.sequence_plan import SequenceRule
from iotrules.engine.state import State
from iotrules.model.decisions import AlertState, Key
from iotrules.model.rules import Rule
from iotrules.model.times import duration_words

Muted: TypeAlias = CompiledRule | SequenceRule
"""A rule whose notifications may be muted."""


def judge(state: State, compiled: Muted, key: Key, rule_state: RuleState, signal: Signal, at: int) -> tuple[str, str]:
    """For a transition just made: why its notification is muted, and what people are told beside its reason."""
    after = rule_state.alert
    if not compiled.rule.alert or after not in (AlertState.FIRING, AlertState.RESOLVED):
        return "", ""
    notice = _notice(state, compiled, key)
    muting = compiled.rule.muting
    notice.at = max(notice.at, at)
    if signal not in (Signal.UNMUTED, Signal.WITHDRAWN):
        notice.change(muting.flapping, at)
    news = notice.flapping and not notice.noticed and muting.flapping is not None
    muted = _end(notice, at) if after is AlertState.RESOLVED else _fires(state, compiled, key, notice, rule_state, at)
    return muted, flapping_words(muting.flapping) if news and not muted and muting.flapping else ""


def follow_source(state: State, rule: Rule, key: Key, before: AlertState, after: AlertState) -> None:
    """A rule that inhibits others began or ceased to fire."""
    inhibit = rule.muting.inhibit
    if inhibit is None or rule.dry_run or (before is AlertState.FIRING) == (after is AlertState.FIRING):
        return
    source = source_named(rule.name, inhibit.same, dict(key.labels))
    if after is AlertState.FIRING:
        state.inhibitions.begin(source)
    else:
        state.inhibitions.end(source)


def next_due(state: State, compiled: Muted, key: Key) -> int | None:
    """The event time at which time alone changes what mutes the alert."""
    notice = state.notices.get((compiled.rule.name, key))
    return None if notice is None else notice.next_due(compiled.rule.muting)


def look_again(state: State, compiled: Muted, key: Key, rule_state: RuleState, at: int) -> str | None:
    """What mutes an alert may have changed at `at`: why it is told of now, or None if it is not."""
    notice = _notice(state, compiled, key)
    muting, before = compiled.rule.muting, notice.why
    calm = notice.calm_down(muting.flapping, at)
    if rule_state.alert is not AlertState.FIRING:
        return None
    notice.owes |= calm
    if not notice.owes or _mutes(state, compiled, key, notice, at):
        return None
    if calm and muting.flapping is not None:
        return f"no longer flapping: quiet for {duration_words(muting.flapping.within)}"
    return "the cooldown is over" if before.startswith(Cause.COOLDOWN.value) else f"no longer {before or 'muted'}"


def rebuild(state: State) -> None:
    """Derive who inhibits whom anew, and forget rules that are gone; those whom nobody inhibits any more are freed."""
    state.inhibitions.clear()
    for (name, key), rule_state in state.rules.items():
        rule = state.plan.set.rules.get(name)
        if rule is not None and rule_state.alert is AlertState.FIRING:
            follow_source(state, rule, key, AlertState.INACTIVE, AlertState.FIRING)
    for (name, key), notice in list(state.notices.items()):
        compiled = state.plan.rules.get(name) or state.plan.sequences.rules.get(name)
        if compiled is None:
            del state.notices[name, key]
            state.mark(("notice", (name, key)))
        elif notice.cause == Cause.INHIBITED.value:
            source = state.inhibitions.source_of(compiled.inhibitors, dict(key.labels))
            if source is None:
                state.inhibitions.freed.add((name, key))
            else:
                state.inhibitions.wait(source, (name, key))


def _notice(state: State, compiled: Muted, key: Key) -> Notice:
    name = compiled.rule.name, key
    state.mark(("notice", name))
    found = state.notices.get(name)
    if found is None:
        found = state.notices[name] = Notice()
    return found


def _end(notice: Notice, at: int) -> str:
    """A resolve reaches who heard of the episode, and nobody else."""
    muted = "" if notice.told is not None else notice.why
    if muted:
        notice.end()
    else:
        notice.tell(None, at)
    return muted


def _fires(state: State, compiled: Muted, key: Key, notice: Notice, rule_state: RuleState, at: int) -> str:
    muted = _mutes(state, compiled, key, notice, at)
    if muted:
        notice.owes = notice.told != rule_state.severity
    else:
        notice.tell(rule_state.severity, at)
    return muted


def _mutes(state: State, compiled: Muted, key: Key, notice: Notice, at: int) -> str:
    """Why people are not told now that it fires, noted; empty if they are."""
    muting = compiled.rule.muting
    source = state.inhibitions.source_of(compiled.inhibitors, dict(key.labels))
    cause = notice.muted(muting, at, source)
    if cause is None:
        return ""
    why = words(cause, notice, muting, source)
    notice.mute(cause, why)
    if source is not None:
        state.inhibitions.wait(source, (compiled.rule.name, key))
    return why
