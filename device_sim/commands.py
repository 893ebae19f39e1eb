"""What a device does when it is told to: the state machine of commands, pure.

House rules: an id is executed once, ever; a repeat gets the same answer again; nothing is done after it has
expired; what is locked out is released at the machine. An id is forgotten only where that lets nothing be done twice:
once it has expired, or if it never does, as the oldest of such. With no room for one more, nothing is done.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec

from iotrules.model.errors import MessageError

REMEMBERED = 1000
"""How many ids a device remembers."""


class RunState(Enum):
    RUNNING = "running"
    STOPPED = "stopped"
    LOCKED = "locked"


class CommandMessage(msgspec.Struct, frozen=True):
    """A command on the wire; `expires` in ms since the Unix epoch. Without it, the command never expires."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
    command: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    args: dict[str, Any] = {}
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended."""

    status: Literal["succeeded", "failed", "rejected"]
    detail: str


@dataclass(slots=True)
class Memory:
    """The answers that a device gave, by command id, oldest first; bounded."""

    answers: OrderedDict[str, Answer] = field(default_factory=OrderedDict)
    expiries: dict[str, int] = field(default_factory=dict)
    """ms since the Unix epoch, of those that expire."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: the answer, the state after it, and whether it is a repeat."""

    answer: Answer
    after: RunState
    repeated: bool = False


RUNNING, STOPPED, LOCKED = RunState.RUNNING, RunState.STOPPED, RunState.LOCKED

_TABLE: dict[tuple[str, RunState], tuple[RunState, str]] = {
    ("shutdown", RUNNING): (STOPPED, "shut down"),
    ("shutdown", STOPPED): (STOPPED, "already stopped"),
    ("shutdown", LOCKED): (LOCKED, "already stopped and locked out"),
    ("restart", RUNNING): (RUNNING, "restarted"),
    ("restart", STOPPED): (RUNNING, "restarted"),
    ("start", RUNNING): (RUNNING, "already running"),
    ("start", STOPPED): (RUNNING, "started"),
    ("lock_out", RUNNING): (LOCKED, "shut down and locked out"),
    ("lock_out", STOPPED): (LOCKED, "locked out"),
    ("lock_out", LOCKED): (LOCKED, "already locked out"),
}
"""(command, state) → (state after, what is answered). What is not here is rejected."""

COMMANDS = tuple(dict.fromkeys(command for command, _ in _TABLE))


def decode_command(payload: bytes) -> CommandMessage:
    """A command from its JSON; MessageError if it is not one."""
    try:
        return msgspec.json.decode(payload, type=CommandMessage)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError("malformed command", str(error)) from error


def obey(memory: Memory, state: RunState, message: CommandMessage, now_ms: int, *, jammed: bool = False) -> Outcome:
    """What the device does, and what it answers; remembers the answer."""
    before = memory.answers.get(message.id)
    if before is not None:
        return Outcome(before, state, repeated=True)
    if message.expires is not None and message.expires <= now_ms:
        return _rejected(state, "expired")  # as it will be ever after, so it need not be remembered
    if not _make_room(memory, now_ms):
        return _rejected(state, "too many commands that have not expired")
    outcome = _decide(state, message, jammed)
    remember(memory, message.id, outcome.answer, message.expires)
    return outcome


def remember(memory: Memory, id: str, answer: Answer, expires: int | None) -> None:
    """This was the answer to the command, which expires then (ms)."""
    memory.answers[id] = answer
    if expires is not None:
        memory.expiries[id] = expires


def _decide(state: RunState, message: CommandMessage, jammed: bool) -> Outcome:
    if message.command not in COMMANDS:
        return _rejected(state, f"unknown command: expected one of {', '.join(COMMANDS)}")
    if (message.command, state) not in _TABLE:
        return _rejected(state, "locked out: release it at the machine")
    after, detail = _TABLE[message.command, state]
    if jammed and after is not state:
        return Outcome(Answer("failed", "the actuator is jammed"), state)
    return Outcome(Answer("succeeded", detail), after)


def _rejected(state: RunState, detail: str) -> Outcome:
    return Outcome(Answer("rejected", detail), state)


def _make_room(memory: Memory, now_ms: int) -> bool:
    """Have room for one more id, or say that there is none."""
    if len(memory.answers) < REMEMBERED:
        return True
    gone = [id for id, expires in memory.expiries.items() if expires <= now_ms]
    if not gone:
        gone = [id for id in memory.answers if id not in memory.expiries][:1]
    for id in gone:
        del memory.answers[id]
        memory.expiries.pop(id, None)
    return bool(gone)
