"""What a store does for itself between commits, a slice at a time: sweeping, retention, giving room back, checkpoints.

House rule: one slice is short, so that a commit waits for it no longer than for another commit.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import aiosqlite

from iotrules.model.times import SECOND
from iotrules.stores.guard import log_path
from iotrules.stores.retention import EVERY, SLICE, Retention, Step, steps
from iotrules.stores.wal import filled

SWEPT, SWEPT_BESIDE = 500, 50
"""Rows of old snapshots that go at once: in a transaction of their own, and in one that is made anyway."""

CHECKPOINT_FRAMES = 4096
"""Of the write-ahead log, before what they hold is copied into the database."""

CHECKPOINT_EVERY, LOOK_EVERY = 10 * SECOND, SECOND // 4
"""Between two checkpoints at most, and between two looks at the log at least."""

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
        self._next_checkpoint, self._next_look = 0, 0
        self._filled = self._copied = b"", 0
        """The filling of the log, and its frames: when it was last looked at, and at the last checkpoint."""
        self._may_shrink = False

    async def slice(self, connection: aiosqlite.Connection, now: int) -> dict[str, int]:
        """One slice, in the transaction that is open; how many rows are over, by table."""
        if _is_due(now, self._next_round, EVERY):
            self._round.extend(steps(self._retention, now))
            self._next_round, self._may_shrink = now + EVERY, True
        expired: dict[str, int] = {}
        if self._round:
            expired = await self._expire(connection, self._round[0])
        elif self._may_shrink:
            self._may_shrink = await _give_back(connection)
        return expired

    def is_due(self, now: int) -> bool:
        """Is there anything for a slice?"""
        return _is_due(now, self._next_round, EVERY) or bool(self._round) or self._may_shrink

    def wants_checkpoint(self, now: int) -> bool:
        """Is so much in the log that has not been copied, or has it been there for so long, that it should be?"""
        if not _is_due(now, self._next_look, LOOK_EVERY):
            return False
        self._next_look = now + LOOK_EVERY
        salts, frames = self._filled = filled(log_path(self._path))
        fresh = frames - (self._copied[1] if self._copied[0] == salts else 0)
        return fresh > 0 and (fresh >= CHECKPOINT_FRAMES or _is_due(now, self._next_checkpoint, CHECKPOINT_EVERY))

    def copied(self, now: int) -> None:
        """A checkpoint has been made."""
        self._copied, self._next_checkpoint = self._filled, now + CHECKPOINT_EVERY

    async def _expire(self, connection: aiosqlite.Connection, step: Step) -> dict[str, int]:
        async with connection.execute(*_values(step.beyond)) as cursor:
            row = await cursor.fetchone()
        upto = step.oldest if row is None else max(step.oldest, row[0])
        async with connection.execute(step.delete, (upto,)) as cursor:
            gone = cursor.rowcount
        if gone < SLICE:
            self._round.popleft()
        return {step.table: gone} if gone > 0 else {}


def _is_due(now: int, then: int, every: int) -> bool:
    """Is the time there, which was put so far ahead? Also where the clock was set back."""
    return now >= then or now < then - every


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
