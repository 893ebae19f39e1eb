"""What people ask of the telemetry history, read-only; it may not exist yet, and may be deleted at any time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import aiosqlite
import msgspec

from iotrules.history.chunks import read_chunk
from iotrules.model.errors import StateError, UnavailableError
from iotrules.model.expression import Value

BUSY_SECONDS = 1.0
_DEVICES_ASKED = 16
_GAPS_ASKED = 16


def history_path(store: Path) -> Path:
    """Where the history of this store is: beside it."""
    return store.with_name(store.name + ".history")


@dataclass(frozen=True, slots=True)
class LatestRow:
    """The newest reading of a key on a stream; `at` event time, `received` arrival, ns."""

    stream: str
    key: str
    device: str
    at: int
    received: int
    reading: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredReading:
    """One message as it was decoded; `at` event time, ns, `key` canonical JSON of all the topic's labels."""

    at: int
    stream: str
    key: str
    values: dict[str, Value]


class HistoryView:
    """A read-only look at a history file: `async with HistoryView(path) as view:`.

    While there is no file every answer is empty; one that appears or is replaced is picked up at the next question.
    Queries raise UnavailableError if it is locked, StateError if it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: tuple[int, int] | None = None
        self._db: aiosqlite.Connection | None = None

    async def __aenter__(self) -> HistoryView:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        db, self._db, self._file = self._db, None, None
        if db is not None:
            await db.close()

    async def latest(self, received_after: int = 0) -> list[LatestRow]:
        """The newest reading of each key and stream that arrived after this instant (ns)."""
        rows = await self._rows(
            "SELECT stream, key, device, at, received, reading FROM latest WHERE received > ?", received_after
        )
        return [LatestRow(*(*row[:5], _reading(row[5], self.path))) for row in rows]

    async def samples(self, key: str, field: str, since: int = 0, limit: int = 4000) -> list[tuple[int, float]]:
        """(event time ns, value) after `since`, oldest first; the newest `limit` of them. Numbers only."""
        query = "SELECT stream, key, body FROM chunks WHERE key = ? AND last > ? ORDER BY last DESC LIMIT ?"
        found = {
            one.at: value
            for one in self._read(await self._rows(query, key, since, limit))
            if one.at > since and isinstance(value := one.values.get(field), float)
        }
        return sorted(found.items())[-limit:]

    async def readings(self, after: int, upto: int) -> list[StoredReading]:
        """What was measured after an instant and up to another (event time, ns), in that order.

        A message of which no value could be used is not there, nor are values that were missing.
        """
        query = "SELECT stream, key, body FROM chunks WHERE last > ? AND first <= ? ORDER BY rowid"
        rows = await self._rows(query, after, upto)
        found = {(one.at, one.stream, one.key): one for one in self._read(rows) if after < one.at <= upto}
        return [found[place] for place in sorted(found)]

    def _read(self, rows: Sequence[tuple[str, str, bytes]]) -> Iterator[StoredReading]:
        """What the chunks hold. StateError for one that is none."""
        try:
            for stream, key, body in rows:
                for at, values in read_chunk(body):
                    if values:
                        yield StoredReading(at, stream, key, values)
        except msgspec.MsgspecError as error:
            raise StateError(f"the history {self.path} holds readings that can't be read: {error}") from error

    async def span(self) -> tuple[int, int] | None:
        """Event times (ns) of the oldest and the newest reading; None if there is none."""
        ((first, last),) = await self._rows("SELECT min(first), max(last) FROM chunks") or [(None, None)]
        return None if first is None else (first, last)

    async def streams(self) -> list[str]:
        """Names of the streams that anything arrived on."""
        return [row[0] for row in await self._rows("SELECT DISTINCT stream FROM latest ORDER BY stream")]

    async def interval(self, stream: str) -> int | None:
        """How often a key of this stream typically reports, ns: the median gap of a few of them; None if unknown."""
        keys = await self._rows("SELECT key FROM latest WHERE stream = ? LIMIT ?", stream, _DEVICES_ASKED)
        gaps = [gap for (key,) in keys for gap in await self._gaps(stream, key)]
        return int(median(gaps)) if gaps else None

    async def _gaps(self, stream: str, key: str) -> list[int]:
        query = "SELECT stream, key, body FROM chunks WHERE key = ? AND stream = ? ORDER BY last DESC LIMIT ?"
        rows = await self._rows(query, key, stream, _GAPS_ASKED + 1)
        times = sorted({one.at for one in self._read(rows)})[-_GAPS_ASKED - 1 :]
        return [newer - older for older, newer in pairwise(times)]

    async def _rows(self, query: str, *values: object) -> list[Any]:
        try:
            db = await self._connection()
            return list(await db.execute_fetchall(query, values)) if db else []
        except sqlite3.OperationalError as error:
            if _not_there_yet(error):
                await self.close()
                return []
            raise UnavailableError(f"the history {self.path} can't be read now: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StateError(
                f"{self.path} is damaged, or not a history: delete it, it holds no decision: {error}"
            ) from error

    async def _connection(self) -> aiosqlite.Connection | None:
        """The connection to the file that is there now, or None."""
        found = _file_identity(self.path)
        if found != self._file:
            await self.close()
        if self._db is None and found is not None:
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            self._db = await aiosqlite.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
            self._file = found
        return self._db


def _not_there_yet(error: sqlite3.OperationalError) -> bool:
    """The file went away between the look and the question, or its writer has not made its tables yet."""
    return any(words in str(error) for words in ("no such table", "unable to open"))


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _reading(text: str, path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise StateError(f"the history {path} holds a reading that is no JSON object: {error}") from error
