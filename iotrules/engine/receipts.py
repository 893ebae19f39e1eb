"""What became of effects: a function's answer turns into state and further effects, together or not at all."""

from __future__ import annotations

from heapq import nsmallest
from typing import Any, Literal, TypeAlias

import msgspec

from iotrules.engine.bounds import SHARE_EVICTED
from iotrules.engine.commands import mark_sent, settle
from iotrules.engine.outgoing import command_of
from iotrules.engine.registry import revise
from iotrules.engine.sending import CommandRequest, group_of, send_command
from iotrules.engine.state import OpenInvoke, Remembered, State
from iotrules.language.durations import duration
from iotrules.model.decisions import (
    CommandState,
    Decision,
    DeviceState,
    Key,
    LedgerChange,
    PublishMessage,
    effect_id,
)
from iotrules.model.errors import FunctionError
from iotrules.model.inputs import Receipt
from iotrules.model.levels import level_fault
from iotrules.model.times import SECOND

Outcome: TypeAlias = Literal["pending", "done", "failed"]

MAX_VALUE_BYTES = 64 * 1024
MAX_DEPTH = 32
"""Of a state, of a command's arguments, of a message."""

MAX_EFFECTS = 100
DEFAULT_ACK_WITHIN = 30 * SECOND


class AskedCommand(msgspec.Struct, forbid_unknown_fields=True):
    """`{"name": "shutdown", "args": {...}, "expires": "5m"}` of a function's answer."""

    name: str
    args: dict[str, Any] = {}
    expires: str = "5m"


class AskedPublish(msgspec.Struct, forbid_unknown_fields=True):
    topic: str
    payload: Any


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """What a handler may answer; all of it optional."""

    state: dict[str, Any] | None = None
    commands: list[AskedCommand] = []
    publish: list[AskedPublish] = []


_answers = msgspec.json.Decoder(Answer | None)


def take_receipt(state: State, receipt: Receipt, now: int, decision: Decision) -> None:
    """Bring the engine up to date with one delivery attempt."""
    opened = state.invokes.get(receipt.effect)
    if receipt.outcome == "retry":
        _ledger(decision, receipt, "pending", receipt.detail, opened)
        return
    if opened is not None:
        _take_invocation(state, opened, receipt, now, decision)
        return
    command = command_of(state.commands, receipt.effect)
    if command is not None:
        _take_command(state, command, receipt, now, decision)
    _ledger(decision, receipt, "done" if receipt.outcome == "done" else "failed", receipt.detail)


def _take_command(state: State, command: str, receipt: Receipt, now: int, decision: Decision) -> None:
    """The broker has it, or won't have it any more; what it had once before is not acknowledged, and no more."""
    if receipt.outcome == "done":
        mark_sent(state, command, now, decision)
    elif receipt.effect == command:
        outcome = CommandState.EXPIRED if receipt.outcome == "expired" else CommandState.FAILED
        settle(state, command, outcome, receipt.detail, now, decision)
    elif state.commands[command].state == CommandState.SENT.value:
        settle(state, command, CommandState.TIMED_OUT, "not acknowledged in time", now, decision)


def _take_invocation(state: State, opened: OpenInvoke, receipt: Receipt, now: int, decision: Decision) -> None:
    if receipt.outcome != "done" or receipt.answer is None:
        _close(state, opened, receipt, "failed", receipt.detail, decision)
        return
    device = state.devices.get(Key.from_text(opened.key)) or Remembered()
    if device.version != receipt.state_version:
        decision.count("state_conflicts", opened.function)
        again = msgspec.structs.replace(receipt, next_try=now)
        _ledger(decision, again, "pending", "the device's state has moved on; asked again", opened)
        return
    try:
        _apply(state, opened, _read(receipt.answer), now, decision)
    except FunctionError as error:
        _close(state, opened, receipt, "failed", str(error), decision)
    else:
        _close(state, opened, receipt, "done", receipt.detail, decision)


def _read(body: bytes) -> Answer:
    try:
        answer = _answers.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FunctionError("bad answer", f"the function's answer can't be used: {error}") from error
    return answer or Answer()


