"""Sequences over several streams: steps in order within a time, and what must not come around them."""

from __future__ import annotations

import pytest

from iotrules.model.times import SECOND
from tests.engine.building import ENTRY, PAIR, Building
from tests.engine.world import START


def test_a_then_b_without_c_around_it_fires_when_the_time_is_over_without_a_further_message() -> None:
    world = Building(ENTRY)
    world.door(0, device="north")
    world.motion(5, device="m7")
    assert world.history() == []
    world.pass_time(91)
    (fired,) = world.transitions()
    assert world.history() == ["90 entry firing"]
    assert fired.summary == "north opened on A, seen by m7"
    assert fired.reason == ('door: state "open" == "open", 5s later motion: seen is true, without badge where granted')
    assert fired.evidence.condition.endswith("then motion where seen, without badge where granted, within 1m30s")
    assert dict(fired.evidence.values) == {
        "seen": True, "door.device": "north", "door.state": "open", "door.age": 5.0, "motion.device": "m7",
        "motion.age": 0.0,
    }  # fmt: skip
    assert fired.evidence.sample_time == START + 5 * SECOND


@pytest.mark.parametrize("badge", [-61, -60, -1, 0, 3, 5, 6, 90, 91])
def test_what_must_not_come_is_looked_for_before_between_and_until_the_end(badge: int) -> None:
    world = Building(ENTRY)
    events = [(0, world.door), (5, world.motion), (badge, world.badge)]
    for at, send in sorted(events, key=lambda event: event[0]):
        send(100 + at)
    world.pass_time(300)
    fires = badge in (-61, 91)
    assert world.history() == (["190 entry firing", "280 entry resolved"] if fires else [])


def test_without_between_two_steps_forbids_it_only_there() -> None:
    rules = PAIR.replace("      - then", "      - without: badge where granted\n      - then")
    for badges, fires in (((), True), ((2,), False), ((0,), False), ((4,), False), ((5,), True), ((-1, 6), True)):
        world = Building(rules)
        for at, send in sorted(
            [(0, world.door), (5, world.motion), *((at, world.badge) for at in badges)], key=lambda e: e[0]
        ):
            send(10 + at)
        assert bool(world.history()) is fires, badges


def test_a_step_in_the_wrong_order_or_too_late_is_none() -> None:
    world = Building(PAIR)
    world.motion(0)
    world.door(1)
    world.motion(31.001)
    assert world.history() == []
    world.door(40)
    world.motion(70)
    assert world.history() == ["70 pair firing"]


def test_a_message_at_the_very_end_of_within_comes_before_the_timer() -> None:
    world = Building(ENTRY)
    world.door(0)
    world.motion(90)
    world.badge(90)
    world.pass_time(200)
    assert world.history() == []


MATCHING = {
    "newest": ["35 pair firing"],
    "first": [],
    "every": ["35 pair firing"],
}


@pytest.mark.parametrize("matching", MATCHING)
def test_a_new_first_step_replaces_the_waiting_one_or_not(matching: str) -> None:
    world = Building(PAIR + f"    matching: {matching}\n")
    world.door(0, device="old")
    world.door(20, device="new")
    world.motion(35)
    assert world.history() == MATCHING[matching]


@pytest.mark.parametrize(("matching", "device"), [("newest", "new"), ("first", "old"), ("every", "old")])
def test_which_first_step_a_match_is_told_with(matching: str, device: str) -> None:
    world = Building(PAIR + f"    matching: {matching}\n    summary: '{{door.device}}'\n")
    world.door(0, device="old")
    world.door(2, device="new")
    world.motion(5)
    assert [change.summary for change in world.transitions()] == [device]
    world.motion(6)
    assert world.total("sequence_repeated") == 0  # what shared a message with the match ended with it


def test_overlapping_runs_make_one_match() -> None:
    """Trap: sequence contiguity and overlap; others make a match of every combination."""
    world = Building(PAIR + "    matching: every\n")
    for at in range(10):
        world.door(at)
    for at in range(10, 20):
        world.motion(at)
    world.pass_time(20)
    assert world.history() == ["10 pair firing"]
    assert world.total("sequence_repeated") == 0


