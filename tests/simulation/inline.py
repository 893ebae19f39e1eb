"""What the store is given here as its disk: SQLite without a thread, and files, on one that can fail.

House rule: it speaks aiosqlite's words and raises sqlite3's errors, so the store's own code is what is tested.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias, TypeVar, cast

import aiosqlite
import apsw

from iotrules.stores.disk import Handle
from iotrules.stores.transact import Statement, transact
from tests.simulation.disk import Disk

SYNC_TAKES = 0.002
"""Virtual seconds that a commit takes: meanwhile other things happen."""

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]


class Rows:
    """A statement that is yet to run: awaited, or entered, it gives its rows."""

    def __init__(self, run: Callable[[], Awaitable[list[Row]]], changes: Callable[[], int]) -> None:
        self._run = run
        self._changes = changes
        self._rows: list[Row] = []
        self.rowcount = -1
        """How many rows were changed."""

    def __await__(self) -> Generator[Any, None, Rows]:
        return self._ran().__await__()

    async def __aenter__(self) -> Rows:
        return await self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows = []

    async def __aiter__(self) -> AsyncIterator[Row]:
        for row in self._rows:
            yield row

    async def fetchone(self) -> Row | None:
        return self._rows.pop(0) if self._rows else None

    async def fetchall(self) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    async def _ran(self) -> Rows:
        self._rows = await self._run()
        self.rowcount = self._changes()
        return self


class InlineConnection:
    """What the store uses of aiosqlite.Connection. Each statement runs in one go, on the loop's thread."""

    def __init__(self, db: apsw.Connection, disk: Disk) -> None:
        self._db = db
        self._disk = disk

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    @property
    def total_changes(self) -> int:
        return self._db.total_changes()

    def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Rows:
        return Rows(lambda: self.run(sql, tuple(parameters or ())), self._db.changes)

    def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Rows:
        return Rows(lambda: self.run_many(sql, [tuple(row) for row in parameters]), self._db.changes)

    def executescript(self, script: str) -> Rows:
        return Rows(lambda: self.run(script, ()), self._db.changes)

    async def execute_fetchall(self, sql: str, parameters: Iterable[Any] | None = None) -> list[Row]:
        return await self.run(sql, tuple(parameters or ()))

    async def commit(self) -> None:
        if self.in_transaction:
            await self.run("COMMIT", ())

    async def rollback(self) -> None:
        if self.in_transaction and not self._disk.dead:
            await self.run("ROLLBACK", ())

    async def close(self) -> None:
        """SQLite closes whatever the disk says."""
        with contextlib.suppress(apsw.Error):
            self._db.close(True)
        await asyncio.sleep(0)  # virtual time

    async def run(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        """Run one statement, or a script, and return its rows. sqlite3.Error if it fails."""
        await asyncio.sleep(SYNC_TAKES if sql == "COMMIT" else 0)  # virtual time
        return self.at_once(lambda: list(self._db.execute(sql, parameters)))

    async def run_many(self, sql: str, rows: Sequence[Row]) -> list[Row]:
        await asyncio.sleep(0)  # virtual time
        return self.at_once(lambda: list(self._db.executemany(sql, rows)))

    async def visit(self, fence: tuple[str, str], statements: Sequence[Statement]) -> list[int]:
        """A whole transaction in one go."""
        await asyncio.sleep(SYNC_TAKES)  # virtual time
        return self.at_once(lambda: transact(Visit(self._db), fence, self.planned(statements)))

    def planned(self, statements: Sequence[Statement]) -> Sequence[Statement]:
        """As they are; a planted bug has others."""
        return statements

    def at_once(self, work: Callable[[], list[T]]) -> list[T]:
        if self._disk.dead:
            raise _named(apsw.SQLITE_IOERR_WRITE, "there is no process any more (by script)")
        try:
            return work()
        except apsw.Error as error:
            raise _as_sqlite3(error) from error


def _as_sqlite3(error: apsw.Error) -> sqlite3.Error:
    """The error that sqlite3 would have raised."""
    return _named(getattr(error, "extendedresult", apsw.SQLITE_ERROR), str(error))


def _named(code: int, words: str) -> sqlite3.Error:
    kind = (
        sqlite3.DatabaseError if code & 0xFF in (apsw.SQLITE_CORRUPT, apsw.SQLITE_NOTADB) else sqlite3.OperationalError
    )
    error = kind(words)
    error.sqlite_errorcode = code
    return error


class Visit:
    """What `transact` uses of sqlite3.Connection."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def execute(self, sql: str, /) -> Done:
        return self._done(lambda: list(self._db.execute(sql)))

    def executemany(self, sql: str, rows: Sequence[Row], /) -> Done:
        return self._done(lambda: list(self._db.executemany(sql, rows)))

    def _done(self, work: Callable[[], list[Row]]) -> Done:
        before = self._db.total_changes()
        return Done(work(), self._db.total_changes() - before)


@dataclass(frozen=True, slots=True)
class Done:
    rows: list[Row]
    rowcount: int

    def fetchall(self) -> list[Row]:
        return self.rows


class StoreDisk:
    """The store's port `Disk`, on a disk that can fail."""

    def __init__(self, disk: Disk, kind: type[InlineConnection] = InlineConnection) -> None:
        self._disk = disk
        self._kind = kind

    async def connect(self, path: Path) -> aiosqlite.Connection:
        await asyncio.sleep(0)  # virtual time
        try:
            db = apsw.Connection(str(path), vfs=self._disk.vfs)
        except apsw.Error as error:
            raise _as_sqlite3(error) from error
        return cast(aiosqlite.Connection, self._kind(db, self._disk))  # it has what the store uses of one

    async def transact(
        self, connection: aiosqlite.Connection, fence: tuple[str, str], statements: Sequence[Statement]
    ) -> list[int]:
        return await cast(InlineConnection, connection).visit(fence, statements)

    @contextmanager
    def held(self, path: Path) -> Iterator[None]:
        reader = None
        with contextlib.suppress(apsw.Error):
            reader = apsw.Connection(str(path), vfs=self._disk.vfs, flags=apsw.SQLITE_OPEN_READONLY)
            reader.execute("SELECT name FROM sqlite_schema").fetchall()
        try:
            yield
        finally:
            with contextlib.suppress(apsw.Error):  # SQLite closes whatever the disk says
                if reader is not None:
                    reader.close(True)

    def open(self, path: Path) -> Handle:
        return _Handle(self._disk, path)

    def replace(self, path: Path, content: bytes) -> None:
        with _as_os_error():
            self._disk.replace(path.name, content)

    async def work(self, work: Callable[[], T]) -> T:
        await asyncio.sleep(0)  # virtual time
        return work()


class _Handle:
    """A file that is not SQLite's. What is written is seen at once, and durable when it is synced."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk, self._path = disk, path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        disk.opened(path.name)

    def write(self, data: bytes, offset: int) -> None:
        with _as_os_error():
            self._disk.write(self._path.name, data, offset, self._path.stat().st_size)
        os.pwrite(self._handle, data, offset)

    def sync(self) -> None:
        with _as_os_error():
            self._disk.sync(self._path.name)

    def close(self) -> None:
        os.close(self._handle)


@contextmanager
def _as_os_error() -> Iterator[None]:
    """The error that the system would have given."""
    try:
        yield
    except apsw.FullError as error:
        raise OSError(errno.ENOSPC, str(error)) from error
    except apsw.Error as error:
        raise OSError(errno.EIO, str(error)) from error
