"""From a firing to a stopped machine: invocations, answers, commands, and what devices say of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iotrules.model.decisions import Decision, Invoke, Key, SendCommand
from iotrules.model.times import MINUTE, SECOND
from tests.engine.world import OVERHEAT, START, World

KEY = Key((("site", "A"), ("device", "b1")))
INVOKES = OVERHEAT + "    do:\n      - invoke: shutdown_machine\n"
COMMANDS = OVERHEAT + "    do:\n      - {command: shutdown, args: {mode: safe}, expires: 1m, ack_within: 10s}\n"


def _fired(rules: str) -> tuple[World, Decision]:
    world = World(rules)
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    return world, next(decision for decision in world.decisions if decision.effects)


def _invoked() -> tuple[World, Invoke]:
    world, decision = _fired(INVOKES)
    (effect,) = decision.effects
    assert isinstance(effect, Invoke)
    return world, effect


def _commanded() -> tuple[World, SendCommand]:
    world, decision = _fired(COMMANDS)
    (effect,) = decision.effects
    assert isinstance(effect, SendCommand)
    return world, effect


def _answer(world: World, effect: Invoke, body: Any, version: int = 0) -> Decision:
    return world.receipt(effect.id, answer=json.dumps(body).encode(), state_version=version)


def test_an_invocation_is_told_what_happened() -> None:
    _, effect = _invoked()
    assert effect.function == "shutdown_machine"
    assert effect.event["reason"]["transition"] == "firing"
    assert effect.event["key"] == {"site": "A", "device": "b1"}
    assert effect.event["reading"] == {"temp": 90.0}
    assert effect.event["id"] == effect.id


def test_an_answer_stores_the_state_and_sends_the_command_in_one_decision() -> None:
    world, effect = _invoked()
    decision = _answer(world, effect, {"state": {"trips": 1}, "commands": [{"name": "shutdown", "expires": "2m"}]})
    (command,) = decision.effects
    assert isinstance(command, SendCommand)
    assert command.topic == "site/A/dev/b1/cmd"
    assert command.expires == world.now + 2 * MINUTE
    wire = json.loads(command.payload)
    assert wire["id"] == command.id
    assert wire["reason"]["rule"] == "overheat"
    assert (decision.devices[0].version, decision.devices[0].body) == (1, {"trips": 1})
    assert decision.ledger[0].state == "done"
    assert world.engine.remembered(KEY).body == {"trips": 1}


def test_an_answer_to_a_state_that_has_moved_is_not_stored_and_asked_again() -> None:
    world, effect = _invoked()
    decision = _answer(world, effect, {"state": {"trips": 1}}, version=7)
    assert decision.devices == []
    assert decision.ledger[0].state == "pending"
    assert _answer(world, effect, {"state": {"trips": 1}}).ledger[0].state == "done"


@pytest.mark.parametrize(
    "body",
    [
        [1],
        {"stat": {}},
        {"commands": [{"nam": "shutdown"}]},
        {"commands": [{"name": "shutdown", "expires": "soon"}]},
        {"commands": [{"name": "x"}] * 101},
        {"publish": [{"topic": "a/#", "payload": 1}]},
        {"publish": [{"topic": "$SYS/x", "payload": 1}]},
        {"state": {"x": "y" * 70_000}},
        {"state": {"n": 10**23}},
        {"commands": [{"name": "shutdown", "args": {"n": 10**23}}]},
        {"publish": [{"topic": "a", "payload": 10**23}]},
        {"state": {"deep": json.loads("[" * 100 + "]" * 100)}},
    ],
)
def test_an_answer_that_can_not_be_used_fails_as_a_whole(body: Any) -> None:
    world, effect = _invoked()
    decision = _answer(world, effect, body)
    assert decision.ledger[0].state == "failed"
    assert decision.ledger[0].detail.startswith("bad answer")
    assert (decision.effects, decision.devices) == ([], [])
    assert world.engine.remembered(KEY).version == 0


def test_a_function_that_failed_for_good_is_closed() -> None:
    world, effect = _invoked()
    decision = world.receipt(effect.id, "failed", detail="ValueError: no")
    assert (decision.ledger[0].state, decision.ledger[0].function) == ("failed", "shutdown_machine")


def test_a_command_of_a_rule_says_all_that_the_device_needs() -> None:
    _, command = _commanded()
    wire = json.loads(command.payload)
    assert (wire["command"], wire["args"]) == ("shutdown", {"mode": "safe"})
    assert wire["expires"] - wire["issued"] == 60_000
    assert command.id == "overheat~site=A,device=b1~5~2~0~0"


def test_a_command_goes_from_requested_to_succeeded() -> None:
    world, command = _commanded()
    states = [change.state.value for decision in world.decisions for change in decision.commands]
    for decision in (
        world.receipt(command.id),
        world.answer(command, "acknowledged"),
        world.answer(command, "in_progress"),
        world.answer(command, "succeeded"),
    ):
        states += [change.state.value for change in decision.commands]
    assert states == ["requested", "sent", "acknowledged", "succeeded"]
    assert world.answer(command, "succeeded").counts[("duplicate", "command answer")] == 1


@pytest.mark.parametrize(
    ("done", "seconds", "state", "detail"),
    [
        ([], 61, "expired", "not sent before it expired"),
        (["sent"], 11, "timed out", "not acknowledged in time"),
        (["sent", "acknowledged"], 71, "timed out", "acknowledged, but no outcome in time"),
    ],
)
def test_a_command_that_nobody_answers_ends_by_itself(done: list[str], seconds: float, state: str, detail: str) -> None:
    world, command = _commanded()
    if "sent" in done:
        world.receipt(command.id)
    if "acknowledged" in done:
        world.answer(command, "acknowledged")
    world.pass_time((world.now - START) / SECOND + seconds)
    last = [change for decision in world.decisions for change in decision.commands][-1]
    assert (last.state.value, last.detail) == (state, detail)


def test_an_outcome_that_comes_too_late_is_kept_as_a_dead_letter() -> None:
    world, command = _commanded()
    world.receipt(command.id)
    world.pass_time((world.now - START) / SECOND + 11)
    decision = world.answer(command, "succeeded")
    assert decision.dead_letters[0].reason == "late command answer"
    assert "after it counted as timed out" in decision.dead_letters[0].detail


def test_an_answer_from_another_device_is_refused() -> None:
    world, command = _commanded()
    decision = world.answer(command, "succeeded", device="b2")
    assert decision.dead_letters[0].reason == "foreign command answer"
    assert decision.commands == []


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"id": "x"}', b'{"id": "x", "status": "exploded"}', b"\xff"])
def test_an_answer_that_can_not_be_read_is_a_dead_letter(payload: bytes) -> None:
    world, _ = _commanded()
    decision = world.raw("site/A/dev/b1/cmd/ack", payload)
    assert decision.dead_letters[0].reason == "bad command answer"


def test_an_answer_to_an_unknown_command_is_a_dead_letter() -> None:
    world, _ = _commanded()
    decision = world.raw("site/A/dev/b1/cmd/ack", b'{"id": "x", "status": "succeeded"}')
    assert decision.dead_letters[0].reason == "unknown command"
