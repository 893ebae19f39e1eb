"""The store on SQLite, by aiosqlite: one transaction a batch, synchronous=FULL, one writer.

House rule: nothing is half there. A commit that fails leaves the store as it was and says whether trying again helps.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import aiosqlite

from iotrules.model.decisions import decode_effect
from iotrules.model.errors import LostLeaseError, StateError, UnavailableError
from iotrules.model.inputs import Input, Reload, decode_input, encode_input
from iotrules.model.rules import RuleSet
from iotrules.ports import NOTHING_TIDIED, Entry, LedgerRow, Recovered, Tidied
from iotrules.stores.disk import SYSTEM_DISK, Disk
from iotrules.stores.explained import explained, readable
from iotrules.stores.guard import Guard, check_head, inspect
from iotrules.stores.head import Head
from iotrules.stores.lease import StoreLease
from iotrules.stores.meta import get_meta
from iotrules.stores.migrations import VERSION, can_migrate, migration
from iotrules.stores.retention import Retention
from iotrules.stores.rows import EntryRows, rule_rows
from iotrules.stores.seals import link
from iotrules.stores.snapshots import Snapshots, journal_after
from iotrules.stores.tidying import SWEPT, SWEPT_BESIDE, Tidying
from iotrules.stores.transact import FencedError, Statement

_LOG_LIMIT = 32 * 2**20
"""Bytes that the log's file keeps after a checkpoint, to be used again."""


