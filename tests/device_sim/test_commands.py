"""What devices do when they are told to."""

import msgspec
import pytest

from device_sim.commands import COMMANDS, REMEMBERED, CommandMessage, Memory, RunState, decode_command, obey
from iotrules.model.errors import MessageError

RUNNING, STOPPED, LOCKED = RunState.RUNNING, RunState.STOPPED, RunState.LOCKED
NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("command", "before", "status", "after"),
    [
        ("shutdown", RUNNING, "succeeded", STOPPED),
        ("shutdown", STOPPED, "succeeded", STOPPED),
        ("shutdown", LOCKED, "succeeded", LOCKED),
        ("restart", RUNNING, "succeeded", RUNNING),
        ("restart", STOPPED, "succeeded", RUNNING),
        ("restart", LOCKED, "rejected", LOCKED),
        ("start", RUNNING, "succeeded", RUNNING),
        ("start", STOPPED, "succeeded", RUNNING),
        ("start", LOCKED, "rejected", LOCKED),
        ("lock_out", RUNNING, "succeeded", LOCKED),
        ("lock_out", STOPPED, "succeeded", LOCKED),
        ("lock_out", LOCKED, "succeeded", LOCKED),
        ("explode", RUNNING, "rejected", RUNNING),
    ],
)
def test_each_command_in_each_state(command: str, before: RunState, status: str, after: RunState) -> None:
    outcome = obey(Memory(), before, CommandMessage("k", command), NOW)
    assert (outcome.answer.status, outcome.after, outcome.repeated) == (status, after, False)


def test_a_locked_machine_says_where_it_is_released() -> None:
    outcome = obey(Memory(), LOCKED, CommandMessage("k", "restart"), NOW)
    assert outcome.answer.detail == "locked out: release it at the machine"


def test_an_unknown_command_is_told_the_known_ones() -> None:
    detail = obey(Memory(), RUNNING, CommandMessage("k", "explode"), NOW).answer.detail
    assert all(command in detail for command in COMMANDS)


def test_a_repeat_gets_the_same_answer_and_does_nothing() -> None:
    memory = Memory()
    first = obey(memory, RUNNING, CommandMessage("k1", "shutdown"), NOW)
    obey(memory, STOPPED, CommandMessage("k2", "restart"), NOW)
    again = obey(memory, RUNNING, CommandMessage("k1", "shutdown"), NOW)
    assert again.repeated
    assert again.answer == first.answer
    assert again.after is RUNNING


def test_a_repeat_after_the_expiry_still_hears_what_was_done() -> None:
    memory = Memory()
    message = CommandMessage("k", "shutdown", expires=NOW + 10)
    first = obey(memory, RUNNING, message, NOW)
    again = obey(memory, STOPPED, message, NOW + 60_000)
    assert again.answer == first.answer


@pytest.mark.parametrize(("left", "status"), [(1, "succeeded"), (0, "rejected"), (-5000, "rejected")])
def test_nothing_is_done_after_it_has_expired(left: int, status: str) -> None:
    outcome = obey(Memory(), RUNNING, CommandMessage("k", "shutdown", expires=NOW + left), NOW)
    assert outcome.answer.status == status
    assert outcome.after is (STOPPED if status == "succeeded" else RUNNING)
    assert status == "succeeded" or outcome.answer.detail == "expired"


def test_a_jammed_actuator_fails_only_what_would_move_it() -> None:
    assert obey(Memory(), RUNNING, CommandMessage("k", "shutdown"), NOW, jammed=True).answer.status == "failed"
    assert obey(Memory(), STOPPED, CommandMessage("k", "shutdown"), NOW, jammed=True).answer.status == "succeeded"


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    memory = Memory()
    for number in range(REMEMBERED + 5):
        obey(memory, RUNNING, CommandMessage(f"k{number}", "start"), NOW)
    assert len(memory.answers) == REMEMBERED
    assert not obey(memory, RUNNING, CommandMessage("k0", "start"), NOW).repeated
    assert obey(memory, RUNNING, CommandMessage(f"k{REMEMBERED + 4}", "start"), NOW).repeated


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"id": "", "command": "start"}',
        b'{"id": 7, "command": "start"}',
        b'{"id": "k"}',
        b'{"id": "k", "command": "start", "expires": true}',
        b'{"id": "k", "command": "start", "expires": "tomorrow"}',
        b'{"id": "k", "command": "start", "args": []}',
        b'{"id": "\xff", "command": "start"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_command_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageError) as error:
        decode_command(payload)
    assert error.value.reason == "malformed command"


def test_the_wire_format_of_the_engine_is_understood() -> None:
    wire = {
        "id": "rule~device=b1~4~7~0~0",
        "command": "shutdown",
        "args": {"mode": "safe"},
        "issued": NOW,
        "expires": NOW + 5000,
        "reason": {"rule": "boiler-overheat", "episode": 4, "summary": "b1 is at 91 °C"},
    }
    message = decode_command(msgspec.json.encode(wire))
    assert (message.id, message.command, message.args) == (wire["id"], "shutdown", {"mode": "safe"})
    assert message.expires == NOW + 5000
