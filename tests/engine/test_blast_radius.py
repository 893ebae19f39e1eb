"""Blast radius as timelines: who may be commanded, who waits, and what a person, time or a restart makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iotrules.model.decisions import AlertState, CommandState, Invoke, SendCommand
from iotrules.model.inputs import Reload
from iotrules.model.rules import Severity
from iotrules.model.times import SECOND
from tests.engine.world import START, STREAM, World

GUARD = "guard: {max_share: 10%, of: site, per: 10m}"
HOT = "  hot: {from: env, when: temp > 85, clear: temp < 70, severity: major, do: [DO]}\n"
COMMANDED = HOT.replace("DO", f"{{command: shutdown, expires: 5m, {GUARD}}}")
INVOKED = HOT.replace("DO", f"{{invoke: stop, {GUARD}}}")


def known_devices(rules: str = COMMANDED, devices: int = 10, **options: Any) -> World:
    """So many devices of site A are known, and all of them are cool."""
    world = World(rules, **options)
    for number in range(1, devices + 1):
        world.send(0, f"b{number}", temp=20)
    return world


def _heat(world: World, at: float, *devices: str, site: str = "A") -> None:
    for device in devices:
        world.send(at, device, site, temp=90)


def _waiting(world: World) -> str:
    """The id of the command that was held last."""
    held = [c for d in world.decisions for c in d.commands if c.state is CommandState.HELD]
    return held[-1].id


def _alerts(world: World) -> list[str]:
    """What became of the alerts about held commands."""
    return [
        f"{change.key.device} {change.after.value}: {change.reason}"
        for decision in world.decisions
        for change in decision.transitions
        if change.rule == "hot/held"
    ]


def test_one_of_ten_is_commanded_and_the_second_waits_under_an_alert_of_its_own() -> None:
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    assert world.commands() == ["b1 shutdown requested", "b2 shutdown requested", "b2 shutdown held"]
    assert [command.key.device for command in world.sent()] == ["b1"]
    why = "1 of 10 devices of site A were commanded within 10m, 10% allows 1"
    assert _alerts(world) == [f"b2 firing: {why}"]
    alert = next(t for t in world.decisions[-1].transitions if t.rule == "hot/held")
    assert (alert.severity, alert.before, alert.episode) == (Severity.MAJOR, AlertState.INACTIVE, world.sequence)
    assert alert.summary == "b2: shutdown is held until somebody approves or rejects it"
    active = [(found.rule, found.key.device) for found in world.engine.active_alerts()]
    assert active == [("hot", "b1"), ("hot", "b2"), ("hot/held", "b2")]


def test_every_site_has_a_share_of_its_own_and_one_device_always_may() -> None:
    world = known_devices(devices=30)
    for number in range(1, 4):
        world.send(0, f"c{number}", "B", temp=20)
    _heat(world, 10, *(f"b{number}" for number in range(1, 6)))
    _heat(world, 10, "c1", "c2", site="B")
    assert [command.key.device for command in world.sent()] == ["b1", "b2", "b3", "c1"]
    assert _alerts(world)[-1] == "c2 firing: 1 of 3 devices of site B were commanded within 10m, 10% allows 1"


def test_without_a_group_the_share_is_of_all_devices() -> None:
    world = known_devices(COMMANDED.replace(" of: site,", ""), devices=10)
    for number in range(1, 11):
        world.send(0, f"c{number}", "B", temp=20)
    _heat(world, 10, "b1", "b2", "b3")
    assert [command.key.device for command in world.sent()] == ["b1", "b2"]
    assert "2 of 20 devices were commanded" in _alerts(world)[0]


def test_a_device_that_was_commanded_already_may_be_again() -> None:
    world = known_devices()
    _heat(world, 10, "b1")
    world.send(20, "b1", temp=20)
    _heat(world, 30, "b1")
    assert [command.key.device for command in world.sent()] == ["b1", "b1"]


def test_when_the_time_has_passed_another_device_may_but_who_waits_still_waits() -> None:
    world = known_devices(COMMANDED.replace("expires: 5m", "expires: 1h"))
    _heat(world, 10, "b1", "b2")
    _heat(world, 609, "b3")
    _heat(world, 611, "b4")
    assert [command.key.device for command in world.sent()] == ["b1", "b4"]
    assert [line for line in world.commands() if "held" in line] == ["b2 shutdown held", "b3 shutdown held"]


def test_devices_that_nobody_has_heard_for_a_week_are_no_devices_of_the_group() -> None:
    world = known_devices(devices=20)
    week = 7 * 24 * 3600
    for number in range(1, 11):
        world.send(week + 100, f"b{number}", temp=20)
    _heat(world, week + 110, "b1", "b2")
    assert _alerts(world) == ["b2 firing: 1 of 10 devices of site A were commanded within 10m, 10% allows 1"]


def test_approved_it_leaves_with_the_name_that_it_had_and_counts() -> None:
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    name = _waiting(world)
    decision = world.operate("approve", name, why="the fan is broken")
    assert decision.refused == ""
    (effect,) = decision.effects
    assert isinstance(effect, SendCommand)
    assert (effect.id, effect.command, effect.topic) == (name, name, "site/A/dev/b2/cmd")
    assert json.loads(effect.payload)["id"] == name
    assert json.loads(effect.payload)["issued"] == (START + 10 * SECOND) // 10**6
    world.receipt(name)
    world.answer(effect, "acknowledged", device="b2")
    world.answer(effect, "succeeded", device="b2")
    states = ["requested", "held", "(held)", "sent", "acknowledged", "succeeded"]
    assert [line for line in world.commands() if "b2" in line] == [f"b2 shutdown {state}" for state in states]
    assert _alerts(world)[1:] == ["b2 resolved: approved by anna: the fan is broken"]
    world.send(20, "b2", temp=20)
    _heat(world, 605, "b2")  # its share is not over yet, while that of b1 is
    assert [command.key.device for command in world.sent()] == ["b1", "b2", "b2"]


@pytest.mark.parametrize("restart_every", [None, 1])
def test_who_approved_it_and_why_stands_in_all_that_comes_later(restart_every: int | None) -> None:
    rules = COMMANDED.replace("expires", "retry: 1, ack_within: 30s, expires")
    world = known_devices(rules, restart_every=restart_every)
    _heat(world, 10, "b1", "b2", "b3")
    second, third = [c.id for d in world.decisions for c in d.commands if c.state is CommandState.HELD]
    for name in (second, third):
        world.operate("approve", name, why="ok")
        world.receipt(name)
    answered = next(command for command in world.sent() if command.id == second)
    for status, detail in (("acknowledged", "at once"), ("succeeded", None)):
        body = {"id": answered.command, "status": status, "detail": detail}
        world.raw("site/A/dev/b2/cmd/ack", json.dumps(body).encode())
    world.pass_time(60)
    world.receipt(f"{third}~1")
    world.pass_time(1000)

    def told(name: str) -> list[str]:
        changes = [change for decision in world.decisions for change in decision.commands if change.id == name]
        return [f"{change.state.value}: {change.detail}" for change in changes[2:]]

    said = "approved by anna: ok"
    assert told(second) == [f"held: {said}", f"sent: {said}", f"acknowledged: {said}; at once", f"succeeded: {said}"]
    assert told(third) == [
        f"held: {said}",
        f"sent: {said}",
        f"sent: {said}; not acknowledged in 30s: sent again, 1 of 1",
        f"timed out: {said}; not acknowledged in time",
    ]


def test_rejected_it_never_leaves_and_says_by_whom_and_why() -> None:
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    decision = world.operate("reject", _waiting(world), "bob", "it is being serviced")
    assert (decision.refused, decision.effects) == ("", [])
    assert [(c.state, c.detail) for c in decision.commands] == [
        (CommandState.REJECTED, "rejected by bob: it is being serviced")
    ]
    assert _alerts(world)[1:] == ["b2 resolved: rejected by bob: it is being serviced"]
    world.pass_time(1000)
    assert [command.key.device for command in world.sent()] == ["b1"]


def test_nobody_decides_and_it_expires() -> None:
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    name = _waiting(world)
    world.pass_time(311)
    last = [change for decision in world.decisions for change in decision.commands if change.id == name][-1]
    assert (last.state, last.detail) == (CommandState.EXPIRED, "nobody approved it before it expired")
    assert _alerts(world)[1:] == ["b2 resolved: nobody approved it before it expired"]
    assert world.operate("approve", name).refused == f'command "{name}" does not wait: it is expired'


def test_at_its_end_it_can_not_be_approved_even_before_the_timer_has_come() -> None:
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    world.now = START + 310 * SECOND
    decision = world.operate("approve", _waiting(world))
    assert decision.refused.endswith("has expired")
    assert decision.effects == []


def test_approved_but_not_sent_before_its_end_it_is_not_sent() -> None:
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    name = _waiting(world)
    world.operate("approve", name)
    world.pass_time(311)
    assert world.commands()[-1] == "b2 shutdown expired"
    last = [change for decision in world.decisions for change in decision.commands][-1]
    assert last.detail == "approved by anna; not sent before it expired"


@pytest.mark.parametrize(
    ("action", "target", "refused"),
    [
        ("approve", "nothing", 'there is no command "nothing" under way'),
        ("reject", "nothing", 'there is no command "nothing" under way'),
        ("aprove", "nothing", 'unknown action "aprove": did you mean "approve"?; there is approve, reject'),
    ],
)
def test_what_can_not_be_done_is_said_and_changes_nothing(action: str, target: str, refused: str) -> None:
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    decision = world.operate(action, target)
    assert decision.refused == refused
    assert (decision.effects, decision.commands, decision.transitions) == ([], [], [])
    assert decision.changed  # it is in the journal: who tried what


def test_a_command_is_decided_on_once() -> None:
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    name = _waiting(world)
    world.operate("approve", name)
    assert world.operate("approve", name).refused == f'command "{name}" does not wait: it is approved by anna'
    assert world.operate("reject", name).refused.endswith("it is approved by anna")
    world.receipt(name)
    world.answer(world.sent()[-1], "succeeded", device="b2")
    assert world.operate("reject", name).refused.endswith("it is succeeded")
    assert "does not wait: it is requested" in world.operate("approve", world.sent()[0].id).refused


def test_a_device_can_not_settle_what_it_was_never_sent() -> None:
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    body = {"id": _waiting(world), "status": "succeeded"}
    decision = world.raw("site/A/dev/b2/cmd/ack", json.dumps(body).encode())
    assert [letter.reason for letter in decision.dead_letters] == ["unknown command"]
    assert world.operate("approve", body["id"]).refused == ""


def test_dropped_it_is_rejected_at_once_without_an_alert() -> None:
    world = known_devices(COMMANDED.replace("per: 10m", "per: 10m, else: drop"))
    _heat(world, 10, "b1", "b2")
    assert world.commands()[-2:] == ["b2 shutdown requested", "b2 shutdown rejected"]
    detail = world.decisions[-1].commands[-1].detail
    assert detail == "dropped by its guard: 1 of 10 devices of site A were commanded within 10m, 10% allows 1"
    assert _alerts(world) == []
    assert world.decisions[-1].counts["guarded", "hot: dropped"] == 1


def _answers(world: World, *names: str) -> None:
    """Each invocation under way answers with these commands."""
    invokes = [effect for decision in world.decisions for effect in decision.effects if isinstance(effect, Invoke)]
    body = json.dumps({"commands": [{"name": name} for name in names]}).encode()
    for effect in invokes:
        world.receipt(effect.id, answer=body)


def test_commands_that_a_function_asks_for_are_guarded_as_those_of_the_rule() -> None:
    world = known_devices(INVOKED)
    _heat(world, 10, "b1", "b2")
    _answers(world, "shutdown", "lock")
    assert [(command.key.device, command.name) for command in world.sent()] == [("b1", "shutdown"), ("b1", "lock")]
    assert world.commands()[-4:] == [
        "b2 shutdown requested", "b2 shutdown held", "b2 lock requested", "b2 lock held"
    ]  # fmt: skip
    assert len(_alerts(world)) == 1
    first, second = [c.id for d in world.decisions for c in d.commands if c.state is CommandState.HELD]
    world.operate("approve", first)
    assert len(_alerts(world)) == 1  # the other one waits still
    world.operate("reject", second)
    assert _alerts(world)[1:] == ["b2 resolved: rejected by anna"]


def test_a_function_is_guarded_by_the_rule_as_it_was_when_it_was_invoked() -> None:
    world = known_devices(INVOKED)
    _heat(world, 10, "b1", "b2")
    world.put(Reload({"rules.yaml": STREAM + "  other: {from: env, when: temp > 85}\n"}))
    _answers(world, "shutdown")
    assert [command.key.device for command in world.sent()] == ["b1"]
    assert _alerts(world) == ["b2 firing: 1 of 0 devices of site A were commanded within 10m, 10% allows 1"]


def test_a_dry_run_holds_nothing() -> None:
    world = known_devices(dry_run=True)
    _heat(world, 10, "b1", "b2")
    assert world.commands() == []


def test_trap_command_loop_the_end_of_the_alert_takes_nothing_back() -> None:
    """The command to one device cools the other as well: what is held is still there to be decided on."""
    world = known_devices()
    _heat(world, 10, "b1", "b2")
    world.send(20, "b2", temp=20)
    assert world.history()[-1] == "20 hot resolved"
    assert world.operate("approve", _waiting(world)).refused == ""
    assert [command.key.device for command in world.sent()] == ["b1", "b2"]


def test_two_steps_have_a_share_each() -> None:
    two = f"{{command: shutdown, {GUARD}}}, {{command: horn, {GUARD.replace('10%', '20%')}}}"
    world = known_devices(HOT.replace("DO", two))
    _heat(world, 10, "b1", "b2")
    assert [(c.key.device, c.name) for c in world.sent()] == [("b1", "shutdown"), ("b1", "horn"), ("b2", "horn")]


def test_more_than_a_hundred_of_a_device_and_rule_are_not_held() -> None:
    world = known_devices(INVOKED)
    _heat(world, 10, "b1")
    _answers(world, "shutdown")
    for at in (20, 40):
        _heat(world, at, "b2")
        world.send(at + 10, "b2", temp=20)
        (invoke,) = [e for d in world.decisions[-2:] for e in d.effects if isinstance(e, Invoke)]
        body = json.dumps({"commands": [{"name": "shutdown"}] * 60}).encode()
        world.receipt(invoke.id, answer=body)
    assert world.commands().count("b2 shutdown held") == 100
    assert world.commands().count("b2 shutdown rejected") == 20
    assert world.decisions[-1].commands[-1].detail.startswith("dropped, too many commands are held: 1 of 10")
    assert len(_alerts(world)) == 1


def test_after_a_reload_with_another_topic_only_devices_of_that_count() -> None:
    world = known_devices()
    moved = STREAM.replace("topic: site/{site}/dev/{device}/env", "topic: at/{site}/{hall}/{device}")
    world.put(Reload({"rules.yaml": moved + COMMANDED}))
    for device in ("b1", "b2"):
        world.now += 2 * SECOND  # how many devices there are is looked at once a second
        world.raw(f"at/A/h/{device}", json.dumps({"ts": START // 10**6, "boot": "z", "seq": 1, "temp": 90}).encode())
    assert _alerts(world) == ["b2 firing: 1 of 2 devices of site A were commanded within 10m, 10% allows 1"]


@pytest.mark.parametrize("every", [None, 1])
def test_the_number_of_devices_is_as_old_after_a_restart_as_it_was_before(every: int | None) -> None:
    world = known_devices(devices=19, restart_every=every)
    _heat(world, 10, "b1")
    world.send(10.1, "b20", temp=20)
    _heat(world, 10.2, "b2")
    assert _alerts(world) == ["b2 firing: 1 of 19 devices of site A were commanded within 10m, 10% allows 1"]


def test_a_clock_that_is_set_back_does_not_hold_for_ever() -> None:
    world = known_devices()
    _heat(world, 10, "b1")
    world.now -= 3600 * SECOND
    world.raw("site/A/dev/b2/env", json.dumps({"ts": 0, "boot": "y", "seq": 1, "temp": 90}).encode())
    assert [command.key.device for command in world.sent()][:1] == ["b1"]
    assert _alerts(world) == []
