"""What a person decides about a command that is held: approve it, and it leaves; reject it, and it never does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from iotrules.engine.commands import MAX_DETAIL, settle
from iotrules.engine.guards import count_device
from iotrules.engine.held import release, waits
from iotrules.engine.outgoing import command_change, departure
from iotrules.engine.state import OpenCommand, State
from iotrules.model.decisions import CommandState, Decision
from iotrules.model.inputs import Operator
from iotrules.yamlfile import nearest, quoted

MAX_SHOWN = 200
"""Characters of a command's id in a message."""

Action: TypeAlias = Callable[[State, Operator, int, Decision], None]


def take_operator(state: State, value: Operator, now: int, decision: Decision) -> None:
    """Do what a person asks for, or say in `decision.refused` why not; then nothing else has changed."""
    action = ACTIONS.get(value.action)
    if action is None:
        known = f"{nearest(value.action, ACTIONS)}; there is {', '.join(ACTIONS)}"
        decision.refused = f"unknown action {quoted(value.action)}{known}"
    else:
        action(state, value, now, decision)
    decision.count("operator", f"{value.action if action else 'unknown'}: {'refused' if decision.refused else 'done'}")


def _approve(state: State, value: Operator, now: int, decision: Decision) -> None:
    opened = _waiting(state, value.target, now, decision)
    if opened is None:
        return
    opened.note = _said("approved", value)
    if opened.guarding is not None:
        count_device(state, opened.rule, opened.guarding, opened.topic, now)
    state.mark(("command", value.target))
    decision.effects.append(departure(value.target, opened))
    if not opened.retries:
        opened.payload = b""
    decision.commands.append(command_change(value.target, opened, "", now, entered=False))
    release(state, value.target, opened, opened.note, now, decision)


def _reject(state: State, value: Operator, now: int, decision: Decision) -> None:
    if _waiting(state, value.target, now, decision) is not None:
        settle(state, value.target, CommandState.REJECTED, _said("rejected", value), now, decision)


ACTIONS: dict[str, Action] = {"approve": _approve, "reject": _reject}


def _waiting(state: State, name: str, now: int, decision: Decision) -> OpenCommand | None:
    """The command, if it waits for a person and has not expired."""
    opened = state.commands.get(name)
    settled = state.settled.get(name)
    if opened is not None and waits(opened) and now < opened.expires:
        return opened
    if opened is not None:
        how = "has expired" if waits(opened) else f"does not wait: it is {opened.note or opened.state}"
        decision.refused = f"command {quoted(name, MAX_SHOWN)} {how}"
    elif settled is not None:
        decision.refused = f"command {quoted(name, MAX_SHOWN)} does not wait: it is {settled.outcome}"
    else:
        decision.refused = f"there is no command {quoted(name, MAX_SHOWN)} under way"
    return None


def _said(verb: str, value: Operator) -> str:
    return (f"{verb} by {value.who}" + (f": {value.why}" if value.why else ""))[:MAX_DETAIL]
