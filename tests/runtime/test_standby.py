"""What an engine that lost its lease must not do, and how one waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from iotrules.model.errors import HeldError, LostLeaseError, UnavailableError
from iotrules.runtime.control import ControlServer, control_path
from iotrules.runtime.standby import wait_for_turn
from iotrules.stores.lease import BEAT, LEASE, SURE, StoreLease
from iotrules.stores.sqlite import SqliteStore
from tests.runtime.test_loop import TRIP
from tests.runtime.world import World


class Hands:
    """A clock that is moved by hand; seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _stopped_world(folder: Path) -> tuple[World, Hands]:
    """An engine whose lease gives no signs of life by itself."""
    clock = Hands()
    return World(folder, TRIP, StoreLease(folder / "store.db", "first", beat=3600, now=clock)), clock


async def _taken_over(world: World, clock: Hands) -> SqliteStore:
    """Another engine's store, which has taken over."""
    lease = StoreLease(world.path, now=clock)
    for _ in range(round(LEASE / BEAT)):
        with pytest.raises(HeldError):
            lease.claim()
        clock.now += BEAT
    store = SqliteStore(world.path, lease)
    await store.open()
    return store


async def test_a_deposed_engine_acknowledges_and_commands_nothing_and_ends(tmp_path: Path) -> None:
    world, clock = _stopped_world(tmp_path)
    await world.listen()
    async with world.engine():
        other = await _taken_over(world, clock)
        world.send(0, temp=90)
        assert isinstance(await world.failure(), LostLeaseError)
        await other.close()
    assert await world.unacknowledged() == ["site/A/dev/b1/env"]
    assert (world.states(), world.ledger(), world.told) == ([], [], [])


async def test_an_effect_that_was_committed_does_not_leave_once_another_has_taken_over(tmp_path: Path) -> None:
    world, clock = _stopped_world(tmp_path)
    await world.listen()
    async with world.engine():
        world.store.after.clear()
        world.send(0, temp=90)
        await world.until(lambda: world.store.waiting)  # it is durable, and nothing has left
        other = await _taken_over(world, clock)
        world.store.after.set()
        assert isinstance(await world.failure(), LostLeaseError)
        await other.close()
    assert world.told == []
    assert {state for _, state in world.ledger()} == {"pending"}


async def test_after_a_pause_effects_leave_once_it_is_known_that_nobody_has_taken_over(tmp_path: Path) -> None:
    world, clock = _stopped_world(tmp_path)
    await world.listen()
    async with world.engine():
        clock.now += SURE
        world.send(0, temp=90)
        await world.until(lambda: world.commands)
        await world.until(lambda: world.all_done(2))


async def test_an_idle_engine_that_is_deposed_ends_when_it_is_told(tmp_path: Path) -> None:
    world, clock = _stopped_world(tmp_path)
    async with world.engine() as runtime:
        loop = asyncio.get_running_loop()

        def tell(lost: LostLeaseError) -> None:
            loop.call_soon_threadsafe(runtime.fail, lost)

        world.lease.when_lost(tell)
        other = await _taken_over(world, clock)
        with pytest.raises(LostLeaseError):
            await world.lease.confirm()
        assert isinstance(await world.failure(), LostLeaseError)
        await other.close()


async def test_a_control_socket_is_its_opener_s_only(tmp_path: Path) -> None:
    """The engine that was taken over from leaves that of its successor alone."""
    path = control_path(tmp_path / "store.db")
    first, second = ControlServer(path), ControlServer(path)
    await first.open({})
    await second.open({})
    await first.close()
    assert path.exists()
    await second.close()
    assert not path.exists()


def _claims(answers: Iterator[Exception | None]) -> None:
    answer = next(answers)
    if answer is not None:
        raise answer


def _held(holder: str = "first", certain: bool = True) -> HeldError:
    return HeldError(f"in use by {holder}", holder=holder, certain=certain)


async def test_a_standby_waits_until_its_turn() -> None:
    answers = iter([_held(), _held(), _held("second"), None])
    assert await wait_for_turn(lambda: _claims(answers), patient=True, stopped=asyncio.Event())
    assert list(answers) == []


async def test_who_is_no_standby_waits_only_where_it_is_not_certain_that_another_is_there() -> None:
    answers = iter([_held(certain=False), _held()])
    with pytest.raises(HeldError):
        await wait_for_turn(lambda: _claims(answers), patient=False, stopped=asyncio.Event())
    assert list(answers) == []


async def test_a_standby_can_be_stopped() -> None:
    stopped = asyncio.Event()

    def claim() -> None:
        stopped.set()
        raise _held()

    assert not await wait_for_turn(claim, patient=True, stopped=stopped)


async def test_a_lock_file_that_cannot_be_opened_is_left_to_the_engine_that_says_so() -> None:
    answers = iter([UnavailableError("read-only")])
    assert await wait_for_turn(lambda: _claims(answers), patient=True, stopped=asyncio.Event())
