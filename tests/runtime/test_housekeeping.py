"""Between inputs: a snapshot of one instant in slices, the store's own work; and what a full disk does to either."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from iotrules.runtime.housekeeping import Pace
from tests.runtime.test_loop import TRIP
from tests.runtime.world import World
from tests.stores.disks import SmallDisk, small_disk

QUIET = "  overheat: {from: env, when: temp > 85}\n"


SLICES = Pace(every=40, slice_bytes=300)
"""A snapshot every ten rows, two parts or so at a time."""


def _generation(world: World) -> int:
    found = world.rows("SELECT value FROM meta WHERE name = 'snapshot_generation'")
    return int(found[0][0]) if found else 0


async def test_inputs_are_decided_on_while_a_snapshot_is_written(tmp_path: Path) -> None:
    world = World(tmp_path, QUIET)
    world.pace = SLICES
    most, n = 0, 0
    async with world.engine():
        while _generation(world) < 3:
            n += 1
            world.send(n, f"b{n % 20}", temp=90 if n % 3 else 20)
            await world.until(lambda: world.count("applied") == n)  # noqa: B023  # looked at within this turn
            ((half,),) = world.rows(
                "SELECT count(*) FROM snapshot WHERE generation > coalesce("
                "(SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'snapshot_generation'), 0)"
            )
            most = max(most, half)
        await world.crash()
    assert most > 5, "parts of a snapshot that was not complete stood in the store while inputs were taken"
    before = world.states("b1")
    async with world.engine():
        world.send(n + 1, "b1", temp=20)
        await world.until(lambda: world.count("applied") == n + 1)
    assert world.states("b1")[: len(before)] == before


async def test_an_engine_that_ends_in_the_middle_of_a_snapshot_goes_on_from_the_one_before(tmp_path: Path) -> None:
    world = World(tmp_path, QUIET)
    world.pace = SLICES
    half = "SELECT 1 FROM snapshot"
    async with world.engine():
        n = 0
        while not world.rows(half):
            n += 1
            world.send(n, f"b{n % 20}", temp=90)
            await world.until(lambda: world.count("applied") == n)  # noqa: B023  # looked at within this turn
        await world.crash()
    firing = len(world.rows("SELECT 1 FROM alerts WHERE state = 'firing'"))
    async with world.engine():
        for device in range(n):
            world.send(100 + device, f"b{(device + 1) % 20}", temp=20)
        await world.until(lambda: len(world.rows("SELECT 1 FROM alerts WHERE state = 'resolved'")) == firing)


async def test_no_input_waits_for_what_the_store_does_for_itself(tmp_path: Path) -> None:
    world = World(tmp_path, QUIET)
    async with world.engine():
        world.store.tidying.clear()
        await world.until(lambda: world.store.waiting)
        world.send(0, temp=90)
        await world.until(lambda: world.states() == ["firing"])
        world.store.tidying.set()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


async def test_a_full_disk_is_said_once_and_shown_and_is_over_by_itself(disk: SmallDisk) -> None:
    world = World(disk.path, TRIP)
    shown: list[bool] = []
    world.on_trouble = shown.append
    await world.listen()
    async with world.engine():
        world.send(0, temp=20, note="x" * 100)
        await world.until(lambda: world.count("applied") == 1)
        with structlog.testing.capture_logs() as logs:
            disk.fill()
            for n in range(1, 30):
                world.send(n, temp=90, note="x" * 8000)
            await world.until(lambda: shown == [True])
            await world.until(lambda: world.store.opened > 1)
            disk.free()
            await world.until(lambda: world.count("applied") == 30 and world.commands)
    assert shown == [True, False]
    said = [one["event"] for one in logs if "nothing is acknowledged" in one["event"]]
    assert 1 <= len(said) <= 2, json.dumps(said)  # the commit, and perhaps opening it again
    assert any(one["event"] == "the store can be written again" for one in logs)
    assert await world.unacknowledged() == []
    assert len(world.commands) == 1
