"""What a store asks of the disk that it is on, where SQLite does not do so itself.

House rule: only what is written goes through it, and what may take as long as a disk; files are read as they are.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import aiosqlite

from iotrules.stores.transact import Statement, transact

T = TypeVar("T")

_CHUNK = 1_000
"""Rows that SQLite's thread hands over at once."""


class Handle(Protocol):
    """A file that is written in place."""

    def write(self, data: bytes, offset: int) -> None:
        """OSError."""
        ...

    def sync(self) -> None:
        """What was written lasts over a power cut. OSError."""
        ...

    def close(self) -> None: ...


class Disk(Protocol):
    """One store's; a process has it for itself."""

    def connect(self, path: Path) -> Awaitable[aiosqlite.Connection]:
        """Open a database in autocommit mode. sqlite3.Error."""
        ...

    async def transact(
        self, connection: aiosqlite.Connection, fence: tuple[str, str], statements: Sequence[Statement]
    ) -> list[int]:
        """See `transact`, on the connection's thread."""
        ...

    def held(self, path: Path) -> AbstractContextManager[None]:
        """Have the database open for reading, if it can be: closing another connection then writes nothing to it."""
        ...

    def open(self, path: Path) -> Handle:
        """Open a file for writing in place; it is made if need be. OSError."""
        ...

    def replace(self, path: Path, content: bytes) -> None:
        """Give a file a new content, durably: all of it, or what was there before. OSError."""
        ...

    async def work(self, work: Callable[[], T]) -> T:
        """Do what may wait for the disk while others go on."""
        ...


class SystemDisk:
    """The port of this module on the files of this machine."""

    def connect(self, path: Path) -> Awaitable[aiosqlite.Connection]:
        return aiosqlite.connect(path, isolation_level=None, timeout=5, iter_chunk_size=_CHUNK)

    async def transact(
        self, connection: aiosqlite.Connection, fence: tuple[str, str], statements: Sequence[Statement]
    ) -> list[int]:
        work = partial(transact, connection._conn, fence, statements)
        # Decision 0015: aiosqlite leaves this method without types, and without a name for others.
        changed: list[int] = await connection._execute(work)  # type: ignore[no-untyped-call]
        return changed

    @contextmanager
    def held(self, path: Path) -> Iterator[None]:
        with ExitStack() as open_:
            # Where there is no store yet, or none that can be read, there is nothing to be written either.
            with suppress(sqlite3.Error):
                reader = open_.enter_context(closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)))
                reader.execute("SELECT name FROM sqlite_schema").fetchall()
            yield

    def open(self, path: Path) -> Handle:
        return _File(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def replace(self, path: Path, content: bytes) -> None:
        new = Path(f"{path}.new")
        with new.open("wb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def work(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)


class _File:
    def __init__(self, handle: int) -> None:
        self._handle = handle

    def write(self, data: bytes, offset: int) -> None:
        os.pwrite(self._handle, data, offset)

    def sync(self) -> None:
        os.fdatasync(self._handle)

    def close(self) -> None:
        os.close(self._handle)


SYSTEM_DISK = SystemDisk()
