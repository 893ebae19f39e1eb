"""A command from its request to its leaving: through its guard, into the ledger, and again where nobody answers."""

from __future__ import annotations

from typing import Any

import msgspec

from iotrules.engine.guarded import Guarding
from iotrules.engine.guards import refusal
from iotrules.engine.held import hold, is_full
from iotrules.engine.outgoing import command_change, departure
from iotrules.engine.state import OpenCommand, State
from iotrules.model.decisions import CommandState, Decision, Key
from iotrules.model.rules import Guard
from iotrules.model.times import MILLISECOND, duration_words


class CommandReason(msgspec.Struct):
    rule: str
    episode: int
    summary: str


class WireCommand(msgspec.Struct):
    """A command as devices receive it: JSON, QoS 1, never retained. Times in ms since the Unix epoch."""

    id: str
    command: str
    args: dict[str, Any]
    issued: int
    expires: int
    reason: CommandReason


class CommandRequest(msgspec.Struct, frozen=True):
    """What a step or a function wants a device to do. Durations in ns from `issued`.

    `key` is the device's; `group` the label of the rule's key that `guard` counts by, `step` the guard's step.
    """

    id: str
    rule: str
    episode: int
    key: Key
    name: str
    args: dict[str, Any]
    issued: int
    expires_in: int
    ack_within: int
    summary: str
    retries: int = 0
    guard: Guard | None = None
    step: int = 0
    group: str = ""


def group_of(guard: Guard | None, key: Key) -> str:
    """The group that a guard counts in, by the rule's key; one for all where it names no label."""
    return "" if guard is None else dict(key.labels).get(guard.of, "")


def send_command(state: State, decision: Decision, request: CommandRequest) -> None:
    """Request a command, and follow it: it leaves, or its guard holds or drops it.

    KeyError if the topic of commands needs a label that the key lacks.
    """
    topics = state.plan.set.commands
    if topics is None:
        raise KeyError("commands")
    topic = topics.topic.fill(dict(request.key.labels))
    expires = request.issued + request.expires_in
    opened = OpenCommand(
        request.rule, request.episode, request.key.text, request.name, request.issued, expires,
        request.ack_within, CommandState.REQUESTED.value, expires, topic, _payload(request, expires), request.retries,
    )  # fmt: skip
    decision.commands.append(command_change(request.id, opened, "", request.issued))
    if len(state.commands) >= state.bounds.commands:
        _refuse(request, opened, decision)
        return
    if request.guard is not None and not _admit(state, request, request.guard, opened, decision):
        return
    if opened.state == CommandState.REQUESTED.value:
        decision.effects.append(departure(request.id, opened))
        if not opened.retries:
            opened.payload = b""  # it leaves once: what the ledger has need not be remembered as well
    state.commands[request.id] = opened
    state.timers.set(("command", request.id), opened.deadline)
    state.mark(("command", request.id))


def _refuse(request: CommandRequest, opened: OpenCommand, decision: Decision) -> None:
    """There are too many commands under way: this one fails at once, and never leaves."""
    opened.state = CommandState.FAILED.value
    why = "too many commands are under way"
    decision.commands.append(command_change(request.id, opened, why, request.issued))
    decision.count("commands_refused", request.rule)
    decision.count("commands", opened.state)
    decision.fault(request.rule, request.key, f"{request.name} is not sent: {why}", request.issued)


def _payload(request: CommandRequest, expires: int) -> bytes:
    reason = CommandReason(request.rule, request.episode, request.summary)
    issued = request.issued // MILLISECOND
    wire = WireCommand(request.id, request.name, request.args, issued, expires // MILLISECOND, reason)
    return msgspec.json.encode(wire)


def _admit(state: State, request: CommandRequest, guard: Guard, opened: OpenCommand, decision: Decision) -> bool:
    """Let the guard look at a command: it may hold it. False: it is dropped, and there is nothing to follow."""
    opened.guarding = Guarding(request.step, request.group, guard.per)
    why = refusal(state, request.rule, guard, opened.guarding, opened.topic, request.issued)
    if not why:
        return True
    if guard.otherwise == "hold" and not is_full(state, opened):
        hold(state, request.id, opened, why, request.issued, decision)
        return True
    opened.state = CommandState.REJECTED.value
    dropped = "dropped by its guard" if guard.otherwise == "drop" else "dropped, too many commands are held"
    decision.commands.append(command_change(request.id, opened, f"{dropped}: {why}", request.issued))
    decision.count("guarded", f"{request.rule}: dropped")
    decision.count("commands", opened.state)
    return False


def send_again(state: State, name: str, opened: OpenCommand, now: int, decision: Decision) -> bool:
    """Send a command once more that was not acknowledged in time, with the same id. Never after it has expired."""
    if opened.repeats >= opened.retries or now >= opened.expires:
        return False
    opened.repeats += 1
    opened.deadline = opened.expires  # until the broker has it
    state.timers.set(("command", name), opened.deadline)
    state.mark(("command", name))
    decision.effects.append(departure(name, opened))
    waited = duration_words(opened.ack_within)
    detail = f"not acknowledged in {waited}: sent again, {opened.repeats} of {opened.retries}"
    decision.commands.append(command_change(name, opened, detail, now, entered=False))
    decision.count("commands", "sent again")
    return True
