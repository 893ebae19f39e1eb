"""The runtime knows how long it did not run, and tells the engine, where a rule minds."""

from __future__ import annotations

from pathlib import Path

from tests.runtime.world import World

PAUSED = "  hot: {from: env, when: temp > 85, for: 1m, downtime: pause}\n"


def _inputs(world: World) -> int:
    return int(world.rows("SELECT count(*) FROM journal")[0][0])


async def _applied(world: World, messages: int) -> None:
    await world.until(lambda: world.count("applied") >= messages)


async def _until_hot(world: World, begin: int, end: int) -> None:
    for at in range(begin, end, 10):
        before = world.count("applied")
        world.send(at, temp=90)
        await _applied(world, before + 1)


async def test_the_time_in_which_nothing_ran_does_not_count_under_pause(tmp_path: Path) -> None:
    world = World(tmp_path, PAUSED)
    async with world.engine():
        await _until_hot(world, 0, 40)
        await world.crash()
    world.clock.move_to(530)  # it was last heard of at 30
    async with world.engine():
        world.send(530, temp=90)
        await world.until(lambda: world.count("applied") == 5)
        await _until_hot(world, 540, 570)
        await world.until(lambda: world.states() == ["pending", "firing"])
    assert world.rows("SELECT at - (SELECT min(at) FROM transitions) FROM transitions WHERE after = 'firing'") == [
        (560 * 10**9,)
    ]


async def test_a_stop_that_was_asked_for_begins_when_the_engine_ends(tmp_path: Path) -> None:
    world = World(tmp_path, PAUSED)
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.count("applied") == 1)
        world.clock.move_to(25)
    ((alive,),) = world.rows("SELECT value FROM meta WHERE name = 'alive'")
    assert int(alive) == world.clock.now()


async def test_rules_that_let_time_go_on_are_not_told(tmp_path: Path) -> None:
    world = World(tmp_path, PAUSED.replace(", downtime: pause", ""))
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.count("applied") == 1)
    before = _inputs(world)
    world.clock.move_to(20)
    async with world.engine():
        pass
    assert _inputs(world) == before
    assert world.rows("SELECT value FROM meta WHERE name = 'alive'") == []
