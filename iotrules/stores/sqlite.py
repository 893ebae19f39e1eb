"""The store on SQLite, by aiosqlite: one transaction a batch, synchronous=FULL, one writer.

House rule: nothing is half there. A commit that fails leaves the store as it was and says whether trying again helps.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec

from iotrules.model.decisions import decode_effect
from iotrules.model.errors import ConfigError, StateError, UnavailableError
from iotrules.model.inputs import Input, Reload, decode_input, encode_input
from iotrules.model.rules import RuleSet
from iotrules.ports import Entry, LedgerRow, Recovered
from iotrules.stores.migrations import VERSION, can_migrate, migration
from iotrules.stores.rows import EntryRows, rule_rows
from iotrules.stores.seals import link, seal

_PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file system is read-only",
    sqlite3.SQLITE_BUSY: "another process holds it",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened or made there",
}
_NO_ROOM = frozenset({sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMMAP})
"""A full disk where there was no room for the WAL's index. Any other failure to read or write is final: after a failed
fsync nobody knows what is on the disk, so the process ends, and the next one recovers from what is there."""


class SqliteStore:
    """The port `Store`. One process at a time: a lock file beside the store holds others off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None
        self._lock = asyncio.Lock()
        self._lock_file: int | None = None
        self._hash = b""
        self._under_way: set[asyncio.Task[None]] = set()

    async def open(self) -> Recovered:
        """Open or create the store. See the port; ConfigError if another engine is using it."""
        async with self._lock:
            self._hold()
            try:
                with _explained(self._path), _readable(self._path):
                    await self._connect()
                    return await self._recover()
            except UnavailableError:  # we will try again, so nobody else may have it meanwhile
                await self._disconnect()
                raise
            except BaseException:
                await self._disconnect()
                self._let_go()
                raise

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        """See the port. A caller that is cancelled does not stop it half way: all of it, or nothing."""
        await self._to_its_end(self._commit(entries, rules))

    async def snapshot(self, sequence: int, parts: dict[str, bytes | None]) -> None:
        """See the port. The journal up to `sequence` is not needed any more and goes."""
        await self._to_its_end(self._snapshot(sequence, parts))

    async def note_alive(self, now: int) -> None:
        """See the port."""
        await self._to_its_end(self._note_alive(now))

    async def close(self) -> None:
        async with self._lock:
            await self._disconnect()
            self._let_go()

    async def _commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        async with self._transaction() as connection:
            chain = self._hash
            for entry in entries:
                body = encode_input(entry.value)
                chain = link(chain, entry.sequence, entry.now, body)
                await connection.execute(
                    "INSERT INTO journal VALUES (?, ?, ?, ?)", (entry.sequence, entry.now, body, chain)
                )
            for statement, rows in EntryRows(entries).statements():
                await connection.executemany(statement, rows)
            if any(isinstance(entry.value, Reload) for entry in entries):
                await connection.execute("DELETE FROM rules")
                await connection.executemany("INSERT INTO rules VALUES (?,?,?,?,?,?,?,?)", rule_rows(rules))
        self._hash = chain

    async def _snapshot(self, sequence: int, parts: dict[str, bytes | None]) -> None:
        gone = [(name,) for name, body in parts.items() if body is None]
        kept = [(name, body, seal(name, body)) for name, body in parts.items() if body is not None]
        async with self._transaction() as connection:
            await connection.executemany("DELETE FROM snapshot WHERE part = ?", gone)
            await connection.executemany("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?)", kept)
            await connection.execute("INSERT OR REPLACE INTO meta VALUES ('snapshot_sequence', ?)", (str(sequence),))
            await connection.execute(  # none there: the sequence of the last snapshot, whose hash stays
                "INSERT OR REPLACE INTO meta SELECT 'snapshot_hash', hex(hash) FROM journal WHERE sequence = ?",
                (sequence,),
            )
            await connection.execute(  # the journal tells when it was written until it goes
                "INSERT OR REPLACE INTO meta SELECT 'alive', now FROM journal WHERE sequence = ?", (sequence,)
            )
            await connection.execute("DELETE FROM journal WHERE sequence <= ?", (sequence,))

    async def _note_alive(self, now: int) -> None:
        async with self._transaction() as connection:
            await connection.execute("INSERT OR REPLACE INTO meta VALUES ('alive', ?)", (str(now),))

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """SQLite's thread can't be called back: who is cancelled leaves, the transaction still ends as it must."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _let_go(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _hold(self) -> None:
        """Be the only engine on this store; the lock goes with the process, however it ends."""
        if self._lock_file is not None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnavailableError(f"store {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise ConfigError(
                f"store {self._path} is in use by another engine; stop that one, or name another with --store"
            ) from error
        self._lock_file = handle

    async def _connect(self) -> None:
        await self._disconnect()
        self._connection = await aiosqlite.connect(self._path, isolation_level=None, timeout=5)
        version = await self._version(self._connection)  # before anything is written
        await self._connection.execute("PRAGMA journal_mode = WAL")
        await self._connection.execute("PRAGMA synchronous = FULL")
        if version is None:
            await self._create(self._connection)
        else:
            await self._migrate(self._connection, version)

    async def _version(self, connection: aiosqlite.Connection) -> int | None:
        """The store's version, None for an empty file; StateError if it is not one that we may write to."""
        async with connection.execute("SELECT name FROM sqlite_schema") as cursor:
            names = {name async for (name,) in cursor}
        if not names:
            return None
        if "meta" not in names:
            raise StateError(f"{self._path} is a database, but no store of iotrules: name another with --store")
        version = int(await self._meta(connection, "version", "0"))
        if not can_migrate(version):
            raise StateError(
                f"store {self._path} is of version {version}, this program reads version {VERSION}: "
                "use the program that wrote it, or another store"
            )
        return version

    async def _migrate(self, connection: aiosqlite.Connection, version: int) -> None:
        """Bring an older store up to this version, in one transaction."""
        statements = migration(version)
        if statements:
            await self._script(connection, "; ".join(statements))

    async def _create(self, connection: aiosqlite.Connection) -> None:
        """The schema and its version, in one transaction: a store is never half made."""
        schema = resources.files("iotrules.stores").joinpath("schema.sql").read_text()
        await self._script(connection, f"{schema}; INSERT INTO meta VALUES ('version', '{VERSION}')")  # noqa: S608 - ours

    async def _script(self, connection: aiosqlite.Connection, statements: str) -> None:
        """All of it, or nothing."""
        try:
            await connection.executescript(f"BEGIN IMMEDIATE; {statements}; COMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                await connection.rollback()
            raise

    async def _recover(self) -> Recovered:
        connection = self._open_connection()
        snapshot_sequence = int(await self._meta(connection, "snapshot_sequence", "0"))
        self._hash = bytes.fromhex(await self._meta(connection, "snapshot_hash", ""))
        parts = await self._read_snapshot(connection)
        entries = await self._read_journal(connection, snapshot_sequence)
        sequence = entries[-1][0] if entries else snapshot_sequence
        noted = int(await self._meta(connection, "alive", "0"))
        alive = max(noted, entries[-1][1] if entries else 0) or None
        return Recovered(parts, entries, sequence, await self._pending(connection), alive)

    async def _read_snapshot(self, connection: aiosqlite.Connection) -> dict[str, bytes]:
        """The parts, each checked: SQLite notices no flipped bit."""
        parts: dict[str, bytes] = {}
        async with connection.execute("SELECT part, body, hash FROM snapshot") as cursor:
            async for name, body, stored in cursor:
                if seal(name, body) != stored:
                    raise StateError(
                        f"store {self._path}: the snapshot is damaged at part {name}: "
                        "it is not what was written; restore a copy, or begin with another store"
                    )
                parts[name] = body
        return parts

    async def _read_journal(self, connection: aiosqlite.Connection, after: int) -> list[tuple[int, int, Input]]:
        """The journal after a sequence, its chain checked."""
        entries: list[tuple[int, int, Input]] = []
        expected = after + 1
        query = "SELECT sequence, now, body, hash FROM journal WHERE sequence > ? ORDER BY sequence"
        async with connection.execute(query, (after,)) as cursor:
            async for sequence, now, body, stored in cursor:
                self._hash = link(self._hash, sequence, now, body)
                if sequence != expected or self._hash != stored:
                    raise StateError(
                        f"store {self._path}: the journal is damaged at sequence {expected}: "
                        "it is not what was written; restore a copy, or begin with another store"
                    )
                entries.append((sequence, now, decode_input(body)))
                expected += 1
        return entries

    async def _pending(self, connection: aiosqlite.Connection) -> list[LedgerRow]:
        query = "SELECT kind, body, attempts, next_try FROM ledger WHERE state = 'pending' ORDER BY rowid"
        async with connection.execute(query) as cursor:
            return [
                LedgerRow(decode_effect(kind, body), attempts, next_try)
                async for kind, body, attempts, next_try in cursor
            ]

    async def _meta(self, connection: aiosqlite.Connection, name: str, default: str) -> str:
        async with connection.execute("SELECT value FROM meta WHERE name = ?", (name,)) as cursor:
            row = await cursor.fetchone()
        return default if row is None else str(row[0])

    def _open_connection(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise StateError(f"store {self._path} is not open")
        return self._connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        async with self._lock:
            connection = self._open_connection()
            with _explained(self._path):
                try:
                    await connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    await connection.execute("COMMIT")
                except BaseException:
                    await connection.rollback()  # nothing, if SQLite has done it already
                    raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours: passing ones are UnavailableError, all others mean the store is no good."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        passing = _PASSING[sqlite3.SQLITE_FULL] if code in _NO_ROOM else _PASSING.get(code & 0xFF)
        if passing is not None:
            raise UnavailableError(f"store {path}: {passing}") from error
        raise StateError(f"store {path} can't be used: {error}") from error


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what can't be decoded into our word for it."""
    try:
        yield
    except (msgspec.MsgspecError, LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise StateError(f"store {path} holds what this program can't read: {error}") from error
