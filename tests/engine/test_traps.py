"""What other rule engines get wrong, by name: each trap with the contract that holds here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iotrules.model.errors import RuleError
from iotrules.model.inputs import Arrival, Messages
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine.world import OVERHEAT, START, World

TOPIC = "site/A/dev/{}/env"
WARM = "  warm: {from: env, when: 'avg(temp, 1m, min_samples=3) > 80'}\n"


def batch(*samples: tuple[float, dict[str, Any]], device: str = "b1", now: int = START) -> Messages:
    """An upload: samples measured so many seconds after the start, all arriving at `now`."""
    bodies = (
        {"ts": (START + round(at * SECOND)) // MILLISECOND, "boot": "x", "seq": index} | values
        for index, (at, values) in enumerate(samples)
    )
    return Messages(tuple(Arrival(TOPIC.format(device), json.dumps(body).encode(), now) for body in bodies))


def hot(*instants: float, temp: float = 90) -> list[tuple[float, dict[str, Any]]]:
    return [(at, {"temp": temp}) for at in instants]


def test_an_upload_of_the_past_is_judged_by_when_it_was_measured() -> None:
    """Not by when it was received: ten samples in one instant are a minute and a half of windows and holds."""
    live, upload = World(WARM + OVERHEAT), World(WARM + OVERHEAT)
    samples = hot(*range(0, 50, 10)) + hot(*range(50, 130, 10), temp=60)
    for at, values in samples:
        live.send(at, **values)
    upload.now = START + 500 * SECOND
    upload.put(batch(*samples, now=upload.now))
    assert upload.history() == live.history()
    assert "20 warm firing" in live.history()


def test_an_upload_of_the_past_gives_one_alert_with_its_whole_life_in_order() -> None:
    world = World(OVERHEAT)
    world.now = START + 900 * SECOND
    world.put(batch(*hot(0, 10, 20, 30, 40), *hot(50, 60, 70, temp=60), now=world.now))
    assert world.history() == ["0 overheat pending", "30 overheat firing", "70 overheat resolved"]
    assert len({change.episode for change in world.decisions[-1].transitions if change.episode}) == 1


def test_a_dead_device_does_not_hold_up_another() -> None:
    world = World(OVERHEAT)
    world.send(0, device="dead", temp=20)
    for at in range(1000, 1050, 10):
        world.send(at, device="b1", temp=90)
    assert world.history() == ["1000 overheat pending", "1030 overheat firing"]


def test_a_device_whose_clock_is_late_does_not_hold_up_another() -> None:
    world = World(OVERHEAT)
    for at in range(0, 50, 10):
        world.send(at - 3600, device="slow", lag=3600, temp=90)
        world.send(at, device="b1", temp=90)
    assert world.history().count("30 overheat firing") == 1
    assert world.history().count("-3570 overheat firing") == 1


def test_a_future_timestamp_does_not_kill_the_window() -> None:
    world = World(WARM)
    world.send(0, temp=90)
    world.put(batch((86_400, {"temp": 90}), now=world.now))
    assert world.total("clock_ahead") == 1
    world.send(10, temp=90)
    assert [line for line in world.history() if "clock" not in line] == ["10 warm firing"]
    for at in range(20, 100, 10):
        world.send(at, temp=20)
    assert world.history()[-1].endswith("warm resolved")


def test_a_device_whose_clock_is_ahead_is_flagged() -> None:
    world = World(WARM)
    world.send(0, temp=90)
    world.put(batch((86_400, {"temp": 90}), now=world.now))
    assert [line.split()[1:] for line in world.history()] == [["env/clock", "firing"]]
    world.send(10, temp=20)
    assert world.history()[-1] == "10 env/clock resolved"


def test_a_message_delivered_twice_is_one_sample_of_a_window() -> None:
    world = World("  often: {from: env, when: 'times(temp > 85, 1m) >= 3'}\n")
    upload = batch(*hot(0, 10))
    world.put(upload)
    world.put(upload)
    assert world.history() == []
    world.put(batch(*hot(0, 10, 20), now=START + 20 * SECOND))
    assert world.history() == ["20 often firing"]


def test_missing_data_does_not_end_an_alert() -> None:
    world = World(OVERHEAT)
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    for at in range(40, 400, 10):
        world.send(at, pressure=3)
    assert world.history()[-1] == "30 overheat firing"


@pytest.mark.parametrize("values", [{}, {"fan": None}, {"fan": ""}, {"fan": "Running"}, {"fan": 0}, {"fan": False}])
@pytest.mark.parametrize("when", ['fan == "running"', 'fan != "running"', 'not (fan == "running")'])
def test_absent_null_empty_and_unfit_are_neither_equal_nor_different(values: dict[str, Any], when: str) -> None:
    world = World(f"  r: {{from: env, when: '{when}'}}\n")
    decision = world.send(0, **values)
    assert (world.history(), decision.counts[("unknown", "r")]) == ([], 1)


def test_an_unknown_name_is_refused_and_never_compared() -> None:
    with pytest.raises(RuleError, match='unknown name "tmp": did you mean "temp"'):
        World("  r: {from: env, when: tmp < 30}\n")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_never_enters_an_average(text: str) -> None:
    world = World(WARM)
    for at in (0, 10):
        world.send(at, temp=90)
    world.raw(TOPIC.format("b1"), b'{"ts": %d, "boot": "x", "seq": 99, "temp": %s}' % (START // 10**6, text.encode()))
    assert world.decisions[-1].dead_letters
    world.send(20, temp=90)
    assert world.history() == ["20 warm firing"]


def test_minus_zero_is_zero() -> None:
    world = World("  below: {from: env, when: temp < 0}\n  at: {from: env, when: temp == 0}\n")
    world.send(0, temp=-0.0)
    assert world.history() == ["0 at firing"]


def test_a_flag_is_no_number_and_is_not_compared_with_one() -> None:
    with pytest.raises(RuleError, match="true or false compared with a number"):
        World("  r: {from: env, when: (temp > 3) == 1}\n")
    with pytest.raises(RuleError, match="not true or false"):
        World("  r: {from: env, when: (temp > 3) + 1 > 1}\n")


@pytest.mark.parametrize("value", ["85", "x", True, False, [90], {"value": 90}])
def test_a_value_of_another_type_is_no_number_and_kills_no_rule(value: Any) -> None:
    world = World("  r: {from: env, when: temp > 0 or temp <= 0}\n" + OVERHEAT)
    world.send(0, temp=value)
    assert world.history() == []
    world.send(10, temp=90)
    assert world.history() == ["10 r firing", "10 overheat pending"]


def test_a_division_of_whole_numbers_is_a_true_division() -> None:
    world = World("  r: {from: env, when: temp / 2 == 0.5}\n")
    world.send(0, temp=1)
    assert world.history() == ["0 r firing"]


@pytest.mark.parametrize("at", [1, 15, 29])
def test_a_restart_in_the_middle_of_the_hold_loses_no_second_of_it(at: float) -> None:
    world = World(OVERHEAT)
    for sent in (0, 10, 20, 25):
        if sent > at:
            break
        world.send(sent, temp=90)
    world.pass_time(at)
    world.restart()
    for sent in (0, 10, 20, 25, 30):
        if sent > at:
            world.send(sent, temp=90)
    world.pass_time(31)
    assert world.history() == ["0 overheat pending", "30 overheat firing"]


def test_a_condition_that_is_true_from_the_start_needs_no_crossing() -> None:
    world = World("  hot: {from: env, when: temp > 85}\n")
    world.send(0, temp=90)
    assert world.history() == ["0 hot firing"]


def test_an_alert_that_ended_is_raised_again_though_the_value_is_the_same_as_before() -> None:
    world = World("  hot: {from: env, when: temp > 85}\n")
    for at, temp in enumerate([90, 60, 90, 60]):
        world.send(at * 10, temp=temp)
    episodes = [change.episode for d in world.decisions for change in d.transitions if change.after.value == "firing"]
    assert world.history() == ["0 hot firing", "10 hot resolved", "20 hot firing", "30 hot resolved"]
    assert len(set(episodes)) == 2


def test_between_raise_and_clear_nothing_flaps() -> None:
    world = World("  hot: {from: env, when: temp > 85, clear: temp < 80}\n")
    for at, temp in enumerate([85, 86, 85, 80, 86, 80, 85, 79, 80, 85]):
        world.send(at * 10, temp=temp)
    assert world.history() == ["10 hot firing", "70 hot resolved"]


def test_a_message_at_the_very_instant_of_a_timer_comes_before_it() -> None:
    world = World(OVERHEAT)
    for at in (0, 10, 20):
        world.send(at, temp=90)
    world.send(30, temp=60)
    assert world.history() == ["0 overheat pending", "30 overheat inactive"]


def test_a_message_at_the_very_instant_at_which_silence_begins_breaks_it() -> None:
    world = World("  silent: {absent: env, for: 30s}\n")
    for at in (0, 30, 60):
        world.send(at, temp=20)
    assert world.history() == []


def test_there_is_one_resolve_however_often_and_long_the_end_is_true() -> None:
    world = World(OVERHEAT, restart_every=1)
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    for at in range(40, 400, 10):
        world.send(at, temp=60)
    assert [line.split()[2] for line in world.history()].count("resolved") == 1


def test_windows_and_holds_of_two_devices_do_not_mix() -> None:
    world = World(WARM + OVERHEAT)
    for at in range(0, 60, 10):
        world.send(at, device="b1" if at % 20 else "b2", temp=90 if at % 20 else 20)
    assert {change.key.labels for d in world.decisions for change in d.transitions} == {
        (("site", "A"), ("device", "b1"))
    }
    assert world.history() == ["10 overheat pending", "40 overheat firing", "50 warm firing"]


def test_a_clock_that_jumps_ahead_completes_no_hold() -> None:
    world = World(OVERHEAT.replace("for: 30s", "for: 10m"))
    world.send(0, temp=90)
    world.pass_time(3600)
    assert [line.split()[2] for line in world.history()] == ["pending", "inactive"]


def test_a_function_that_fails_for_good_stops_no_rule() -> None:
    world = World(OVERHEAT + "    do: [{invoke: shutdown_machine}]\n")
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    (effect,) = world.effects()
    world.receipt(effect, "failed", detail="ValueError: no")
    for at in range(40, 70, 10):
        world.send(at, temp=60)
    for at in range(70, 110, 10):
        world.send(at, temp=90)
    assert world.history()[-3:] == ["60 overheat resolved", "70 overheat pending", "100 overheat firing"]
    assert len(set(world.effects())) == 2


def test_a_shutdown_that_cools_the_machine_is_not_undone_by_the_end_of_its_alert() -> None:
    world = World(OVERHEAT + "    do: [{command: shutdown}]\n")
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    for at in range(40, 100, 10):
        world.send(at, temp=20)
    assert world.history()[-1] == "60 overheat resolved"
    assert len(world.effects()) == 1
