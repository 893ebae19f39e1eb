"""The history on SQLite: a file of its own, written off the path to durability and kept within a number of samples."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import aiosqlite
import msgspec

from iotrules.history.chunks import chunks_of
from iotrules.model.decisions import Reading
from iotrules.model.errors import UnavailableError

MAX_SAMPLES = 1_000_000
"""Readings, of any number of fields."""
TRIM_EVERY = 20_000
"""Readings between two looks at the bound; trimming removes a twentieth more than it must."""

_FORGET = """
WITH aged AS (SELECT rowid, count, sum(count) OVER (ORDER BY last, rowid) AS upto FROM chunks)
DELETE FROM chunks WHERE rowid IN (SELECT rowid FROM aged WHERE upto - count < ?1 OR upto <= ?1 + ?2)
"""
"""The oldest, so many readings at least, and some more in whole chunks."""

_SPOILED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""Damaged, no database, other tables than ours: it stays like that. Anything else (full, locked, no right) passes."""


class _ForeignTablesError(sqlite3.DatabaseError):
    """A history of an earlier program, or no history at all."""

    sqlite_errorcode = sqlite3.SQLITE_NOTADB


class SqliteHistory:
    """The port `History`. A history that can't be read is begun anew: no decision depends on it."""

    def __init__(self, path: Path, max_samples: int = MAX_SAMPLES) -> None:
        self._path = path
        self._max_samples = max_samples
        self._since_trim = TRIM_EVERY  # what the file holds from before us counts too
        self._connection: aiosqlite.Connection | None = None

    async def append(self, readings: Sequence[Reading]) -> None:
        """Take in committed readings, oldest first. UnavailableError: these are not kept; the next may be."""
        if not readings:
            return
        try:
            if self._connection is None:
                self._connection = await self._open()
            await self._append(self._connection, readings)
        except (sqlite3.Error, OSError) as error:
            await self.close()
            if _is_spoiled(error):
                _remove(self._path)
            raise UnavailableError(f"history {self._path}: {error}") from error

    async def _append(self, connection: aiosqlite.Connection, readings: Sequence[Reading]) -> None:
        latest = {(reading.stream, reading.key): reading for reading in readings}
        await connection.executemany(
            "INSERT OR REPLACE INTO latest VALUES (?,?,?,?,?,?)", [_latest_row(r) for r in latest.values()]
        )
        await connection.executemany("INSERT INTO chunks VALUES (?,?,?,?,?,?)", chunks_of(readings))
        self._since_trim += len(readings)
        if self._since_trim >= TRIM_EVERY:
            await self._trim(connection)
        await connection.commit()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _open(self) -> aiosqlite.Connection:
        try:
            return await _connect(self._path)
        except sqlite3.Error as error:
            if not _is_spoiled(error):
                raise
            _remove(self._path)
            return await _connect(self._path)

    async def _trim(self, connection: aiosqlite.Connection) -> None:
        self._since_trim = 0
        async with connection.execute("SELECT coalesce(sum(count), 0) FROM chunks") as cursor:
            row = await cursor.fetchone()
        kept = 0 if row is None else int(row[0])
        if kept > self._max_samples:
            await connection.execute(_FORGET, (kept - self._max_samples, self._max_samples // 20))


async def _connect(path: Path) -> aiosqlite.Connection:
    """A connection with the schema in place."""
    connection = await aiosqlite.connect(path, timeout=5)
    try:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = NORMAL")
        async with connection.execute("SELECT name FROM sqlite_schema") as cursor:
            names = {name async for (name,) in cursor}
        if "chunks" not in names:
            if names:
                raise _ForeignTablesError("it has other tables than ours")
            schema = resources.files("iotrules.history").joinpath("schema.sql").read_text()
            await connection.executescript(schema)
    except BaseException:
        await connection.close()
        raise
    return connection


def _is_spoiled(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SPOILED


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _latest_row(reading: Reading) -> tuple[str, str, str, int, int, str]:
    return (
        reading.stream, reading.key.text, reading.key.device, reading.at, reading.received,
        msgspec.json.encode(reading.values).decode(),
    )  # fmt: skip