class SqliteStore:
    """The port `Store`. One engine at a time: by a lease of its own, unless it is given one."""

    def __init__(
        self,
        path: Path,
        lease: StoreLease | None = None,
        *,
        retention: Retention | None = None,
        disk: Disk = SYSTEM_DISK,
    ) -> None:
        self._path = path
        self._disk = disk
        self._lease = lease or StoreLease(path)
        self._guard: Guard | None = None
        self._sound = True
        """Has no write failed in a way that leaves open what is on the disk?"""
        self._sequence = 0
        self._snapshots = Snapshots()
        self._tidying = Tidying(path, retention or Retention())
        self._connection: aiosqlite.Connection | None = None
        self._lock = asyncio.Lock()
        self._hash = b""
        self._under_way: set[asyncio.Task[None]] = set()

    async def open(self) -> Recovered:
        """Open or create the store. See the port; HeldError if another engine is using it."""
        async with self._lock:
            self._lease.claim()
            try:
                with explained(self._path), readable(self._path):
                    await self._connect()
                    recovered = await self._recover()
                    self._note_durable()
                    return recovered
            except UnavailableError:  # we will try again, so nobody else may have it meanwhile
                await self._disconnect()
                raise
            except BaseException:
                await self._disconnect()
                self._lease.release()
                raise

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        """See the port. A caller that is cancelled does not stop it half way: all of it, or nothing."""
        await self._to_its_end(self._commit(entries, rules))

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        """See the port. The journal up to `sequence` is not needed any more once it is complete: `tidy` drops it."""
        await self._to_its_end(self._snapshot(sequence, parts, complete=complete))

    async def tidy(self, now: int) -> Tidied:
        """See the port."""
        tidied = [NOTHING_TIDIED]
        await self._to_its_end(self._tidy(now, tidied))
        return tidied[-1]

    async def note_alive(self, now: int) -> None:
        """See the port."""
        await self._to_its_end(self._note_alive(now))

    async def close(self) -> None:
        async with self._lock:
            await self._disconnect()
            self._lease.release()

    async def _commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        async with self._lock:
            rows, chain = [], self._hash
            for entry in entries:
                body = encode_input(entry.value)
                chain = link(chain, entry.sequence, entry.now, body)
                rows.append((entry.sequence, entry.now, body, chain))
            statements = [("INSERT INTO journal VALUES (?, ?, ?, ?)", rows), *EntryRows(entries).statements()]
            if any(isinstance(entry.value, Reload) for entry in entries):
                statements.append(("DELETE FROM rules", [()]))
                statements.append(("INSERT INTO rules VALUES (?,?,?,?,?,?,?,?)", list(rule_rows(rules))))
            await self._transact(statements, SWEPT_BESIDE)
            if entries:
                self._sequence, self._hash = entries[-1].sequence, chain
            self._note_durable()

    async def _transact(self, statements: Sequence[Statement], swept: int) -> None:
        """One transaction; with it goes some of what old snapshots have left. The lock is ours."""
        sweeping = self._snapshots.sweeping(swept)
        with explained(self._path):
            try:
                changed = await self._disk.transact(
                    self._open_connection(), self._lease.fence_query(), [*statements, *sweeping]
                )
            except FencedError:
                raise self._lease.lose() from None
            except sqlite3.Error as error:
                self._sound = self._sound and not _leaves_open(error)
                raise
        if sweeping:
            self._snapshots.swept(changed[-1])

    async def _snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool) -> None:
        async with self._transaction() as connection:
            await self._snapshots.write(connection, sequence, parts, complete=complete)
        self._snapshots.wrote(sequence, parts, complete=complete)

    async def _tidy(self, now: int, tidied: list[Tidied]) -> None:
        expired: dict[str, int] = {}
        if self._snapshots.has_waste:
            async with self._lock:
                await self._transact([], SWEPT)
                self._note_durable()
        elif self._tidying.is_due(now):
            async with self._transaction() as connection:
                expired = await self._tidying.slice(connection, now)
        tidied.append(Tidied(self._snapshots.has_waste or self._tidying.is_due(now), expired))
        if self._tidying.wants_checkpoint(now):
            await self._checkpoint()
            self._tidying.copied(now)

    async def _checkpoint(self) -> None:
        """Copy what the log holds into the database; readers that are at it are not waited for."""
        if (guard := self._guard) is not None:
            sums = guard.waiting()
            with explained(self._path):
                await self._disk.work(sums.make)  # others commit meanwhile, so little is left to do
            guard.take(sums)
        async with self._lock:
            connection, guard = self._open_connection(), self._guard
            if not await self._is_ours(connection):
                return  # what writes next is told
            with explained(self._path):
                if guard is not None:
                    await self._disk.work(guard.settle)
                await connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")

    async def _note_alive(self, now: int) -> None:
        async with self._transaction() as connection:
            await connection.execute("INSERT OR REPLACE INTO meta VALUES ('alive', ?)", (str(now),))

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """SQLite's thread can't be called back: who is cancelled leaves, the transaction still ends as it must."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._came_to_its_end)
        await asyncio.shield(task)

    def _came_to_its_end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; a caller that was cancelled does not want it

    async def _disconnect(self) -> None:
        """With the last connection SQLite writes to the database, which must be known before, or must not be."""
        connection, self._connection = self._connection, None
        guard, self._guard = self._guard, None
        settled = False
        try:
            if connection is not None and guard is not None and self._sound and await self._is_ours(connection):
                settled = await self._disk.work(partial(_settled, guard))
        finally:
            if connection is not None:
                with nullcontext() if settled else self._disk.held(self._path):
                    await connection.close()
            if guard is not None:
                guard.close()

    async def _is_ours(self, connection: aiosqlite.Connection) -> bool:
        """Is no other engine active? What stands beside the store is then its to write."""
        if not self._lease.epoch:
            return False
        try:
            await connection.execute("BEGIN IMMEDIATE")
            await self._lease.fence(connection)
            await connection.execute("COMMIT")
        except (sqlite3.Error, LostLeaseError):
            await connection.rollback()
            return False
        return True

    async def _connect(self) -> None:
        await self._disconnect()
        found = await self._disk.work(partial(inspect, self._path))
        self._connection = await self._disk.connect(self._path)
        version = await self._version(self._connection)  # before anything is written
        self._guard, self._sound = await self._disk.work(partial(Guard, self._path, found, self._disk)), True
        if version is None:
            await self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        elif self._guard.head is not None:
            await self._check_head(self._connection, self._guard.head)
        await self._connection.execute("PRAGMA journal_mode = WAL")
        await self._connection.execute("PRAGMA synchronous = FULL")
        await self._connection.execute("PRAGMA wal_autocheckpoint = 0")  # `tidy` does it: the guard has to know before
        await self._connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT}")
        if version is None:
            await self._create(self._connection)
        await self._lease.take(self._connection)
        if version is not None:
            await self._migrate(self._connection, version)

    async def _version(self, connection: aiosqlite.Connection) -> int | None:
        """The store's version, None for an empty file; StateError if it is not one that we may write to."""
        async with connection.execute("SELECT name FROM sqlite_schema") as cursor:
            names = {name async for (name,) in cursor}
        if not names:
            return None
        if "meta" not in names:
            raise StateError(f"{self._path} is a database, but no store of iotrules: name another with --store")
        version = int(await get_meta(connection, "version", "0"))
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
        parts = await self._snapshots.read(connection, self._path)
        self._hash = bytes.fromhex(await get_meta(connection, "snapshot_hash", ""))
        behind = self._snapshots.sequence
        entries = await self._read_journal(connection, behind)
        self._sequence = entries[-1][0] if entries else behind
        noted = int(await get_meta(connection, "alive", "0"))
        alive = max(noted, entries[-1][1] if entries else 0) or None
        return Recovered(parts, entries, self._sequence, await self._pending(connection), alive)

    async def _read_journal(self, connection: aiosqlite.Connection, after: int) -> list[tuple[int, int, Input]]:
        """The journal after a sequence, its chain checked."""
        entries: list[tuple[int, int, Input]] = []
        async for sequence, now, body, stored in journal_after(connection, after):
            self._hash = link(self._hash, sequence, now, body)
            expected = after + len(entries) + 1
            if sequence != expected or self._hash != stored:
                raise StateError(
                    f"store {self._path}: the journal is damaged at sequence {expected}: "
                    "it is not what was written; restore a copy, or begin with another store"
                )
            entries.append((sequence, now, decode_input(body)))
        return entries

    async def _check_head(self, connection: aiosqlite.Connection, head: Head) -> None:
        """Does the journal reach as far as it was told to? Asked before anything is written to what may be mended."""
        rows = await connection.execute_fetchall(
            "SELECT sequence, hash FROM journal WHERE sequence >= ?", (head.sequence,)
        )
        known = {int(sequence): bytes(chain) for sequence, chain in rows}
        behind = int(await get_meta(connection, "snapshot_sequence", "0"))
        known.setdefault(behind, bytes.fromhex(await get_meta(connection, "snapshot_hash", "")))
        last = await connection.execute_fetchall("SELECT coalesce(max(sequence), 0) FROM journal")
        check_head(self._path, head, max(behind, *(int(row[0]) for row in last)), known.get(head.sequence))

    async def _pending(self, connection: aiosqlite.Connection) -> list[LedgerRow]:
        query = "SELECT kind, body, attempts, next_try FROM ledger WHERE state = 'pending' ORDER BY rowid"
        async with connection.execute(query) as cursor:
            return [
                LedgerRow(decode_effect(kind, body), attempts, next_try)
                async for kind, body, attempts, next_try in cursor
            ]

    def _open_connection(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise StateError(f"store {self._path} is not open")
        return self._connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        async with self._lock:
            connection = self._open_connection()
            with explained(self._path):
                try:
                    await asyncio.gather(connection.execute("BEGIN IMMEDIATE"), self._lease.fence(connection))
                    yield connection
                    await connection.execute("COMMIT")
                    self._note_durable()
                except BaseException as error:
                    self._sound = self._sound and not _leaves_open(error)
                    await connection.rollback()  # nothing, if SQLite has done it already
                    raise

    def _note_durable(self) -> None:
        if self._guard is not None:
            with explained(self._path):
                self._guard.committed(self._sequence, self._hash)


def _settled(guard: Guard) -> bool:
    """Are the files beside the store as they have to be before its last connection is closed?"""
    try:
        guard.settle()
    except OSError:
        return False
    return True


def _leaves_open(error: BaseException) -> bool:
    """After a failed write or fsync nobody knows what is on the disk."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR
