"""Snapshots in the store, written a few parts at a time: only a complete one counts, what is behind it goes in slices.

House rule: rows of the complete snapshot stay as they are until the next one is complete, so that a half one costs
nothing but the room that it takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from itertools import islice
from pathlib import Path

import aiosqlite

from iotrules.model.errors import StateError
from iotrules.stores.kept import JOURNAL
from iotrules.stores.meta import get_meta, set_meta
from iotrules.stores.seals import seal
from iotrules.stores.transact import Statement

JOURNAL_SLICE = 25
"""Journal rows that go at once: one may be as large as a batch."""

_ROWS = "SELECT part, generation, body, hash FROM snapshot ORDER BY part, generation"

_SWEEP_JOURNAL = "DELETE FROM journal WHERE sequence IN (SELECT sequence FROM journal WHERE sequence <= ? LIMIT ?)"


class Snapshots:
    """Which snapshot counts, which is being written, and what is to be swept away."""

    def __init__(self) -> None:
        self.sequence = 0
        """Of the one that counts."""
        self._generation = 0
        self._under_way: int | None = None
        """The sequence of the one that is being written."""
        self._written: list[str] = []
        self._half: list[tuple[str, int]] = []
        """(part, generation): rows of one that never was complete; they go before the next begins."""
        self._stale: deque[tuple[str, int]] = deque()
        """(part, generation): rows up to that generation are not needed, nor what says that a part is gone."""
        self._journal = True
        """May there be journal rows behind the snapshot?"""
        self._sweeping = 0
        """Of what is stale, how many are on their way out."""

    async def read(self, connection: aiosqlite.Connection, path: Path) -> dict[str, bytes]:
        """The parts that count, each checked: SQLite notices no flipped bit. Half a snapshot is thrown away."""
        self.sequence = int(await get_meta(connection, "snapshot_sequence", "0"))
        self._generation = int(await get_meta(connection, "snapshot_generation", "0"))
        self._under_way, self._journal = None, True
        self._written.clear()
        self._stale.clear()
        parts: dict[str, bytes | None] = {}
        half: list[tuple[str, int]] = []
        async with connection.execute(_ROWS) as cursor:
            async for name, generation, body, stored in cursor:
                if generation > self._generation:
                    half.append((name, generation))
                    continue
                if seal(name, body) != stored:
                    raise StateError(
                        f"store {path}: the snapshot is damaged at part {name}: "
                        "it is not what was written; restore a copy, or begin with another store"
                    )
                if name in parts or body is None:
                    self._stale.append((name, generation))
                parts[name] = body
        self._half = half
        return {name: body for name, body in parts.items() if body is not None}

    async def write(
        self, connection: aiosqlite.Connection, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool
    ) -> None:
        """Some parts of a snapshot of `sequence`, in the transaction that is open; with the last it counts."""
        generation = self._generation + 1
        await connection.executemany("DELETE FROM snapshot WHERE part = ? AND generation = ?", self._half)
        await connection.executemany(
            "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?)",
            [(name, generation, body, seal(name, body)) for name, body in parts.items()],
        )
        if complete:
            await set_meta(connection, "snapshot_sequence", str(sequence))
            await set_meta(connection, "snapshot_generation", str(generation))
            await connection.execute(  # none there: the sequence of the last snapshot, whose hash stays
                "INSERT OR REPLACE INTO meta SELECT 'snapshot_hash', hex(hash) FROM journal WHERE sequence = ?",
                (sequence,),
            )
            await connection.execute(  # the journal tells when it was written until it goes
                "INSERT OR REPLACE INTO meta SELECT 'alive', now FROM journal WHERE sequence = ?", (sequence,)
            )

    def wrote(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool) -> None:
        """That transaction is durable. StateError if the snapshot before was left half written."""
        if self._under_way not in (None, sequence):
            raise StateError(f"a snapshot of sequence {self._under_way} is half written: one of {sequence} can't begin")
        self._under_way = sequence
        self._half = []
        self._written += parts
        if complete:
            self._generation += 1
            self.sequence, self._under_way, self._journal = sequence, None, True
            self._stale.extend((name, self._generation) for name in self._written)
            self._written.clear()

    @property
    def has_waste(self) -> bool:
        return bool(self._stale) or self._journal

    def sweeping(self, most: int) -> list[Statement]:
        """What deletes some of what is not needed: so many rows of the snapshot at most; the last is of the journal."""
        if not self.has_waste:
            return []
        some = list(islice(self._stale, most))
        self._sweeping = len(some)
        return [
            ("DELETE FROM snapshot WHERE part = ? AND generation < ?", some),
            ("DELETE FROM snapshot WHERE part = ? AND generation = ? AND body IS NULL", some),
            (_SWEEP_JOURNAL, [(self.sequence, JOURNAL_SLICE if self._journal else 0)]),
        ]

    def swept(self, journal_rows: int) -> None:
        """That is durable; so many rows of the journal went."""
        for _ in range(self._sweeping):
            self._stale.popleft()
        self._sweeping, self._journal = 0, journal_rows == JOURNAL_SLICE


async def journal_after(
    connection: aiosqlite.Connection, sequence: int
) -> AsyncIterator[tuple[int, int, bytes, bytes]]:
    """(sequence, now, body, hash) of the journal's rows after a sequence, in order."""
    async with connection.execute(JOURNAL, (sequence,)) as cursor:
        async for row in cursor:
            yield row[0], row[1], row[2], row[3]
