"""Commands that a guard has stopped: each waits for a person until it expires, under an alert of its own.

House rule: exactly one raise and one resolve for a rule and device, however many of its commands wait meanwhile. The
alert is called `RULE/held`, which no rule of a file can be.
"""

from __future__ import annotations

from iotrules.engine.guarded import HeldAlert
from iotrules.engine.outgoing import command_change
from iotrules.engine.own_alerts import own_transition
from iotrules.engine.state import OpenCommand, State
from iotrules.model.decisions import ActiveAlert, AlertState, CommandState, Decision, Key, Transition
from iotrules.model.rules import Severity, held_name

MAX_HELD = 10_000
"""Devices (for each rule) with commands that are held; a storm beyond it is dropped, and counted."""

MAX_HELD_EACH = 100


def waits(opened: OpenCommand) -> bool:
    """Does the command wait for a person?"""
    return opened.state == CommandState.HELD.value and not opened.note


def hold(state: State, name: str, opened: OpenCommand, why: str, now: int, decision: Decision) -> None:
    """Stop a requested command, and say so by an alert."""
    opened.state = CommandState.HELD.value
    decision.commands.append(command_change(name, opened, why, now))
    decision.count("guarded", f"{opened.rule}: held")
    _raise(state, name, opened, why, now, decision)


def is_full(state: State, opened: OpenCommand) -> bool:
    """Can no more be held, in all or for this device?"""
    found = state.held.get((opened.rule, opened.key))
    return len(state.held) >= MAX_HELD if found is None else len(found.commands) >= MAX_HELD_EACH


def release(state: State, name: str, opened: OpenCommand, why: str, now: int, decision: Decision) -> None:
    """The command waits no more; with the last one of its device and rule the alert ends."""
    found = state.held.get((opened.rule, opened.key))
    if found is None or name not in found.commands:
        return
    found.commands.remove(name)
    state.mark(("held", (opened.rule, opened.key)))
    if not found.commands:
        del state.held[opened.rule, opened.key]
        decision.transitions.append(_transition(opened, found, AlertState.RESOLVED, why, now))


def active_alerts(state: State) -> list[ActiveAlert]:
    """The alerts about commands that wait now."""
    return [
        ActiveAlert(held_name(rule), Key.from_text(key), AlertState.FIRING, Severity(alert.severity))
        for (rule, key), alert in state.held.items()
    ]


def _raise(state: State, name: str, opened: OpenCommand, why: str, now: int, decision: Decision) -> None:
    found = state.held.get((opened.rule, opened.key))
    if found is None:
        rule = state.plan.set.rules.get(opened.rule)
        severity = Severity.MAJOR if rule is None else rule.severity
        summary = f"{Key.from_text(opened.key).device}: {opened.name} is held until somebody approves or rejects it"
        found = state.held[opened.rule, opened.key] = HeldAlert(decision.sequence, severity, summary, [])
        decision.transitions.append(_transition(opened, found, AlertState.FIRING, why, now))
    found.commands.append(name)
    state.mark(("held", (opened.rule, opened.key)))


def _transition(opened: OpenCommand, alert: HeldAlert, after: AlertState, why: str, now: int) -> Transition:
    """`number`: an input opens at most one episode of a rule and device, so that its sequence tells them apart."""
    ends = after is AlertState.RESOLVED
    return own_transition(
        held_name(opened.rule), Key.from_text(opened.key), (alert.episode, 2 * alert.episode + ends), after,
        Severity(alert.severity), now, why, alert.summary, ("a guard held a command", (("command", opened.name),)),
    )  # fmt: skip
