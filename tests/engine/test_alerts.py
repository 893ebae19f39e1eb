"""Timelines: what samples and time do to an alert."""

from __future__ import annotations

import json

import pytest

from iotrules.model.decisions import AlertState
from iotrules.model.inputs import Arrival, Messages
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine.world import OVERHEAT, START, World


def test_a_condition_held_for_long_enough_goes_through_pending_to_firing() -> None:
    world = World(OVERHEAT)
    for at in range(0, 50, 10):
        world.send(at, temp=90)
    assert world.history() == ["0 overheat pending", "30 overheat firing"]


def test_a_dip_inside_the_hold_starts_it_again_and_says_so() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=90)
    world.send(10, temp=90)
    dropped = world.send(20, temp=79).transitions[0]
    world.send(30, temp=90)
    assert dropped.after is AlertState.INACTIVE
    assert dropped.reason == "temp 79 is not > 85"
    assert world.history()[-1] == "30 overheat pending"


def test_the_hold_ends_between_two_samples_when_time_passes() -> None:
    world = World(OVERHEAT)
    for at in (0, 9, 18, 27):
        world.send(at, temp=90)
    world.pass_time(31)
    assert world.history() == ["0 overheat pending", "30 overheat firing"]


def test_a_gap_longer_than_three_intervals_breaks_the_hold() -> None:
    world = World(OVERHEAT.replace("for: 30s", "for: 2m"))
    world.send(0, temp=90)
    world.pass_time(200)
    assert world.history()[0] == "0 overheat pending"
    assert world.history()[1].endswith("overheat inactive")
    assert "no sample for 30s" in world.decisions[-1].transitions[0].reason


def test_unknown_freezes_the_hold_and_neither_fires_nor_clears() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=90)
    world.send(10, temp=90)
    world.send(20, temp=None)
    world.send(30, temp=None)
    world.send(40, temp=90)
    assert world.history() == ["0 overheat pending"]
    world.send(50, temp=90)  # 20 s up to the unknown stretch, 10 s after it
    assert world.history()[-1] == "50 overheat firing"
    for at in range(60, 150, 10):
        world.send(at, temp=None)
    assert world.history()[-1] == "50 overheat firing"
    assert world.total("unknown") >= 10


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("hold", ["0 overheat pending"]),
        ("false", ["0 overheat pending", "10 overheat inactive"]),
        ("true", ["0 overheat pending", "30 overheat firing"]),
    ],
)
def test_missing_says_what_unknown_does(policy: str, expected: list[str]) -> None:
    world = World(OVERHEAT + f"    missing: {policy}\n")
    world.send(0, temp=90)
    for at in (10, 20, 30, 40):
        world.send(at, temp=None)
    assert world.history() == expected


def test_clear_is_hysteresis_with_a_hold_of_its_own() -> None:
    world = World(OVERHEAT)
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    for at, temp in ((40, 80), (50, 69), (60, 71), (70, 69), (80, 69), (90, 69)):
        world.send(at, temp=temp)
    assert world.history() == ["0 overheat pending", "30 overheat firing", "90 overheat resolved"]


def test_an_episode_is_named_by_the_input_that_opened_it_and_never_used_twice() -> None:
    world = World(OVERHEAT.replace("for: 30s", "for: 0s").replace("clear: {when: temp < 70, for: 20s}", ""))
    episodes = []
    for at, temp in ((0, 90), (10, 60), (20, 91), (30, 60)):
        episodes += [change.episode for change in world.send(at, temp=temp).transitions]
    assert world.history() == [
        "0 overheat firing",
        "10 overheat resolved",
        "20 overheat firing",
        "30 overheat resolved",
    ]
    assert episodes[0] == episodes[1]
    assert episodes[2] == episodes[3] > episodes[0]


