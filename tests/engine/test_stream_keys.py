"""What a stream says of its messages and of time: partial messages, the greatest gap, windows, looks at time."""

from __future__ import annotations

import pytest

from iotrules.language import load_files
from iotrules.model.inputs import Reload
from iotrules.model.times import SECOND
from tests.engine.world import START, STREAM, World

PARTIAL = STREAM.replace("    interval: 10s\n", "    interval: 10s\n    partial: true\n")


def _with(key: str, stream: str = STREAM) -> str:
    return stream.replace("    interval: 10s\n", f"    interval: 10s\n    {key}\n")


def test_a_missing_field_is_unknown_without_partial() -> None:
    world = World("  r: {from: env, when: temp > 85 and pressure > 5}\n")
    world.send(0, temp=90)
    world.send(5, pressure=6)
    assert world.history() == []


def test_a_field_that_a_message_lacks_keeps_its_newest_value() -> None:
    world = World("  r: {from: env, when: temp > 85 and pressure > 5}\n", streams=PARTIAL)
    world.send(0, temp=90)
    world.send(5, pressure=6)
    assert world.history() == ["5 r firing"]


def test_a_kept_value_is_missing_once_it_is_not_fresh() -> None:
    """Three intervals by default, the last instant included."""
    for at, expected in ((30, ["30 r firing"]), (31, [])):
        world = World("  r: {from: env, when: temp > 85 and pressure > 5}\n", streams=PARTIAL)
        world.send(0, temp=90)
        world.send(15, fan="running")
        world.send(at, pressure=6)
        assert world.history() == expected


def test_fresh_says_for_how_long_a_value_is_kept() -> None:
    world = World("  r: {from: env, when: temp > 85 and pressure > 5}\n", streams=_with("fresh: 5s", PARTIAL))
    world.send(0, temp=90)
    world.send(6, pressure=6)
    assert world.history() == []


def test_a_hold_stands_still_from_when_a_kept_value_is_not_fresh_any_more() -> None:
    """Unknown from 15 s on, known again at 25 s: ten seconds do not count."""
    stream = _with("fresh: 15s", PARTIAL)
    world = World("  r: {from: env, when: temp > 85 and pressure > 5, for: 20s}\n", streams=stream)
    world.send(0, temp=90, pressure=6)
    for at in (5, 10, 20):
        world.send(at, pressure=6)
    world.send(25, temp=90, pressure=6)
    world.pass_time(35)
    world.pass_time(60)
    assert world.history()[:2] == ["0 r pending", "30 r firing"]


def test_null_says_that_there_is_no_value_and_nothing_is_kept() -> None:
    """A missing key, null and an empty text are three different things."""
    world = World("  r: {from: env, when: temp > 85 and pressure > 5}\n", streams=PARTIAL)
    world.send(0, temp=90)
    world.send(5, temp=None)
    world.send(10, pressure=6)
    assert world.history() == []


def test_a_value_that_can_not_be_used_is_missing_not_what_it_was() -> None:
    world = World("  r: {from: env, when: temp > 85 and pressure > 5}\n", streams=PARTIAL)
    world.send(0, temp=90)
    assert world.send(5, temp="hot", pressure=6).counts["bad_values", "env.temp: wrong type"] == 1
    assert world.history() == []


@pytest.mark.parametrize(
    ("condition", "fires"),
    [
        ("has(temp) and pressure > 5", False),
        ("not has(temp) and pressure > 5", True),
        ("age(temp) >= 5 and pressure > 5", True),
        ("count(temp, 1m) >= 2", False),
        ("count(pressure, 1m) == 1", True),
        ("avg(temp, 1m) == 90 and temp == 90 and pressure > 5", True),
    ],
)
def test_has_age_and_windows_take_only_values_that_came(condition: str, fires: bool) -> None:
    world = World(f"  r: {{from: env, when: '{condition}'}}\n", streams=PARTIAL)
    world.send(0, temp=90)
    world.send(5, pressure=6)
    assert ("5 r firing" in world.history()) is fires


def test_a_reading_holds_what_the_message_held() -> None:
    world = World("  r: {from: env, when: temp > 85}\n", streams=PARTIAL)
    world.send(0, temp=60)
    assert world.send(5, pressure=6).readings[0].values == {"pressure": 6.0}


