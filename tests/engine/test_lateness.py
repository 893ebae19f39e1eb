"""Samples wait for older ones: any order of arrival within `late` has the same outcome."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.lateness import MAX_HELD
from iotrules.model.decisions import Decision
from iotrules.model.inputs import Arrival, Messages, Reload
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine import world as worlds
from tests.engine.world import OVERHEAT, START, World

STREAM = worlds.STREAM.replace("    interval", "    gaps: ignore\n    interval")  # one count for all, in any order
LATE = STREAM.replace("ahead: 10s}", "ahead: 10s, late: 30s}")
NO_ID = LATE.replace("    id: [boot, seq]\n", "")
RULES = (
    OVERHEAT
    + """
    do: [{command: shutdown}, {at: resolved, command: restart}]
  warm: {from: env, when: "avg(temp, 45s) > 80", clear: "avg(temp, 45s) < 75", for: 15s}
  moved: {from: env, when: "abs(delta(temp)) > 15 or streak(temp > 80) >= 3", missing: "false"}
  ladder:
    from: env
    levels: {minor: {when: temp > 70, for: 10s}, critical: {when: temp > 90, for: 2 * interval}}
  quiet: {from: env, when: "age(pressure) > 20", for: 5s}
  silent: {absent: env, for: 40s}
