"""What steps can say beside what they do: to another device, again where nobody answers, and messages of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iotrules.model.decisions import Decision, Key, PublishMessage, SendCommand
from iotrules.model.inputs import Reload
from iotrules.model.times import SECOND
from tests.engine.world import START, STREAM, World

RULE = '  hot: {from: env, when: temp > 85, clear: temp < 70, summary: "{device}: {temp}", do: [STEP]}\n'
RETRY = RULE.replace("STEP", "{command: shutdown, expires: 1m, ack_within: 10s, retry: 2}")


def _fired(step: str, *, by: str = "", device: str = "b1", **values: Any) -> Decision:
    rules = RULE.replace("STEP", step)
    world = World(rules.replace("from: env,", f"from: env, by: [{by}],").replace("{device}", "x") if by else rules)
    return world.send(0, device, temp=90, **values)


def _last_detail(world: World) -> str:
    return [change for decision in world.decisions for change in decision.commands][-1].detail


def test_a_command_goes_to_another_device() -> None:
    (effect,) = _fired('{command: fan_on, to: {device: "fan-1"}}').effects
    assert isinstance(effect, SendCommand)
    assert effect.topic == "site/A/dev/fan-1/cmd"
    assert effect.key == Key((("site", "A"), ("device", "fan-1")))
    assert effect.id == "hot~site=A,device=b1~2~1~0~0"  # named by the rule's own key


def test_a_rule_over_a_site_commands_a_device_of_it() -> None:
    (effect,) = _fired('{command: fan_on, to: {device: "fan-{site}"}}', by="site").effects
    assert isinstance(effect, SendCommand)
    assert effect.topic == "site/A/dev/fan-A/cmd"


def test_the_device_that_was_commanded_answers_not_the_one_that_was_hot() -> None:
    world = World(RULE.replace("STEP", '{command: fan_on, to: {device: "fan-1"}}'))
    (command,) = world.send(0, temp=90).effects
    assert isinstance(command, SendCommand)
    assert world.answer(command, "succeeded").dead_letters[0].reason == "foreign command answer"
    assert [c.state.value for c in world.answer(command, "succeeded", device="fan-1").commands] == ["succeeded"]


def test_a_label_that_is_no_level_reaches_nobody_and_is_an_error_of_the_rule() -> None:
    decision = _fired('{command: fan_on, to: {device: "fan-{device}"}}', device="x" * 254)
    assert decision.effects == []
    assert decision.counts["rule_errors", "hot: to: a topic level over 256 bytes"] == 1


def test_not_acknowledged_it_is_sent_again_with_the_same_id_until_that_is_enough() -> None:
    world = World(RETRY)
    world.send(0, temp=90)
    (first,) = world.sent()
    world.receipt(first.id)
    world.pass_time(10.1)
    second = world.sent()[-1]
    assert (second.id, second.command) == (f"{first.id}~1", first.id)
    assert (second.topic, second.payload, second.expires) == (first.topic, first.payload, first.expires)
    assert _last_detail(world) == "not acknowledged in 10s: sent again, 1 of 2"
    world.now = START + 13 * SECOND
    world.receipt(second.id)
    world.pass_time(23.1)
    assert world.sent()[-1].id == f"{first.id}~2"
    world.receipt(world.sent()[-1].id)
    world.pass_time(40)
    assert len(world.sent()) == 3
    states = ["requested", "sent", "(sent)", "(sent)", "timed out"]
    assert world.commands() == [f"b1 shutdown {state}" for state in states]


@pytest.mark.parametrize("status", ["acknowledged", "succeeded"])
def test_once_the_device_has_answered_it_is_not_sent_again(status: str) -> None:
    world = World(RETRY)
    world.send(0, temp=90)
    world.receipt(world.sent()[0].id)
    world.pass_time(11)
    world.answer(world.sent()[-1], status)
    world.receipt(world.sent()[-1].id)
    world.pass_time(50)
    assert len(world.sent()) == 2


def test_it_is_never_sent_again_after_it_has_expired() -> None:
    world = World(RETRY.replace("ack_within: 10s", "ack_within: 50s"))
    world.send(0, temp=90)
    world.receipt(world.sent()[0].id)
    world.now = START + 61 * SECOND  # the engine was down when it was due
    world.pass_time(200)
    assert len(world.sent()) == 1
    assert (world.commands()[-1], _last_detail(world)) == ("b1 shutdown timed out", "not acknowledged in time")


@pytest.mark.parametrize("outcome", ["expired", "failed"])
def test_a_repeat_that_can_not_leave_ends_as_not_acknowledged(outcome: str) -> None:
    world = World(RETRY)
    world.send(0, temp=90)
    world.receipt(world.sent()[0].id)
    world.pass_time(11)
    decision = world.receipt(world.sent()[-1].id, outcome, detail="the broker is away")
    assert [(row.effect, row.state) for row in decision.ledger] == [(world.sent()[-1].id, "failed")]
    assert (world.commands()[-1], _last_detail(world)) == ("b1 shutdown timed out", "not acknowledged in time")


def test_trap_command_to_an_offline_device_what_the_broker_has_is_not_what_the_device_has() -> None:
    world = World(RETRY.replace(", retry: 2", ""))
    world.send(0, temp=90)
    world.receipt(world.sent()[0].id)
    assert world.commands()[-1] == "b1 shutdown sent"  # and not acknowledged
    world.pass_time(100)
    assert world.commands()[-1] == "b1 shutdown timed out"


def test_trap_command_to_an_offline_device_expiry_comes_before_it_is_sent() -> None:
    world = World(RETRY)
    world.send(0, temp=90)
    world.pass_time(61)
    assert world.commands() == ["b1 shutdown requested", "b1 shutdown expired"]
    assert world.receipt(world.sent()[0].id).commands == []  # whatever the broker says of it now


def test_without_retry_it_is_sent_once() -> None:
    world = World(RETRY.replace(", retry: 2", ""))
    world.send(0, temp=90)
    world.receipt(world.sent()[0].id)
    world.pass_time(100)
    assert len(world.sent()) == 1


def _message(step: str, **values: Any) -> PublishMessage:
    (effect,) = _fired(step, **values).effects
    assert isinstance(effect, PublishMessage)
    return effect


def test_a_message_is_filled_with_what_the_alert_is_about() -> None:
    effect = _message(
        '{publish: {topic: "alerts/{site}/{device}/{fan}", payload: {text: "{device} is at {temp:.1f}", '
        'temp: "{temp}", pressure: "{pressure}", is: "{severity} {rule}", '
        'fixed: [1, 2.5, true, null, {braces: "{{}}"}]}}}',
        fan="running",
    )
    assert effect.topic == "alerts/A/b1/running"
    assert json.loads(effect.payload) == {
        "text": "b1 is at 90.0", "temp": 90.0, "pressure": None, "is": "minor hot",
        "fixed": [1, 2.5, True, None, {"braces": "{}"}],
    }  # fmt: skip
    assert (effect.id, effect.key.device) == ("hot~site=A,device=b1~2~1~0~0", "b1")


TEXTS = "{publish: {topic: 'notes/{fan}/x', payload: '{fan}'}}"


@pytest.mark.parametrize(
    ("fan", "fault"),
    [
        ("a/b", "a / in a topic level"),
        ("#", "a wildcard or reserved character in a topic level"),
        ("a+", "a wildcard or reserved character in a topic level"),
        ("$SYS", "a wildcard or reserved character in a topic level"),
        ("", "an empty topic level"),
        ("..", "a topic level with characters that don't print"),
        ("a\x00", "a topic level with characters that don't print"),
        ("ä" * 200, "a topic level over 256 bytes"),
        (None, "fan is missing"),
    ],
)
def test_a_level_that_comes_out_hostile_is_refused_and_counted(fan: str | None, fault: str) -> None:
    rules = RULE.replace("STEP", TEXTS + ", {command: shutdown}")
    world = World(rules)
    world.put(Reload({"rules.yaml": STREAM.replace("one_of: [running, stopped]", "type: text") + rules}))
    decision = world.send(0, temp=90, fan=fan)
    assert [type(effect) for effect in decision.effects] == [SendCommand]  # the other step is not touched
    assert decision.counts["rule_errors", f"hot: publish: {fault}"] == 1


def test_a_dry_run_publishes_nothing() -> None:
    world = World(RULE.replace("STEP", "{publish: {topic: a, payload: 1}}"), dry_run=True)
    assert world.send(0, temp=90).effects == []
    assert world.total("dry_run_effects") == 1


def test_messages_go_at_the_transition_that_they_are_for() -> None:
    world = World(RULE.replace("STEP", '{publish: {topic: "over/{device}", payload: "{temp}"}, at: resolved}'))
    assert world.send(0, temp=90).effects == []
    (effect,) = world.send(10, temp=20).effects
    assert isinstance(effect, PublishMessage)
    assert (effect.topic, effect.payload) == ("over/b1", b"20.0")
