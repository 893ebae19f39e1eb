"""What a store does for itself between commits, a slice at a time: sweeping, retention, giving room back, checkpoints.

House rule: one slice is short, so that a commit waits for it no longer than for another commit.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import aiosqlite

from iotrules.model.times import SECOND
from iotrules.ports import Tidied
from iotrules.stores.guard import log_path
from iotrules.stores.retention import EVERY, SLICE, Retention, Step, steps
from iotrules.stores.snapshots import Snapshots

CHECKPOINT_BYTES = 4 * 2**20
"""Of the write-ahead log, before what it holds is copied into the database."""

CHECKPOINT_EVERY = 10 * SECOND
FREE_PAGES = 256
"""Given back to the disk at once."""

FREE_SHARE = 4
"""Room is given back where one page in so many is free."""


class Tidying:
    """What is due when. `now` is our clock, ns."""

    def __init__(self, path: Path, retention: Retention) -> None:
        self._path = path
        self._retention = retention
        self._round: deque[Step] = deque()
        self._next_round = 0
        self._next_checkpoint = 0
        self._may_shrink = False

    async def slice(self, connection: aiosqlite.Connection, snapshots: Snapshots, now: int) -> Tidied:
        """One slice, in the transaction that is open."""
        if now >= self._next_round or now < self._next_round - EVERY:  # a clock that was set back
            self._round.extend(steps(self._retention, now))
            self._next_round, self._may_shrink = now + EVERY, True
        expired: dict[str, int] = {}
        if snapshots.has_waste:
            await snapshots.sweep(connection)
        elif self._round:
            expired = await self._expire(connection, self._round[0])
        elif self._may_shrink:
            self._may_shrink = await _give_back(connection)
        return Tidied(snapshots.has_waste or bool(self._round) or self._may_shrink, expired)

    def is_due(self, snapshots: Snapshots, now: int) -> bool:
        """Is there anything for a slice?"""
        clock = now >= self._next_round or now < self._next_round - EVERY
        return clock or snapshots.has_waste or bool(self._round) or self._may_shrink

    def wants_checkpoint(self, now: int) -> bool:
        size = _size(log_path(self._path))
        if not size:
            return False
        waited = now >= self._next_checkpoint or now < self._next_checkpoint - CHECKPOINT_EVERY
        if size < CHECKPOINT_BYTES and not waited:
            return False
        self._next_checkpoint = now + CHECKPOINT_EVERY
        return True

    async def _expire(self, connection: aiosqlite.Connection, step: Step) -> dict[str, int]:
        async with connection.execute(*_values(step.beyond)) as cursor:
            row = await cursor.fetchone()
        upto = step.oldest if row is None else max(step.oldest, row[0])
        async with connection.execute(step.delete, (upto,)) as cursor:
            gone = cursor.rowcount
        if gone < SLICE:
            self._round.popleft()
        return {step.table: gone} if gone > 0 else {}


def _values(query: tuple[str, int]) -> tuple[str, tuple[int]]:
    return query[0], (query[1],)


async def _give_back(connection: aiosqlite.Connection) -> bool:
    """Cut some free pages off the file, if many are; a store of an earlier version keeps them for later use."""
    numbers = []
    for pragma in ("auto_vacuum", "freelist_count", "page_count"):
        async with connection.execute(f"PRAGMA {pragma}") as cursor:
            row = await cursor.fetchone()
            numbers.append(0 if row is None else int(row[0]))
    vacuum, free, pages = numbers
    if vacuum != 2 or free < FREE_PAGES or free * FREE_SHARE < pages:
        return False
    await connection.execute_fetchall(f"PRAGMA incremental_vacuum({FREE_PAGES})")
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