"""
)

_sample = st.tuples(
    st.integers(0, 25),  # seconds after the one before
    st.sampled_from(["b1", "b1", "b2"]),
    st.one_of(st.none(), st.integers(60, 100)),
    st.one_of(st.none(), st.integers(0, 8)),
    st.integers(0, 30),  # how long it is under way, seconds
    st.booleans(),  # is it delivered twice?
)
_feed = st.lists(_sample, max_size=20)


def _body(at: float, seq: int, **values: Any) -> bytes:
    measured = (START + round(at * SECOND)) // MILLISECOND
    return json.dumps({"ts": measured, "boot": "x", "seq": seq} | values).encode()


def _play(feed: list[tuple[Any, ...]], *, delayed: bool, twice: bool = False, **options: Any) -> World:
    world = World(RULES, **options)
    at, sent = 0, []
    for seq, (gap, device, temp, pressure, delay, again) in enumerate(feed):
        at += gap
        body = _body(at, seq, temp=temp, pressure=pressure)
        sent.append((at + delay * delayed, f"site/A/dev/{device}/env", body))
        if twice and again:
            sent.append((at + 30, f"site/A/dev/{device}/env", body))
    for arrives, topic, body in sorted(sent, key=lambda one: one[0]):
        world.pass_time(arrives)
        world.raw(topic, body)
    world.pass_time(at + 1500)  # beyond the last that time alone changes, however late it is seen
    return world


def _moves(world: World) -> dict[Any, list[Any]]:
    """For each rule and key what became of its alert, in event time."""
    found = defaultdict(list)
    for decision in world.decisions:
        for change in decision.transitions:
            told = (change.at, change.before, change.after, change.severity, change.reason, change.summary)
            found[change.rule, change.key].append(told)
    return found


@pytest.mark.parametrize("stream", [LATE, NO_ID, LATE.replace("    interval: 10s\n", "")])
@settings(max_examples=40, deadline=None)
@given(_feed)
def test_any_order_of_arrival_within_late_has_the_same_outcome(stream: str, feed: Any) -> None:
    in_order, mixed = _play(feed, delayed=False, streams=stream), _play(feed, delayed=True, twice=True, streams=stream)
    assert _moves(mixed) == _moves(in_order)
    assert mixed.total("late") == 0
    assert mixed.total("applied") == in_order.total("applied")


@settings(max_examples=20, deadline=None)
@given(st.lists(_sample, max_size=12), st.integers(2, 9))
def test_a_restart_with_samples_waiting_changes_nothing(feed: Any, every: int) -> None:
    whole, torn = _play(feed, delayed=True, streams=LATE), _play(feed, delayed=True, streams=LATE, restart_every=every)
    assert _moves(torn) == _moves(whole)
    assert torn.effects() == whole.effects()
    assert _told(torn) == _told(whole)


@settings(max_examples=40, deadline=None)
@given(_feed)
def test_waiting_decides_in_event_time_what_deciding_at_once_would(feed: Any) -> None:
    at_once, waited = _play(feed, delayed=False, streams=STREAM), _play(feed, delayed=False, streams=LATE)
    assert _moves(waited) == _moves(at_once)


def _told(world: World) -> list[Any]:
    return [decision.transitions for decision in world.decisions if decision.transitions]


def test_a_sample_waits_until_the_newest_is_late_newer() -> None:
    world = World(OVERHEAT, streams=LATE)
    topic = "site/A/dev/b1/env"
    world.now += 40 * SECOND
    assert world.raw(topic, _body(0, 1, temp=90)).counts == {("received", ""): 1, ("waiting", "env"): 1}
    assert world.raw(topic, _body(30, 2, temp=90)).readings == []
    assert [reading.at for reading in world.raw(topic, _body(30.001, 3, temp=90)).readings] == [START]


def test_samples_come_out_in_the_order_in_which_they_were_measured() -> None:
    world = World(OVERHEAT, streams=LATE)
    world.pass_time(51)
    for at in (20, 0, 10):
        world.raw("site/A/dev/b1/env", _body(at, at + 1, temp=90))
    released = world.raw("site/A/dev/b1/env", _body(51, 99, temp=90)).readings
    assert [(reading.at - START) // SECOND for reading in released] == [0, 10, 20]


def test_silence_lets_samples_go_by_our_clock_and_a_hold_ends_late_behind() -> None:
    world = World("  hot: {from: env, when: temp > 85, for: 15s}\n", streams=LATE)
    world.send(0, temp=90)
    world.send(10, temp=90)
    world.pass_time(100)
    assert world.history() == ["0 hot pending", "15 hot firing"]
    assert [change.decided for d in world.decisions for change in d.transitions] == [
        START + 30 * SECOND + 1,
        START + 45 * SECOND + 1,
    ]


def test_later_than_lateness_is_dropped_and_counted() -> None:
    world = World(OVERHEAT, streams=LATE)
    world.send(0, temp=60)
    world.send(60, temp=60)
    late = world.raw("site/A/dev/b1/env", _body(29.999, 98, temp=99))
    assert (late.counts[("late", "env")], late.transitions) == (1, [])
    assert ("late", "env") not in world.raw("site/A/dev/b1/env", _body(30, 99, temp=99)).counts


def test_batch_uploads_after_an_outage_are_taken_in_event_order_not_dropped() -> None:
    """The device was cut off for ten minutes; the watermark had gone on by our clock."""
    world = World(OVERHEAT, streams=LATE)
    world.send(0, temp=90)
    world.pass_time(600)
    for at in (10, 30, 20, 40, 50):
        world.raw("site/A/dev/b1/env", _body(at, at + 1, temp=90))
    world.pass_time(700)
    assert (world.total("late"), world.total("applied")) == (0, 6)
    assert "30 overheat firing" in world.history()


def test_out_of_order_samples_do_not_break_a_hold() -> None:
    """In the order of arrival the dip at 10 s would come after the one at 30 s, and end a hold that it never broke."""
    world = World("  hot: {from: env, when: temp > 85, for: 20s}\n", streams=LATE)
    world.pass_time(45)
    for at, temp in ((30, 90), (40, 90), (10, 60), (20, 90), (50, 90)):
        world.raw("site/A/dev/b1/env", _body(at, at + 1, temp=temp))
    world.pass_time(200)
    assert world.history()[:2] == ["20 hot pending", "40 hot firing"]


def test_one_dead_device_stalls_no_other() -> None:
    world = World("  hot: {from: env, when: temp > 85}\n", streams=LATE)
    world.send(0, device="dead", temp=60)
    for at in range(0, 50, 10):
        world.send(at, device="b1", temp=90)
    assert world.history() == ["0 hot firing"]


def test_a_future_timestamp_does_not_move_the_watermark() -> None:
    world = World(OVERHEAT, streams=LATE)
    world.send(0, temp=60)
    world.raw("site/A/dev/b1/env", _body(3600, 50, temp=60))
    assert world.total("clock_ahead") == 1
    assert ("late", "env") not in world.send(10, temp=60).counts


def test_a_duplicate_of_a_sample_that_waits_is_dropped() -> None:
    world = World(OVERHEAT, streams=NO_ID)
    body = _body(0, 1, temp=60)
    world.raw("site/A/dev/b1/env", body)
    assert world.raw("site/A/dev/b1/env", body).counts[("duplicate", "env")] == 1


def test_more_samples_than_can_wait_leave_early_the_oldest_first_and_are_counted() -> None:
    world = World(OVERHEAT, streams=LATE)
    topic = "site/A/dev/b1/env"
    bodies = [_body(seq / 1000, seq, temp=60) for seq in range(MAX_HELD + 3)]
    decision = world.put(Messages(tuple(Arrival(topic, body, world.now) for body in bodies)))
    assert decision.counts[("released_early", "env")] == 3
    assert [reading.at - START for reading in decision.readings] == [0, MILLISECOND, 2 * MILLISECOND]
    assert world.raw(topic, _body(0.001, 5000, temp=60)).counts[("late", "env")] == 1


def _reload(world: World, stream: str) -> Decision:
    return world.put(Reload({"rules.yaml": stream + OVERHEAT}))


def test_a_shorter_lateness_lets_samples_go_and_keeps_the_state_of_rules() -> None:
    world = World(OVERHEAT, streams=LATE)
    for at in (0, 10, 20, 30, 40, 50):
        world.send(at, temp=90)
    assert _reload(world, LATE.replace("late: 30s", "late: 5s")).transitions[0].at == START + 30 * SECOND
    assert world.history() == ["0 overheat pending", "30 overheat firing"]
    assert len(_reload(world, STREAM).readings) == 1


@pytest.mark.parametrize(("late", "fires_at"), [("late: 30s", 60), ("late: 5s", 35), ("late: 1m", 90)])
def test_time_goes_on_as_far_behind_as_is_said_now(late: str, fires_at: int) -> None:
    world = World("  hot: {from: env, when: temp > 85, for: 30s}\n", streams=LATE)
    world.send(0, temp=90)
    world.pass_time(31)
    world.put(Reload({"r.yaml": LATE.replace("late: 30s", late) + "  hot: {from: env, when: temp > 85, for: 30s}\n"}))
    world.pass_time(100)
    assert world.history() == ["0 hot pending", "30 hot firing"]
    (fired,) = world.decisions[-1].transitions
    assert fired.decided == START + fires_at * SECOND + 1


def test_a_longer_lateness_does_not_take_what_is_older_than_what_was_decided_on() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=60)
    world.send(20, temp=60)
    _reload(world, LATE)
    assert world.raw("site/A/dev/b1/env", _body(10, 77, temp=90)).counts[("late", "env")] == 1
    assert ("late", "env") not in world.send(25, temp=60).counts


def test_a_message_without_a_usable_time_takes_the_device_s_own_clock_and_its_turn() -> None:
    world = World(OVERHEAT, streams=LATE)
    world.send(0, temp=60)
    world.pass_time(10)
    world.raw("site/A/dev/b1/env", b'{"ts": null, "boot": "x", "seq": 77, "temp": 60}')
    world.pass_time(100)
    assert [reading.at - START for d in world.decisions for reading in d.readings] == [0, 10 * SECOND]


DOORS = """
streams:
  door: {topic: "{site}/door", time: {field: ts, format: unix_ms, late: 30s}, fields: {open: {type: flag}}}
  badge: {topic: "{site}/badge", time: {field: ts, format: unix_ms, late: 30s}, fields: {granted: {type: flag}}}
rules:
  unbadged:
    by: [site]
    sequence: [first: door where open, without: badge where granted]
    within: 30s
"""


@pytest.mark.parametrize(("under_way", "expected"), [(0, []), (29, []), (None, ["30 unbadged firing"])])
def test_the_deadline_of_a_sequence_waits_for_messages_that_are_on_their_way(
    under_way: int | None, expected: list[str]
) -> None:
    world = World("", streams=DOORS)
    world.raw("A/door", json.dumps({"ts": START // MILLISECOND, "open": True}).encode())
    if under_way is not None:
        world.pass_time(25 + under_way)
        body = {"ts": (START + 25 * SECOND) // MILLISECOND, "granted": True}
        world.raw("A/badge", json.dumps(body).encode())
    world.pass_time(100)
    assert world.history()[:1] == expected
