"""Readings on their way to the history: off the path to durability, and some devices at a time.

House rule: a device's readings of about a second go together, so that they are one row; when the history can't keep
up, charts have gaps and nothing else waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from iotrules.model.decisions import Reading
from iotrules.model.errors import UnavailableError
from iotrules.ports import History

log = structlog.get_logger()

BACKLOG = 50_000
"""Readings that wait, at most."""

GROUPS = 10
PAUSE = 0.1
"""Seconds between two writes, each of another group of devices: together they take no longer, but nobody waits long."""


class Charting:
    """For one runtime."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._groups: list[list[Reading]] = [[] for _ in range(GROUPS)]
        self._waiting = 0
        self._arrived = asyncio.Event()

    def add(self, readings: Sequence[Reading]) -> None:
        """Take in committed readings, oldest first; those beyond the backlog are left out."""
        taken = readings[: BACKLOG - self._waiting]
        for reading in taken:
            self._groups[hash(reading.key) % GROUPS].append(reading)
        self._waiting += len(taken)
        if taken:
            self._arrived.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            for group in range(GROUPS):
                await self._write(group)
                await asyncio.sleep(PAUSE)  # others have the time between

    async def close(self) -> None:
        """Write what waits."""
        for group in range(GROUPS):
            await self._write(group)
        await self._history.close()

    async def _write(self, group: int) -> None:
        batch, self._groups[group] = self._groups[group], []
        if not batch:
            return
        self._waiting -= len(batch)
        try:
            await self._history.append(batch)
        except UnavailableError as error:
            log.warning("history not written: charts have a gap", reason=str(error))
