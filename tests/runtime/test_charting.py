"""Readings on their way to the history: a device's go together, the backlog is bounded, and nobody minds a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from iotrules.model.decisions import Key, Reading
from iotrules.model.errors import UnavailableError
from iotrules.runtime.charting import BACKLOG, GROUPS, Charting


class Shelf:
    """A history that remembers each batch, or refuses some."""

    def __init__(self, refused: int = 0) -> None:
        self.batches: list[list[Reading]] = []
        self.closed = False
        self.written = asyncio.Event()
        self._refused = refused

    async def append(self, readings: Sequence[Reading]) -> None:
        if self._refused:
            self._refused -= 1
            raise UnavailableError("no room")
        self.batches.append(list(readings))
        self.written.set()

    async def close(self) -> None:
        self.closed = True


def readings(device: int, count: int = 3) -> list[Reading]:
    key = Key((("device", f"b{device}"),))
    return [Reading("env", key, at, at, {"temp": 20.0}) for at in range(count)]


async def test_a_device_s_readings_are_written_together_and_all_are_by_the_end() -> None:
    shelf = Shelf()
    charting = Charting(shelf)
    for device in range(50):
        charting.add(readings(device))
    await charting.close()
    assert 1 < len(shelf.batches) <= GROUPS
    assert sum(map(len, shelf.batches)) == 150
    batches_of = {device: [n for n, batch in enumerate(shelf.batches) if device in {r.key for r in batch}] for device in
                  {reading.key for batch in shelf.batches for reading in batch}}  # fmt: skip
    assert {len(found) for found in batches_of.values()} == {1}
    assert shelf.closed


async def test_what_arrives_is_written_without_being_asked_for() -> None:
    shelf = Shelf()
    charting = Charting(shelf)
    running = asyncio.create_task(charting.run())
    charting.add(readings(1))
    async with asyncio.timeout(5):
        await shelf.written.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert shelf.batches == [readings(1)]


async def test_a_history_that_takes_nothing_leaves_a_gap_and_the_rest_is_written() -> None:
    shelf = Shelf(refused=1)
    charting = Charting(shelf)
    for device in range(50):
        charting.add(readings(device))
    await charting.close()
    assert 0 < sum(map(len, shelf.batches)) < 150


async def test_no_more_than_the_backlog_waits() -> None:
    shelf = Shelf()
    charting = Charting(shelf)
    charting.add(readings(1, BACKLOG + 10))
    charting.add(readings(2))
    await charting.close()
    assert sum(map(len, shelf.batches)) == BACKLOG