def test_open_runs_are_bounded_and_the_oldest_is_evicted_and_counted() -> None:
    world = Building(PAIR + "    matching: every\n    summary: '{door.device}'\n")
    for index in range(70):
        world.door(index * 0.1, device=f"d{index}")
    assert world.total("sequence_evicted") == 6
    world.motion(8)
    assert world.transitions()[0].summary == "d6"


def test_within_counts_from_the_first_step() -> None:
    """Trap: within from the first step, not between steps."""
    rules = PAIR.replace("    within", "      - then: badge where granted\n    within")
    for badge, fires in ((30, True), (30.001, False)):
        world = Building(rules)
        world.door(0)
        world.motion(20)
        world.badge(badge)
        assert bool(world.history()) is fires


def test_a_run_that_has_all_its_steps_is_not_put_off_by_a_new_first_step() -> None:
    world = Building(ENTRY)
    for at in range(0, 200, 40):
        world.door(at)
        world.motion(at + 1)
    assert world.history()[0] == "90 entry firing"


def test_late_is_older_than_the_newest_message_that_counted() -> None:
    """Streams have clocks of their own."""
    world = Building(PAIR)
    world.door(10)
    world.motion(9, lag=2)
    assert (world.history(), world.total("sequence_late")) == ([], 1)
    world.motion(12)
    assert world.history() == ["12 pair firing"]


def test_what_is_older_than_a_deadline_that_has_passed_is_late() -> None:
    world = Building(ENTRY)
    world.door(0)
    world.motion(5)
    world.badge(85, lag=10)
    assert (world.history(), world.total("sequence_late")) == (["90 entry firing"], 1)


def test_a_message_that_is_no_step_makes_nothing_late() -> None:
    world = Building(PAIR)
    world.motion(5)  # no door is open
    world.door(20, state="closed")
    world.door(2, device="d2", lag=20)
    world.motion(6, device="m2", lag=17)
    assert (world.history(), world.total("sequence_late")) == (["6 pair firing"], 0)


def test_a_sensor_whose_clock_is_ahead_does_not_end_the_time_early() -> None:
    world = Building(ENTRY)
    world.door(0)
    world.motion(1)
    world.motion(95, lag=-7)
    world.badge(89)
    world.pass_time(200)
    assert (world.history(), world.total("sequence_late")) == ([], 0)


def test_a_message_that_counts_lets_the_time_before_it_pass_also_when_all_come_at_once() -> None:
    """Trap: a recording that is played in at once, before any timer."""
    world = Building(ENTRY)
    world.pass_time(1000)
    for at, send in ((0, world.door), (5, world.motion), (300, world.door), (301, world.motion), (302, world.badge)):
        send(at, lag=1000 - at)
    assert world.history() == ["90 entry firing", "180 entry resolved"]


def test_keys_are_apart() -> None:
    world = Building(PAIR)
    world.door(0, site="A")
    world.motion(1, site="B")
    assert world.history() == []
    world.motion(2, site="A")
    assert [change.key.text for change in world.transitions()] == ['{"site":"A"}']


def test_unknown_never_fires() -> None:
    """Trap: a missing value is neither a step, nor a proof that what must not come did not come."""
    world = Building(PAIR)
    world.door(0, state=None)
    world.motion(1)
    assert world.history() == []
    assert world.total("unknown") == 1
    for missing, fires in (("hold", False), ("false", True), ("true", False), ("error", False)):
        world = Building(ENTRY + f"    missing: {missing}\n")
        world.door(0)
        world.motion(1)
        world.badge(2, granted=None)
        world.pass_time(100)
        assert any(" entry firing" in line for line in world.history()) is fires, missing
        assert world.total("rule_errors") == (missing == "error")
    world = Building(PAIR + "    missing: 'true'\n")
    world.door(0, state=None)
    world.motion(1)
    assert world.history() == ["1 pair firing"]


def test_one_stream_keeps_all_captures_and_the_clock_of_the_message() -> None:
    rules = """
  ajar:
    sequence:
      - first: {stream: door, where: 'state == "open" and hour("UTC") >= 14 and device != "x"', as: opened}
      - without: door where state == "closed"
    within: 60s
    summary: "{opened.device} {held}"
"""
    world = Building(rules)
    world.door(0, device="x")
    world.door(1, device="d1")
    world.door(2, device="d2")
    world.door(60, device="d2", state="closed")
    world.pass_time(100)
    assert [(change.key.device, change.summary) for change in world.transitions()] == [("d1", "d1 1m")]
