"""What other rule engines get wrong about order, schedules, silence and people: each trap with the contract here."""

from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from iotrules.engine.bounds import Bounds
from iotrules.language import load_files
from iotrules.language.linting.run import lint
from iotrules.model.errors import RuleError
from iotrules.model.inputs import Arrival, Messages, Reload
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine.building import Building
from tests.engine.world import OVERHEAT, START, STREAM, World

LATE = STREAM.replace("ahead: 10s}", "ahead: 10s, late: 30s}")
REGISTRY = "site,device\nA,b1\nA,b2\n"
SILENT = "  silent: {absent: env, for: 1m}\n"


def measured(world: World, at: float, seq: int, temp: float) -> None:
    """A message that was measured at another time than now."""
    body = {"ts": (START + round(at * SECOND)) // MILLISECOND, "boot": "x", "seq": seq, "temp": temp}
    world.put(Messages((Arrival("site/A/dev/b1/env", json.dumps(body).encode(), world.now),)))


def late_world(order: list[int]) -> World:
    world = World(OVERHEAT, streams=LATE)
    world.now = START + 20 * SECOND
    for seq in order:
        measured(world, seq * 10, seq, 60 if seq == 1 else 90)
    for seq in range(3, 12):
        world.pass_time(seq * 10)
        measured(world, seq * 10, seq, 90)
    world.pass_time(200)
    return world


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]])
def test_messages_out_of_order_within_the_lateness_decide_as_in_order(order: list[int]) -> None:
    assert late_world(order).history()[:3] == ["0 overheat pending", "10 overheat inactive", "20 overheat pending"]


def test_what_comes_later_than_the_lateness_is_counted_and_changes_nothing() -> None:
    world = World(OVERHEAT, streams=LATE)
    for seq in range(8):
        world.pass_time(seq * 10)
        measured(world, seq * 10, seq, 60)
    before = world.history()
    measured(world, 5, 99, 90)
    assert (world.total("late"), world.history()) == (1, before)


def test_a_rule_that_is_edited_in_the_middle_of_its_hold_begins_anew_and_says_so_where_words_do_not() -> None:
    world = World(OVERHEAT)
    for at in (0, 10, 20):
        world.send(at, temp=90)
    world.put(Reload({"rules.yaml": STREAM + OVERHEAT.replace("is at", "stands at")}))
    world.send(30, temp=90)
    assert world.history() == ["0 overheat pending", "30 overheat firing"]
    ended = world.put(Reload({"rules.yaml": STREAM + OVERHEAT.replace("> 85", "> 84")})).transitions
    assert [change.reason for change in ended] == ["the rule's condition was changed"]


def test_a_schedule_that_opens_while_the_condition_is_true_fires_then() -> None:
    world = World('  r: {from: env, when: temp > 85, only: {between: ["14:15", "14:20"], zone: UTC}}\n')
    for at in range(0, 90, 10):
        world.send(at, temp=90)
    world.pass_time(101)  # 14:15:00, and no message
    assert world.history() == ["0 r pending", "100 r firing"]


@pytest.mark.parametrize(("day", "hour", "fires"), [("2027-03-28", 2, False), ("2027-10-31", 2, True)])
def test_a_day_with_23_or_25_hours_opens_a_schedule_as_the_clock_on_the_wall_does(
    day: str, hour: int, fires: bool
) -> None:
    world = World('  r: {from: env, when: temp > 85, only: {between: ["02:15", "02:45"], zone: Europe/Berlin}}\n')
    midnight = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=ZoneInfo("Europe/Berlin"))
    begin = round(midnight.timestamp() - START / SECOND)
    for minutes in range(0, hour * 60 + 180, 10):
        world.send(begin + minutes * 60, temp=90)
    assert ("firing" in " ".join(world.history())) is fires


def test_a_schedule_without_a_zone_is_refused() -> None:
    with pytest.raises(RuleError, match="whose clock is meant"):
        load_files({"r.yaml": STREAM + '  r: {from: env, when: temp > 85, only: {between: ["08:00", "18:00"]}}\n'})


def test_a_threshold_at_which_raise_and_clear_meet_is_told_by_lint() -> None:
    files = {"r.yaml": STREAM + "  r: {from: env, when: temp > 85, clear: temp <= 85}\n"}
    assert [finding.code for finding in lint(files, load_files(files))] == ["L002"]


def test_a_gap_longer_than_allowed_breaks_a_hold_and_a_short_one_does_not() -> None:
    short, long = World(OVERHEAT.replace("for: 30s", "for: 50s")), World(OVERHEAT.replace("for: 30s", "for: 50s"))
    for world, gap in ((short, 29), (long, 31)):
        for at in (0, gap, 2 * gap):
            world.send(at, temp=90)
    assert short.history() == ["0 overheat pending", "50 overheat firing"]
    assert "firing" not in " ".join(long.history())


def test_a_hold_that_is_over_between_two_messages_fires_when_it_is_over() -> None:
    world = World(OVERHEAT)
    for at in (0, 10, 25):
        world.send(at, temp=90)
    world.pass_time(31)
    assert world.history() == ["0 overheat pending", "30 overheat firing"]


def test_a_device_that_was_never_heard_is_missed() -> None:
    world = World(SILENT, registry=REGISTRY)
    for at in range(0, 100, 10):
        world.send(at, device="b1", temp=20)
    silent = [change for one in world.decisions for change in one.transitions]
    assert [(change.key.device, change.reason) for change in silent] == [
        ("b2", "in the registry, and never heard for 1m")
    ]


def test_a_device_that_was_taken_out_of_the_registry_is_not_missed_for_ever() -> None:
    world = World(SILENT, registry=REGISTRY)
    world.pass_time(100)
    ended = world.use_registry("site,device\nA,b1\n").transitions
    assert [(change.key.device, change.after.value) for change in ended] == [("b2", "resolved")]


def test_when_the_gateway_dies_its_devices_are_silent_but_people_hear_of_the_gateway() -> None:
    """Each alert is there and says what muted it; one notification leaves."""
    rules = "  site-silent: {absent: env, by: [site], for: 50s, inhibit: {rules: [silent], same: [site]}}\n" + SILENT
    world = World(rules)
    for device in ("b1", "b2", "b3"):
        world.send(0, device=device, temp=20)
    world.pass_time(70)
    changes = [change for one in world.decisions for change in one.transitions]
    assert [change.rule for change in changes if not change.muted] == ["site-silent"]
    assert {change.muted for change in changes if change.muted} == {"inhibited by site-silent site=A"}
    assert len(changes) == 4


def test_an_alert_that_flaps_is_told_once_and_again_when_it_is_calm() -> None:
    world = World("  r: {from: env, when: temp > 85, flapping: {changes: 4, within: 5m}}\n")
    for at in range(0, 200, 10):
        world.send(at, temp=90 if at % 20 == 0 else 60)
    told = [change for one in world.decisions for change in one.transitions if not change.muted]
    assert len(told) == 4
    assert "flapping: 4 changes in 5m" in told[-1].reason


def test_a_cooldown_mutes_people_and_never_the_alert() -> None:
    world = World("  r: {from: env, when: temp > 85, cooldown: 10m, do: [{command: stop}]}\n")
    for at in (0, 10, 20, 30):
        world.send(at, temp=90 if at % 20 == 0 else 60)
    changes = [change for one in world.decisions for change in one.transitions]
    assert [change.after.value for change in changes] == ["firing", "resolved", "firing", "resolved"]
    assert [bool(change.muted) for change in changes] == [False, False, True, True]
    assert len(world.effects()) == 2


def test_a_key_that_leaves_out_the_device_is_told_by_lint() -> None:
    files = {"r.yaml": STREAM + "  r: {from: env, by: [site], when: temp > 85, clear: temp < 70}\n"}
    assert [finding.code for finding in lint(files, load_files(files))] == ["L009"]


def test_a_dead_sensor_is_no_part_of_an_average_over_devices() -> None:
    world = World("  hot: {from: env, by: [site], across: device, fresh: 1m, min_members: 2, when: avg(temp) > 80}\n")
    world.send(0, device="dead", temp=0)
    for at in range(0, 130, 10):
        for device in ("b1", "b2"):
            world.send(at, device=device, temp=90)
    assert world.history() == ["60 hot firing"]
    world.pass_time(300)  # one by one all fall silent: an average of nobody is neither high nor low
    assert len(world.history()) == 1


def test_devices_without_end_do_not_fill_the_memory_and_those_with_an_alert_stay() -> None:
    world = World(OVERHEAT)
    world.bounds = Bounds(keys=3)
    world.restart()
    for at in (0, 10, 20, 30):
        world.send(at, device="hot", temp=90)
    for number in range(20):
        world.send(40 + number, device=f"d{number}", temp=20)
    assert world.total("keys_evicted") == 18
    assert world.engine.active_alerts()[0].key.device == "hot"


def test_above_the_limit_of_alerts_the_old_ones_stay_and_one_more_says_so() -> None:
    world = World("  hot: {from: env, when: temp > 85}\n")
    world.bounds = Bounds(episodes=2)
    world.restart()
    for number in range(5):
        world.send(number, device=f"b{number}", temp=90)
    assert world.history() == ["0 hot firing", "1 hot firing", "2 hot/overflow firing"]


def test_overlapping_sequences_give_one_match_and_not_one_of_each_combination() -> None:
    world = Building(
        "  pair: {by: [site], within: 90s, matching: every, sequence: [{first: 'door where state == \"open\"'}, "
        "{then: motion where seen}]}\n"
    )
    for at in (0, 1, 2):
        world.door(at)
    for at in (3, 4, 5):
        world.motion(at)
    assert [line for line in world.history() if "firing" in line] == ["3 pair firing"]


def test_the_time_of_a_sequence_runs_from_its_first_step() -> None:
    steps = "{first: 'door where state == \"open\"'}, {then: motion where seen}, {then: motion where seen}"
    world = Building(f"  three: {{by: [site], within: 60s, sequence: [{steps}]}}\n")
    world.door(0)
    world.motion(50)
    world.motion(61)  # 11 s after the step before it, 61 s after the first
    assert world.history() == []


def test_a_command_to_a_device_that_is_off_line_is_never_called_delivered() -> None:
    world = World(OVERHEAT + "    do: [{command: stop, expires: 5m, ack_within: 20s}]\n")
    for at in (0, 10, 20, 30):
        world.send(at, temp=90)
    (command,) = world.sent()
    world.receipt(command.id)
    world.pass_time(400)
    assert world.commands() == ["b1 stop requested", "b1 stop sent", "b1 stop timed out"]


def test_units_that_do_not_fit_are_refused_and_those_that_do_are_converted() -> None:
    with pytest.raises(RuleError, match="does not fit"):
        load_files({"r.yaml": STREAM + "  r: {from: env, when: temp > 3 bar}\n"})
    world = World("  r: {from: env, when: temp > 185 degF}\n")
    for at, temp in ((0, 84.9), (10, 85.1)):
        world.send(at, temp=temp)
    assert world.history() == ["10 r firing"]


def test_an_idempotency_key_tells_a_repeated_effect_from_a_new_one() -> None:
    world = World(OVERHEAT + "    do: [{command: stop}]\n")
    for at in (0, 10, 20, 30):
        world.send(at, temp=90)
    for at in (40, 50, 60, 70):
        world.send(at, temp=60)
    for at in (80, 90, 100, 110):
        world.send(at, temp=90)
    assert len(set(world.effects())) == len(world.effects()) == 2