def test_two_episodes_in_one_batch_have_two_names() -> None:
    world = World(OVERHEAT.replace("for: 30s", "for: 0s").replace("clear: {when: temp < 70, for: 20s}", ""))
    arrivals = []
    for at, temp in ((0, 90), (10, 60), (20, 91), (30, 60)):
        body = {"ts": START // MILLISECOND + at * 1000, "boot": "x", "seq": at, "temp": temp}
        arrivals.append(Arrival("site/A/dev/b1/env", json.dumps(body).encode(), START + at * SECOND))
    episodes = [change.episode for change in world.put(Messages(tuple(arrivals))).transitions]
    assert len(episodes) == 4
    assert episodes[0] == episodes[1] != episodes[2] == episodes[3]


def test_keys_do_not_mix() -> None:
    world = World(OVERHEAT)
    for at in range(0, 40, 10):
        world.send(at, device="b1", temp=90)
        world.send(at + 1, device="b2", temp=60)
    assert {str(change.key) for d in world.decisions for change in d.transitions} == {"site=A device=b1"}


def test_an_average_is_re_evaluated_when_time_lets_samples_go() -> None:
    world = World("  warm:\n    from: env\n    when: avg(temp, 30s) > 80\n    severity: major\n")
    world.send(0, temp=100)
    world.send(20, temp=70)  # average 85 until the first sample leaves at 30 s
    world.pass_time(45)
    assert world.history() == ["0 warm firing", "30 warm resolved"]


def test_thin_data_is_unknown_not_false() -> None:
    world = World("  warm:\n    from: env\n    when: avg(temp, 1m, min_samples=3) > 80\n")
    world.send(0, temp=90)
    world.send(10, temp=90)
    assert world.history() == []
    assert world.total("unknown") >= 2
    world.send(20, temp=90)
    assert world.history() == ["20 warm firing"]


def test_a_window_alert_ends_when_silence_empties_the_window() -> None:
    world = World("  busy:\n    from: env\n    when: count(temp, 1m) > 3\n")
    for at in range(0, 50, 10):
        world.send(at, temp=60)
    world.pass_time(300)
    assert world.history() == ["30 busy firing", "70 busy resolved"]


def test_a_tick_that_nobody_recorded_changes_nothing() -> None:
    seen = []
    for tick in (True, False):
        world = World("  busy:\n    from: env\n    when: count(temp, 10s) >= 3\n")
        world.send(2.5, temp=60)
        world.send(3, temp=60)
        if tick:
            world.pass_time(13)
        world.seq += 1
        world.now = START + 14 * SECOND
        body = {"ts": START // MILLISECOND + 12_000, "boot": "x", "seq": world.seq, "temp": 60}
        world.raw("site/A/dev/b1/env", json.dumps(body).encode())
        seen.append(world.history())
    assert seen[0] == seen[1]


def test_a_glitch_does_not_spoil_the_average_after_it_has_left() -> None:
    world = World("  cold:\n    from: env\n    when: avg(pressure, 1m) < 5\n")
    world.send(0, pressure=1e18)
    for at in range(10, 200, 10):
        world.send(at, pressure=20.1)
    assert world.history() == []


def test_the_slope_is_per_unit_of_time_whatever_unit_the_author_chose() -> None:
    world = World("  leak:\n    from: env\n    when: slope(pressure, 1m, min_samples=3) < -0.5 bar/min\n")
    for index in range(6):
        world.send(index * 10, pressure=6 - 0.05 * index)  # 0.3 bar a minute
    assert world.history() == []
    for index in range(6, 14):
        world.send(index * 10, pressure=6 - 0.2 * index)
    assert world.history()[0].endswith("leak firing")


def test_silence_fires_when_time_passes_and_ends_with_the_next_message() -> None:
    world = World("  silent:\n    absent: env\n    for: 3 * interval\n")
    world.send(0, temp=20)
    world.send(10, temp=20)
    world.pass_time(60)
    assert world.history() == ["40 silent firing"]
    world.send(70, temp=20)
    assert world.history() == ["40 silent firing", "70 silent resolved"]


def test_a_device_that_is_not_expected_any_more_is_let_go() -> None:
    world = World("  silent:\n    absent: env\n    for: 30s\n    expect: seen_within 5m\n")
    world.send(0, temp=20)
    world.pass_time(1000)
    assert world.history() == ["30 silent firing", "300 silent resolved"]


def test_a_device_with_a_clock_of_years_ago_is_treated_like_any_other() -> None:
    world = World(OVERHEAT)
    years = -10 * 365 * 86_400
    for at in range(0, 30, 10):
        world.send(at + years, lag=-years, temp=90)
        assert not world.decisions[-1].counts.get(("late", "env"))
    world.pass_time(31)
    assert world.history() == [f"{years:g} overheat pending", f"{years + 30:g} overheat firing"]


def test_a_timer_due_before_a_sample_fires_before_it() -> None:
    world = World(OVERHEAT)
    for at in (0, 10, 20, 29):
        world.send(at, temp=90)
    world.raw("site/A/dev/b1/env", b'{"ts": %d, "boot": "x", "seq": 99, "temp": 20}' % ((world.now // 10**6) + 2000))
    assert world.history() == ["0 overheat pending", "30 overheat firing"]


def test_division_by_zero_is_unknown_and_counted_not_false() -> None:
    world = World("  ratio:\n    from: env\n    when: not (temp / pressure > 1)\n")
    world.send(0, temp=1, pressure=0)
    assert world.history() == ["0 ratio/failed firing"]
    assert world.total("rule_errors") == 1


def test_alert_false_raises_nothing_but_still_acts() -> None:
    world = World(OVERHEAT + "    alert: false\n    do:\n      - command: shutdown\n")
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    assert world.history() == []
    assert len(world.effects()) == 1
    assert world.engine.active_alerts() == []
    assert [change.after.value for decision in world.decisions for change in decision.quiet] == ["pending", "firing"]


def test_dry_run_shows_the_alert_and_acts_not() -> None:
    for world in (
        World(OVERHEAT + "    dry_run: true\n    do:\n      - command: shutdown\n"),
        World(OVERHEAT + "    do:\n      - command: shutdown\n", dry_run=True),
    ):
        for at in range(0, 40, 10):
            world.send(at, temp=90)
        assert world.history()[-1] == "30 overheat firing"
        assert world.effects() == []
        assert world.total("dry_run_effects") == 1
