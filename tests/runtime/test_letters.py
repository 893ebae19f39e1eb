"""Dead letters of a running engine: taken in once more, once, in the transaction that makes them none."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from iotrules.model.errors import UnavailableError
from iotrules.runtime.asking import ask_engine
from iotrules.runtime.control import ControlServer, RefusedError, control_path
from tests.engine.world import STREAM
from tests.runtime.world import World

HOT_NOW = b'{"temp": 90}'
HOT = "  hot: {from: env, when: temp > 85}\n"
UNTOLD = STREAM.replace("    id: [boot, seq]\n", "").replace("    time: {field: ts, format: unix_ms, ahead: 10s}\n", "")
"""Nothing tells its messages apart: taken in twice, they would count twice."""


def _world(folder: Path, stream: str = UNTOLD) -> World:
    world = World(folder, HOT)
    world.stream = stream
    world.control = ControlServer(control_path(world.path))
    return world


async def _ask(world: World, request: str, **fields: Any) -> Any:
    return await asyncio.to_thread(lambda: ask_engine(world.path, request, **fields))


async def _refused(world: World, *messages: tuple[str, bytes]) -> None:
    """What the broker has kept for an engine that no longer has the stream goes into the dead letters."""
    async with world.engine():
        await world.until(lambda: world.rows("SELECT 1 FROM meta"))
    for device, payload in messages:
        world.broker.publish(f"site/A/dev/{device}/env", payload)
    world.stream = UNTOLD.replace("/env", "/climate")
    async with world.engine():
        await world.until(lambda: _kept(world) == len(messages))
    world.stream = UNTOLD


def _kept(world: World) -> int:
    return int(world.rows("SELECT count(*) FROM dead_letters")[0][0])


async def test_replayed_they_are_applied_and_no_dead_letters_any_more(tmp_path: Path) -> None:
    world = _world(tmp_path)
    await _refused(world, ("b1", HOT_NOW), ("b2", HOT_NOW))
    async with world.engine():
        answer = await _ask(world, "replay", who="anna", reason="unknown topic")
        assert (answer["gone"], answer["stay"], answer["outcomes"]) == ([1, 2], [], {"applied": 2})
        assert (await _ask(world, "replay", who="anna", after=answer["after"], upto=answer["upto"]))["after"] is None
    assert (_kept(world), world.count("applied"), world.count("unaccounted")) == (0, 2, 0)
    assert world.states("b1") == ["firing"]
    assert world.count("received") == world.count("applied") + world.count("dead_letters") == 4


async def test_two_people_who_ask_at_once_have_each_taken_in_once(tmp_path: Path) -> None:
    world = _world(tmp_path)
    await _refused(world, *((f"b{number}", HOT_NOW) for number in range(20)))
    async with world.engine():
        answers = await asyncio.gather(*(_ask(world, "replay", who="anna") for _ in range(5)))
    assert sorted(number for answer in answers for number in answer["gone"]) == list(range(1, 21))
    assert (world.count("applied"), _kept(world)) == (20, 0)


async def test_killed_before_the_commit_they_are_dead_letters_still(tmp_path: Path) -> None:
    world = _world(tmp_path)
    await _refused(world, ("b1", HOT_NOW))
    async with world.engine():
        world.store.before.clear()
        asking = asyncio.create_task(_ask(world, "replay", who="anna"))
        await world.until(lambda: world.store.waiting)
        await world.crash()
        with pytest.raises(UnavailableError):
            await asking
    world.store.before.set()
    assert (_kept(world), world.count("applied")) == (1, 0)
    async with world.engine():
        assert (await _ask(world, "replay", who="anna"))["gone"] == [1]
    assert (_kept(world), world.count("applied")) == (0, 1)


async def test_one_that_can_still_not_be_used_keeps_its_number_and_its_bytes(tmp_path: Path) -> None:
    world = _world(tmp_path)
    await _refused(world, ("b1", b"\xff\x00 no json"))
    async with world.engine():
        ((number, reason, _),) = (await _ask(world, "replay", who="anna", numbers=[1]))["stay"]
    assert (number, reason) == (1, "not JSON")
    assert world.rows("SELECT id, payload, reason FROM dead_letters") == [(1, b"\xff\x00 no json", "not JSON")]


async def test_dropped_ones_are_gone_and_no_number_is_given_twice(tmp_path: Path) -> None:
    world = _world(tmp_path)
    await _refused(world, ("b1", HOT_NOW), ("b2", HOT_NOW))
    async with world.engine():
        assert (await _ask(world, "drop", who="anna", why="noise", numbers=[2, 77]))["gone"] == [2]
        world.broker.publish("site/A/dev/b1/env", b"no json")
        await world.until(lambda: _kept(world) == 2)
        assert world.rows("SELECT id FROM dead_letters ORDER BY id") == [(1,), (3,)]
        with pytest.raises(RefusedError, match="who is empty"):
            await _ask(world, "drop", who=" ", numbers=[1])
        with pytest.raises(RefusedError, match="bad request"):
            await _ask(world, "drop", who="anna", numbers="all")
