"""Numbers that a device's count lacks: waited for, then missing, counted once, told of for the stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.gaps import MAX_HOLES, MOST_AT_ONCE, REORDERED
from iotrules.engine.stream_alerts import QUIET
from iotrules.model.inputs import Reload, Shed
from iotrules.model.times import SECOND
from tests.engine.world import START, STREAM, World

COOL = "  cool: {from: env, when: temp > 1000}\n"
WAIT = REORDERED // SECOND
LATE = STREAM.replace("ahead: 10s}", "ahead: 10s, late: 30s}")


def _send(world: World, at: float, seq: int, device: str = "b1", boot: str = "x", measured: float | None = None) -> Any:
    world.pass_time(at)
    stamp = (START + round((at if measured is None else measured) * SECOND)) // 10**6
    body = json.dumps({"ts": stamp, "boot": boot, "seq": seq, "temp": 20})
    return world.raw(f"site/A/dev/{device}/env", body.encode())


def _summary(world: World) -> str:
    return [change.summary for one in world.decisions for change in one.transitions if change.rule == "env/gap"][-1]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("restart_every", [None, 1])
def test_a_number_that_never_comes_is_missing_and_the_alert_ends_by_itself(
    fused: bool, restart_every: int | None
) -> None:
    world = World(COOL, fused=fused, restart_every=restart_every)
    for at, seq in enumerate((1, 2, 5, 6, 7, 8)):
        _send(world, at, seq)
    assert world.total("messages_missing") == 0, "they may still come"
    world.pass_time(2 + WAIT + 1)
    assert world.total("messages_missing") == 2
    assert world.history() == [f"{2 + WAIT} env/gap firing"]
    assert _summary(world) == "env: 2 messages never came, by their device's own count: site=A device=b1 (2)"
    world.pass_time(2 + WAIT + QUIET // SECOND + 1)
    assert world.history()[1:] == [f"{2 + WAIT + QUIET // SECOND} env/gap resolved"]


def test_what_comes_out_of_order_is_not_missing() -> None:
    world = World(COOL, streams=LATE)
    for at, seq in enumerate((1, 4, 3, 2, 5)):
        _send(world, at, seq, measured=seq)
    world.pass_time(100)
    assert (world.total("messages_missing"), world.total("applied"), world.history()) == (0, 5, [])


def test_what_came_too_late_to_be_decided_on_is_not_missing_either() -> None:
    world = World(COOL)
    _send(world, 0, 1)
    _send(world, 5, 3)
    _send(world, 6, 2, measured=4)
    world.pass_time(100)
    assert (world.total("late"), world.total("messages_missing")) == (1, 0)


def test_a_part_of_a_hole_may_come() -> None:
    world = World(COOL, streams=LATE)
    for at, seq in enumerate((1, 6, 4, 7)):
        _send(world, at, seq, measured=seq)
    world.pass_time(100)
    assert world.total("messages_missing") == 3


def test_a_device_that_begins_anew_has_lost_what_it_still_lacked_and_no_more() -> None:
    world = World(COOL)
    _send(world, 0, 1)
    _send(world, 1, 3)
    _send(world, 2, 50, boot="y")
    assert world.total("messages_missing") == 1
    world.pass_time(100)
    assert world.total("messages_missing") == 1


def test_the_alert_says_how_many_of_whom_in_bounded_words() -> None:
    world = World(COOL)
    for number in range(12):
        _send(world, number, 1, device=f"d{number}")
        _send(world, number + 0.5, 4, device=f"d{number}")
    world.pass_time(12 + WAIT + QUIET // SECOND + 1)
    assert [line.split()[-1] for line in world.history()] == ["firing", "resolved"]
    assert _summary(world).startswith("env: 24 messages never came")
    assert _summary(world).endswith("site=A device=d7 (2), and 8 of other devices")


def test_however_a_device_counts_what_is_remembered_of_it_is_bounded() -> None:
    world = World(COOL)
    for step in range(3 * MAX_HOLES):
        _send(world, step / 1000, 1 + 2 * step)
    (source,) = world.engine._state.sources.values()
    assert len(source.holes) == MAX_HOLES
    _send(world, 1, 2**61)
    world.pass_time(100)
    assert world.total("messages_missing") == 3 * MAX_HOLES - 1 + MOST_AT_ONCE


def test_what_was_shed_is_not_missing() -> None:
    world = World(COOL)
    _send(world, 0, 1)
    world.put(Shed((("site/A/dev/b1/env", 3),)))
    _send(world, 1, 5)
    _send(world, 2, 7)
    world.pass_time(100)
    assert world.total("messages_missing") == 1


def test_a_device_that_counts_other_messages_too_is_not_accused() -> None:
    world = World(COOL, streams=STREAM.replace("    interval", "    gaps: ignore\n    interval"))
    _send(world, 0, 1)
    _send(world, 1, 9)
    world.pass_time(100)
    assert (world.total("messages_missing"), world.history()) == (0, [])


def test_other_rules_keep_the_alert_and_a_stream_that_goes_ends_it() -> None:
    world = World(COOL)
    _send(world, 0, 1)
    _send(world, 1, 3)
    world.pass_time(60)
    world.put(Reload({"rules.yaml": STREAM + COOL.replace("1000", "900")}))
    assert len(world.history()) == 1
    world.put(Reload({"rules.yaml": STREAM.replace("  env:", "  air:") + COOL.replace("env", "air")}))
    assert world.history()[-1] == "60 env/gap resolved"


_feed = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 40), st.sampled_from("xy")), max_size=40)


@settings(max_examples=60, deadline=None)
@given(_feed)
def test_restarts_and_generated_code_find_the_same(feed: list[tuple[int, int, str]]) -> None:
    worlds = [World(COOL), World(COOL, fused=False), World(COOL, restart_every=1)]
    for world in worlds:
        at = 0
        for gap, seq, boot in feed:
            at += gap
            _send(world, at, seq, boot=boot)
        world.pass_time(at + 1000)
    assert worlds[0].history() == worlds[1].history() == worlds[2].history()
    assert len({world.total("messages_missing") for world in worlds}) == 1
