"""The history on SQLite: a file of its own, written off the path to durability and kept within a number of samples."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import aiosqlite

from iotrules.model.decisions import Reading
from iotrules.model.errors import UnavailableError

MAX_SAMPLES = 2_000_000
TRIM_EVERY = 20_000
"""Rows between two looks at the bound; trimming removes a twentieth more than it must."""

_LAST_TO_GO = "SELECT at FROM (SELECT at FROM samples UNION ALL SELECT at FROM words) ORDER BY at LIMIT 1 OFFSET ?"
_FORGET = ("DELETE FROM samples WHERE at <= ?", "DELETE FROM words WHERE at <= ?")

_SPOILED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""Damaged, no database, other tables than ours: it stays like that. Anything else (full, locked, no right) passes."""


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
        samples = [row for reading in readings for row in _sample_rows(reading)]
        await connection.executemany(
            "INSERT OR REPLACE INTO latest VALUES (?,?,?,?,?,?)", [_latest_row(r) for r in latest.values()]
        )
        words = [row for reading in readings for row in _word_rows(reading)]
        await connection.executemany("INSERT OR REPLACE INTO samples VALUES (?,?,?,?,?)", samples)
        await connection.executemany("INSERT OR REPLACE INTO words VALUES (?,?,?,?,?)", words)
        self._since_trim += len(samples) + len(words)
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
        query = "SELECT (SELECT COUNT(*) FROM samples) + (SELECT COUNT(*) FROM words)"
        async with connection.execute(query) as cursor:
            row = await cursor.fetchone()
        excess = (row[0] if row else 0) - self._max_samples
        if excess <= 0:
            return
        async with connection.execute(_LAST_TO_GO, (excess + self._max_samples // 20,)) as cursor:
            last = await cursor.fetchone()
        for statement in _FORGET if last is not None else ():
            await connection.execute(statement, last)


async def _connect(path: Path) -> aiosqlite.Connection:
    """A connection with the schema in place."""
    connection = await aiosqlite.connect(path, timeout=5)
    try:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = NORMAL")
        async with connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'words'") as cursor:
            if await cursor.fetchone() is None:
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
        json.dumps(reading.values),
    )  # fmt: skip


def _sample_rows(reading: Reading) -> list[tuple[str, str, int, str, float]]:
    key = reading.key.text
    return [
        (key, name, reading.at, reading.stream, value)
        for name, value in reading.values.items()
        if isinstance(value, float)
    ]


def _word_rows(reading: Reading) -> list[tuple[str, str, int, str, str]]:
    key = reading.key.text
    return [
        (key, name, reading.at, reading.stream, json.dumps(value))
        for name, value in reading.values.items()
        if isinstance(value, str | bool)
    ]