def _apply(state: State, opened: OpenInvoke, answer: Answer, now: int, decision: Decision) -> None:
    """Check all of the answer, then act on all of it."""
    key = Key.from_text(opened.key)
    if len(answer.commands) + len(answer.publish) > MAX_EFFECTS:
        raise FunctionError("bad answer", f"over {MAX_EFFECTS} commands and messages in one answer")
    requests = [_command(state, opened, key, asked, n, now) for n, asked in enumerate(answer.commands, start=1)]
    first = len(requests) + 1
    messages = [_message(opened, key, asked, n) for n, asked in enumerate(answer.publish, start=first)]
    if answer.state is not None:
        _storable(answer.state, "state")
        _remember(state, key, answer.state, now, decision)
    for request in requests:
        send_command(state, decision, request)
    decision.effects.extend(messages)


def _storable(value: Any, what: str) -> None:
    """Refuse what can be read but not kept: too large, too deep, whole numbers of more than 64 bits."""
    try:
        size = len(msgspec.msgpack.encode(value))
    except (OverflowError, RecursionError) as error:
        raise FunctionError("bad answer", f"{what}: {error}") from error
    if size > MAX_VALUE_BYTES or _depth(value) > MAX_DEPTH:
        raise FunctionError("bad answer", f"{what}: over {MAX_VALUE_BYTES} bytes, or nested over {MAX_DEPTH} deep")


def _depth(value: Any) -> int:
    """How deep lists and objects are nested; stops looking beyond the limit."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        inner = [item for item in level if isinstance(item, dict | list)]
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]
        depth += bool(inner)
        if not inner:
            break
    return depth


def _remember(state: State, key: Key, body: dict[str, Any], now: int, decision: Decision) -> None:
    version = state.devices.get(key, Remembered()).version + 1
    if key not in state.devices and len(state.devices) >= state.bounds.devices:
        _forget_oldest(state, now, decision)
    state.devices[key] = Remembered(version, body, now)
    state.mark(("device", key))
    revise(state, key, now)
    decision.devices.append(DeviceState(key, version, body))


def _forget_oldest(state: State, now: int, decision: Decision) -> None:
    """Make room: what was changed longest ago goes, however often it was read since."""
    excess = len(state.devices) - state.bounds.devices + max(1, state.bounds.devices // SHARE_EVICTED)
    for key in nsmallest(excess, state.devices, key=lambda one: (state.devices[one].at, one.text)):
        del state.devices[key]
        state.mark(("device", key))
        revise(state, key, now)
        decision.count("device_states_evicted")


def _command(state: State, opened: OpenInvoke, key: Key, asked: AskedCommand, n: int, now: int) -> CommandRequest:
    topics = state.plan.set.commands
    if topics is None:
        raise FunctionError("bad answer", "a command was asked for, but no rule file says `commands:`")
    _storable(asked.args, f"the arguments of {asked.name}")
    lacking = sorted(set(topics.topic.captures) - dict(key.labels).keys())
    if lacking:
        raise FunctionError("bad answer", f"the command topic needs {', '.join(lacking)}, the key has {key}")
    try:
        expires = duration(asked.expires)
    except ValueError as error:
        raise FunctionError("bad answer", f'expires: "{asked.expires}" is {error}') from error
    name = effect_id(opened.rule, key, opened.episode, opened.number, opened.step, n)
    return CommandRequest(
        name, opened.rule, opened.episode, key, asked.name, asked.args, now, expires, DEFAULT_ACK_WITHIN,
        f"asked for by {opened.function}", 0, opened.guard, opened.step, group_of(opened.guard, key),
    )  # fmt: skip


def _message(opened: OpenInvoke, key: Key, asked: AskedPublish, n: int) -> PublishMessage:
    fault = next((fault for level in asked.topic.split("/") if (fault := level_fault(level))), "")
    if fault:
        raise FunctionError("bad answer", f"publish: topic {asked.topic!r} has {fault}")
    _storable(asked.payload, f"the message to {asked.topic}")
    name = effect_id(opened.rule, key, opened.episode, opened.number, opened.step, n)
    return PublishMessage(name, key, asked.topic, msgspec.json.encode(asked.payload))


def _close(
    state: State, opened: OpenInvoke, receipt: Receipt, outcome: Outcome, detail: str, decision: Decision
) -> None:
    del state.invokes[receipt.effect]
    state.mark(("invoke", receipt.effect))
    decision.count("invocations", f"{opened.function}: {outcome}")
    _ledger(decision, receipt, outcome, detail, opened)


def _ledger(
    decision: Decision,
    receipt: Receipt,
    outcome: Outcome,
    detail: str,
    opened: OpenInvoke | None = None,
) -> None:
    function = "" if opened is None else opened.function
    decision.ledger.append(LedgerChange(receipt.effect, outcome, detail, receipt.next_try, function, receipt.usage))
