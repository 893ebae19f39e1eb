"""The lease on a store: exactly one engine is active, and one that lost its turn can't write any more.

House rule: who may write is decided in the store, by the epoch that each transaction compares; the lock file only says
how soon another may take the next epoch. Intervals are measured by a clock that nobody sets.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Literal

import aiosqlite
import structlog
from msgspec.structs import replace as changed

from iotrules.model.errors import HeldError, LostLeaseError, StateError, UnavailableError
from iotrules.stores import lockfile
from iotrules.stores.lockfile import Holder, LockFile

log = structlog.get_logger()

BEAT = 1.0
"""Seconds between two signs of life in the lock file."""

SURE = 3.0
"""Seconds after its last sign of life for which an engine takes the store for its own and lets effects out."""

LEASE = 5.0
"""Seconds without a sign of life, as seen by who waits, after which he takes over. More than SURE."""

BUSY_MS, HURRY_MS = 5000, 1000
"""How long a transaction waits for another's end: in general, and for one of a process that has stopped."""

_ROW = "SELECT value FROM meta WHERE name = 'lease'"

Succession = Literal["", "ended", "died", "stopped"]
"""What became of the engine before: there was none, it left by itself, its process ended, or it does not run on."""


class StoreLease:
    """The port `Lease`, for one store. `claim`, then `take`; from then on a thread of its own gives signs of life.

    `beat`: seconds between two; 0 for one who is alone and whose time is another: there is no thread then.
    """

    def __init__(
        self, store: Path, name: str = "iotrules", *, beat: float = BEAT, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._path = Path(f"{store}.lock")
        self._now = now
        self._beat = beat
        self._name = name
        self._me = lockfile.this_process(name, time.time_ns())
        self._file: LockFile | None = None
        self._stopped: Holder | None = None
        self._content = b""
        self._silence, self._looked = 0.0, 0.0
        self._renewed = float("-inf")
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._on_lost: Callable[[LostLeaseError], None] = lambda _: None
        self._lost: LostLeaseError | None = None
        self.succession: Succession = ""

    @property
    def epoch(self) -> int:
        """Goes up with each engine on this store: the fencing token. 0 before it is taken."""
        return self._me.epoch

    def when_lost(self, tell: Callable[[LostLeaseError], None]) -> None:
        """Have `tell` called, on a thread of ours, when it turns out that another engine has taken over."""
        self._on_lost = tell

    def claim(self) -> None:
        """See that no other engine is active. HeldError: one is; come again, a stopped one has its time.

        LostLeaseError: we were, and another has taken over. UnavailableError: the lock file can't be opened.
        """
        self._check()
        if self._file is not None or self._stopped is not None:
            return
        try:
            self._store.parent.mkdir(parents=True, exist_ok=True)
            free = lockfile.lock(self._path)
            content = lockfile.read(self._path)
        except OSError as error:
            raise UnavailableError(f"store {self._store}: {error.strerror}") from error
        holder = lockfile.holder_in(content)
        silent = self._is_silent(content)
        if free is not None and (silent or not self._may_run_elsewhere(holder)):
            self._begin(free, holder)
        elif free is None and silent and holder is not None:
            self._stopped = holder
        else:
            if free is not None:
                free.close()
            raise self._held(holder, certain=free is None)

    async def take(self, connection: aiosqlite.Connection) -> None:
        """Take the next epoch, in one transaction; after it nobody of an earlier one can commit.

        HeldError: another engine was quicker, or the one that seemed stopped runs on.
        """
        if self.epoch:
            return
        await self._begin_transaction(connection)
        try:
            self._have_the_file()
            epoch = _epoch(await connection.execute_fetchall(_ROW)) + 1
            me = changed(self._me, epoch=epoch)
            await connection.execute("INSERT OR REPLACE INTO meta VALUES ('lease', ?)", (_token(me),))
            await connection.execute("COMMIT")
        except BaseException:
            await connection.rollback()
            raise
        self._me = me
        self._renew()

    async def fence(self, connection: aiosqlite.Connection) -> None:
        """In a transaction that writes: LostLeaseError if the store has given a later epoch than ours."""
        self._check()
        if [row[0] for row in await connection.execute_fetchall(_ROW)] != [_token(self._me)]:
            raise self.lose()

    def fence_query(self) -> tuple[str, str]:
        """For a transaction: a query and what it must give, or else `lose`. LostLeaseError: that is known already."""
        self._check()
        return _ROW, _token(self._me)

    def lose(self) -> LostLeaseError:
        """Another engine has taken over: what to raise."""
        self._lost = LostLeaseError(
            f"another engine has taken over the store {self._store}, since this one ({self._me}) gave no sign of life "
            f"for {LEASE:g} s; nothing was lost, and this one ends"
        )
        self._on_lost(self._lost)
        return self._lost

    def valid(self) -> bool:
        """Is it certain that no other engine is active? Not after a pause, until it was looked at."""
        return self.epoch > 0 and self._lost is None and self._now() - self._renewed < SURE

    async def confirm(self) -> None:
        """Return once it is certain that no other engine is active. LostLeaseError: one is."""
        while not self.valid():
            await asyncio.to_thread(self._renew)
            self._check()
            if self._file is None:
                raise StateError(f"store {self._store} is not open")
            if not self.valid():  # nobody has taken the store, but the file can't be written, or another is about to
                await asyncio.sleep(BEAT / 4)

    def release(self) -> None:
        """Let the next engine have the store at once. A lease that was lost stays lost."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with self._mutex:
            if self._file is not None:
                with contextlib.suppress(OSError):  # who waits finds the lock free in any case
                    if self.epoch:
                        self._file.write(changed(self._me, ended=True))
                self._file.close()
        self._file = self._thread = self._stopped = None
        self._me = lockfile.this_process(self._name, time.time_ns())

    def _held(self, holder: Holder | None, *, certain: bool) -> HeldError:
        who = str(holder) if holder is not None else "one that does not say who it is"
        return HeldError(
            f"store {self._store} is in use by another engine: {who}{self._silent_for()}; stop that one, wait for it "
            "with --standby, or name another store with --store",
            holder=who,
            certain=certain,
        )

    def _silent_for(self) -> str:
        with contextlib.suppress(OSError):
            seconds = time.time() - self._path.stat().st_mtime
            if lockfile.read(self._path) and seconds > LEASE:
                return f", which gave its last sign of life {seconds:.0f} s ago and seems to be stopped"
        return ""

    def _is_silent(self, content: bytes) -> bool:
        """Has it been the same for a whole lease? Time in which we did not look ourselves does not count."""
        now = self._now()
        if content != self._content:
            self._content, self._silence = content, 0.0
        else:
            self._silence += min(now - self._looked, BEAT)
        self._looked = now
        return self._silence >= LEASE

    def _may_run_elsewhere(self, holder: Holder | None) -> bool:
        """On another machine, of whose locks our file system may know nothing."""
        if holder is None or holder.ended:
            return False
        return holder.boot != self._me.boot and holder.host != self._me.host

    def _begin(self, file: LockFile, before: Holder | None) -> None:
        """Have the file, and give signs of life from now on, also while the store is being read."""
        self._file = file
        if before is not None:
            self.succession = "ended" if before.ended else "died"
        self._ended = threading.Event()
        self._renew()
        if self._beat:
            self._start_keeping()

    def _start_keeping(self) -> None:
        self._thread = threading.Thread(target=self._keep, name=f"lease {self._store}", daemon=True)
        self._thread.start()

    def _have_the_file(self) -> None:
        """In the transaction that takes an epoch: only one at a time comes here."""
        if self._stopped is None:
            if self._file is None or not self._file.is_at(self._path):
                self._give_back()
                raise self._held(lockfile.holder_in(lockfile.read(self._path)), certain=True)
            return
        before, self._stopped = self._stopped, None
        content = lockfile.read(self._path)
        if content != self._content:  # it runs on, or somebody was quicker
            raise self._held(lockfile.holder_in(content), certain=True)
        try:
            self._begin(lockfile.replace(self._path), before)
        except OSError as error:
            raise UnavailableError(f"store {self._store}: {error.strerror}") from error
        self.succession = "stopped"

    def _give_back(self) -> None:
        with self._mutex:
            if self._file is not None:
                self._file.close()
                self._file = None
        self._ended.set()

    async def _begin_transaction(self, connection: aiosqlite.Connection) -> None:
        stopped = self._stopped
        if stopped is None:
            await connection.execute("BEGIN IMMEDIATE")
            return
        await connection.execute(f"PRAGMA busy_timeout = {HURRY_MS}")
        try:
            await connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            self._end_in_mid_commit(stopped)
            await connection.execute("BEGIN IMMEDIATE")
        finally:
            await connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")

    def _end_in_mid_commit(self, holder: Holder) -> None:
        """A stopped process that holds the store's write lock can only be ended: as a kill, it loses nothing.

        Nobody but a process of this machine that is stopped by a signal is ended. UnavailableError: it is not such a
        one, or not ours to end.
        """
        words = f"store {self._store}: {holder} holds it in the middle of a commit and does not run on"
        if holder.boot != self._me.boot or process_is(holder) != "T":
            raise UnavailableError(f"{words}: have it go on, or end it (kill -9 {holder.pid} on {holder.host})")
        try:
            os.kill(holder.pid, signal.SIGKILL)
        except OSError as error:
            raise UnavailableError(f"{words}, and may not be ended by us ({error.strerror}): kill -9 it") from error
        log.warning("ended an engine that was stopped in the middle of a commit", holder=str(holder))

    def _keep(self) -> None:
        while not self._ended.wait(self._beat):
            self._renew()

    def _renew(self) -> None:
        """A sign of life, if the file is still ours; else find out whose the store is."""
        with self._mutex:
            if self._file is None or self._lost is not None:
                return
            began = self._now()
            try:
                if not self._file.is_at(self._path) and not self._get_it_back(self._file):
                    return
                self._me = changed(self._me, pulse=self._me.pulse + 1)
                self._file.write(self._me)
            except OSError as error:
                log.warning("no sign of life could be written", file=str(self._path), reason=error.strerror)
                return
            self._renewed = began

    def _get_it_back(self, old: LockFile) -> bool:
        """Another file is there: a standby has taken over, is about to, or somebody has removed ours."""
        token = _stored_token(self._store)
        if self.epoch and token is not None and token != _token(self._me):
            self.lose()
            return False
        free = lockfile.lock(self._path)
        if free is None:
            return False
        old.close()
        self._file = free
        return True

    def _check(self) -> None:
        if self._lost is not None:
            raise self._lost


def process_is(holder: Holder) -> str:
    """The state's letter of the holder's process, "" if there is none, or another has its number now."""
    state, started = lockfile.process_state(holder.pid)
    return state if started == holder.started else ""


def _token(holder: Holder) -> str:
    return f"{holder.epoch} {holder.owner}"


def _epoch(rows: object) -> int:
    """The newest epoch that the store has given; 0 for none."""
    for (value,) in rows if isinstance(rows, list) else ():
        return int(str(value).partition(" ")[0])
    return 0


def _stored_token(store: Path) -> str | None:
    """Read on a thread of ours; None where it can't be just now."""
    try:
        uri = f"{store.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=1, isolation_level=None)) as db:
            row = db.execute(_ROW).fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])