@pytest.mark.parametrize("restart_every", [None, 1])
def test_kept_values_and_their_times_outlast_a_restart(restart_every: int | None) -> None:
    world = World(
        "  r: {from: env, when: temp > 85 and pressure > 5, summary: '{temp} {pressure}'}\n",
        streams=PARTIAL,
        restart_every=restart_every,
    )
    world.send(0, temp=90)
    world.send(20, fan="running")
    world.send(29, pressure=6)
    world.send(31, pressure=7)
    assert world.history() == ["29 r firing"]
    assert world.decisions[-2].transitions[0].summary == "90 6"


def test_values_that_are_kept_end_with_partial() -> None:
    world = World("  r: {from: env, when: temp > 85 and pressure > 5}\n", streams=PARTIAL)
    world.send(0, temp=90)
    world.put(Reload({"r.yaml": STREAM + "  r: {from: env, when: temp > 85 and pressure > 5}\n"}))
    world.send(5, pressure=6)
    assert world.history() == []


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("stream", "rule", "expected"),
    [
        (STREAM, "for: 50s", ["0 r pending", "30 r inactive", "40 r pending"]),
        (_with("max_gap: 45s"), "for: 50s", ["0 r pending", "50 r firing"]),
        (_with("max_gap: 5s"), "for: 50s", ["0 r pending", "5 r inactive", "40 r pending"]),
        (_with("max_gap: 5s"), "for: 50s, max_gap: 1m", ["0 r pending", "50 r firing"]),
        (STREAM, "for: 50s, max_gap: 39s", ["0 r pending", "39 r inactive", "40 r pending"]),
    ],
)
def test_max_gap_says_which_silence_breaks_a_hold(fused: bool, stream: str, rule: str, expected: list[str]) -> None:
    world = World(f"  r: {{from: env, when: temp > 85, {rule}}}\n", streams=stream, fused=fused)
    world.send(0, temp=90)
    world.send(40, temp=90)
    world.pass_time(51)
    assert [line for line in world.history() if float(line.split()[0]) <= 50][: len(expected)] == expected


@pytest.mark.parametrize("fused", [True, False])
def test_a_window_holds_at_most_max_samples_and_is_unknown_with_more(fused: bool) -> None:
    world = World("  r: {from: env, when: 'count(temp, 10m) >= 3'}\n", streams=_with("max_samples: 3"), fused=fused)
    for at in (0, 1, 2):
        world.send(at, temp=90)
    assert world.history() == ["2 r firing"]
    world.send(3, temp=90)
    assert (world.total("window_overflow"), world.total("unknown")) == (1, 1)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("stream", "rule", "seconds"),
    [
        (STREAM, "", 101.667),
        (_with("every: 7s"), "", 105),
        (_with("every: 7s"), ", every: 40s", 120),
        (STREAM, ", every: 30s", 120),
    ],
)
def test_every_says_how_often_time_is_looked_at(fused: bool, stream: str, rule: str, seconds: float) -> None:
    world = World(f"  r: {{from: env, when: age(temp) > 100{rule}}}\n", streams=stream, fused=fused)
    world.send(0, temp=90)
    world.pass_time(200)
    assert world.history() == [f"{seconds} r firing"]


def _meaning(stream: str, rule: str = "") -> str:
    body = f"  r: {{from: env, when: 'avg(temp, 1m) > 85', for: 1m{rule}}}\n"
    return load_files({"r.yaml": stream + body}).rules["r"].meaning


@pytest.mark.parametrize("key", ["partial: true", "max_samples: 50", "max_gap: 40s", "every: 5s"])
def test_keys_that_decide_belong_to_the_meaning_of_a_rule(key: str) -> None:
    assert _meaning(_with(key)) != _meaning(STREAM)


def test_what_a_rule_says_itself_means_what_its_stream_would_say() -> None:
    assert _meaning(STREAM, ", max_gap: 40s, every: 5s") == _meaning(_with("max_gap: 40s", _with("every: 5s")))
    assert _meaning(_with("max_gap: 9s"), ", max_gap: 40s") == _meaning(_with("max_gap: 40s"))
    assert _meaning(STREAM.replace("ahead: 10s", "late: 1m, ahead: 10s")) == _meaning(STREAM)


def test_a_rule_is_not_looked_at_after_its_last_message_has_left_its_windows() -> None:
    world = World("  r: {from: env, when: 'avg(temp, 10s) > 100'}\n", streams=_with("every: 3s"))
    world.send(0, temp=60)
    world.pass_time(1000)
    assert world.engine.wake_at is None
    assert world.now == START + 1000 * SECOND
