"""The control socket: held commands are decided on by other processes, durably, and no client stalls the engine."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from iotrules.model.errors import ConfigError, UnavailableError
from iotrules.runtime.asking import ask_engine
from iotrules.runtime.control import MAX_CLIENTS, MAX_REQUEST_BYTES, ControlServer, RefusedError, control_path
from iotrules.stores.views import StoreView
from tests.runtime.world import PATIENCE, World

GUARDED = """
  hot:
    from: env
    when: temp > 85
    do: [{command: shutdown, expires: 1h, guard: {max_share: 10%, of: site, per: 10m}}]
"""


def _world(folder: Path) -> World:
    world = World(folder, GUARDED)
    world.control = ControlServer(control_path(world.path))
    return world


async def _held(world: World) -> str:
    """Two devices get hot, and the command to the second is held: its id."""
    world.send(0, "b1", temp=90)
    world.send(0, "b2", temp=90)
    query = "SELECT id FROM commands WHERE state = 'held'"
    await world.until(lambda: world.rows("SELECT 1 FROM meta") and world.rows(query))
    ((name,),) = world.rows(query)
    return str(name)


async def _ask(world: World, request: str, **fields: Any) -> Any:
    return await asyncio.to_thread(lambda: ask_engine(world.path, request, **fields))


@asynccontextmanager
async def _connected(world: World) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(str(control_path(world.path)))
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def _exchange(world: World, line: bytes) -> Any:
    async with _connected(world) as (reader, writer):
        writer.write(line)
        async with asyncio.timeout(PATIENCE):
            return json.loads(await reader.readline())


async def test_approved_by_another_process_it_reaches_the_device(tmp_path: Path) -> None:
    world = _world(tmp_path)
    await world.listen()
    async with world.engine():
        name = await _held(world)
        assert await _ask(world, "approve", command=name, who="anna", why="the fan is broken") == {"command": name}
        await world.until(lambda: len(world.commands) == 2)
        assert world.commands[1]["id"] == name
        await world.until(lambda: world.rows("SELECT state FROM commands WHERE device = 'b2'") == [("sent",)])
        with pytest.raises(RefusedError, match="does not wait: it is approved by anna: the fan is broken"):
            await _ask(world, "reject", command=name, who="bob")
    async with StoreView(world.path) as view:
        (row,) = [row for row in await view.commands() if row.device == "b2"]
        assert row.detail == "approved by anna: the fan is broken"
        alert = await view.alert("hot/held", row.key)
        assert alert is not None
        assert (alert.state, alert.device, alert.reason) == ("resolved", "b2", row.detail)


async def test_the_answer_comes_when_it_is_durable_and_not_before(tmp_path: Path) -> None:
    world = _world(tmp_path)
    async with world.engine():
        name = await _held(world)
        world.store.before.clear()
        asked = asyncio.create_task(_ask(world, "reject", command=name, who="anna"))
        await world.until(lambda: world.store.waiting)
        assert not asked.done()
        world.store.before.set()
        assert await asked == {"command": name}
        assert world.rows("SELECT state FROM commands WHERE device = 'b2'") == [("rejected",)]


async def test_a_commit_that_failed_is_tried_again_and_the_answer_is_one(tmp_path: Path) -> None:
    world = _world(tmp_path)
    await world.listen()
    async with world.engine():
        name = await _held(world)
        world.store.fail_next = 1
        assert await _ask(world, "approve", command=name, who="anna") == {"command": name}
        await world.until(lambda: len(world.commands) == 2)
        assert world.store.failures == 1
    assert len([body for body in world.commands if body["id"] == name]) == 1


async def test_held_it_is_there_after_a_crash_and_can_be_approved(tmp_path: Path) -> None:
    world = _world(tmp_path)
    await world.listen()
    async with world.engine():
        name = await _held(world)
        await world.crash()
    world.control = ControlServer(control_path(world.path))
    async with world.engine():
        async with StoreView(world.path) as view:
            assert [alert.rule for alert in await view.active_alerts()].count("hot/held") == 1
        await _ask(world, "approve", command=name, who="anna")
        await world.until(lambda: name in [body["id"] for body in world.commands])
        await world.until(lambda: world.all_done(2))


async def test_nobody_answers_where_no_engine_runs(tmp_path: Path) -> None:
    world = _world(tmp_path)
    with pytest.raises(UnavailableError, match=r"no engine is running on the store .*start it with `iotrules run`"):
        await _ask(world, "approve", command="x", who="anna")
    async with world.engine():
        path = control_path(world.path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
    with pytest.raises(UnavailableError, match="no engine is running"):
        await _ask(world, "approve", command="x", who="anna")


async def test_what_a_killed_engine_left_is_replaced_and_counts_as_no_engine(tmp_path: Path) -> None:
    world = _world(tmp_path)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(control_path(world.path)))
    with pytest.raises(UnavailableError, match="no engine is running"):
        await _ask(world, "approve", command="x", who="anna")
    async with world.engine():
        with pytest.raises(RefusedError, match="no command"):
            await _ask(world, "approve", command="x", who="anna")


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    world = _world(tmp_path)
    control_path(world.path).write_text("mine")
    with pytest.raises(ConfigError, match="in the way of the control socket"):
        async with world.engine():
            pass
    assert control_path(world.path).read_text() == "mine"


def test_a_path_that_is_too_long_for_a_socket_is_refused() -> None:
    with pytest.raises(ConfigError, match="name a store with a shorter path by --store"):
        ControlServer(Path("/" + "x" * 100))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"{\n", "a request is one JSON object on a line"),
        (b"[]\n", "a request is one JSON object on a line"),
        (b"\xff\n", "a request is one JSON object on a line"),
        (b"[" * 50_000 + b"\n", "a request is one JSON object on a line"),
        (b"{}\n", "unknown request"),
        (b'{"request": "aprove"}\n', 'did you mean "approve"'),
        (b'{"request": "approve"}\n', "missing required field"),
        (b'{"request": "approve", "command": 3, "who": "a"}\n', "Expected `str`"),
        (b'{"request": "approve", "command": "x", "who": "a", "force": true}\n', "unknown field"),
        (b'{"request": "approve", "command": "x", "who": " "}\n', "who is empty"),
        (b'{"request": "approve", "command": "x", "who": "a\\nb"}\n', "characters that print"),
        (b'{"request": "approve", "command": "x", "who": "a", "why": "' + b"y" * 301 + b'"}\n', "at most 300"),
        (b'{"request": "approve", "command": "' + b"y" * 5000 + b'", "who": "a"}\n', "no command's id has more"),
        (b"y" * (MAX_REQUEST_BYTES + 10) + b"\n", "a request has at most"),
    ],
)
async def test_a_request_that_makes_no_sense_is_answered_and_the_engine_goes_on(
    tmp_path: Path, line: bytes, error: str
) -> None:
    world = _world(tmp_path)
    async with world.engine():
        answer = await _exchange(world, line)
        assert answer["ok"] is False
        assert error in answer["error"]
        name = await _held(world)
        await _ask(world, "reject", command=name, who="anna")


async def test_one_connection_may_ask_again_and_again(tmp_path: Path) -> None:
    world = _world(tmp_path)
    async with world.engine():
        name = await _held(world)
        async with _connected(world) as (reader, writer):
            request = {"request": "approve", "command": name, "who": "anna"}
            writer.write((json.dumps(request) + "\n").encode() * 2)
            first, second = json.loads(await reader.readline()), json.loads(await reader.readline())
    assert (first["ok"], second["ok"]) == (True, False)


async def test_clients_that_say_nothing_stall_nobody_and_are_limited(tmp_path: Path) -> None:
    world = _world(tmp_path)
    await world.listen()
    async with world.engine():
        name = await _held(world)
        silent = [await asyncio.open_unix_connection(str(control_path(world.path))) for _ in range(MAX_CLIENTS - 1)]
        for _, writer in silent:
            writer.write(b'{"request": ')  # and never the rest
        await _ask(world, "approve", command=name, who="anna")
        await world.until(lambda: len(world.commands) == 2)
        one_more = await asyncio.open_unix_connection(str(control_path(world.path)))
        answer = await _exchange(world, b'{"request": "approve"}\n')
        assert "try again later" in answer["error"]
        for _, writer in [*silent, one_more]:
            writer.close()
            await writer.wait_closed()
        world.send(1, "b3", temp=20)
        await world.until(lambda: world.history.kept == 3)
