"""What stands beside a store so that no damage passes unnoticed: its journal's head, and a sum for each of its pages.

House rule: both are looked at before SQLite opens the store, and up to date before SQLite may write to its file.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

from iotrules.model.errors import StateError, UnavailableError
from iotrules.stores.btree import owners
from iotrules.stores.disk import SYSTEM_DISK, Disk
from iotrules.stores.head import Head, HeadFile, head_path, read_head
from iotrules.stores.kept import read_kept
from iotrules.stores.pages import PageSums, pages_path, read_sums, sum_of, sums_of
from iotrules.stores.wal import Follower, Log, read_log

LOOK_FRAMES = 64
"""Of the log, after which it is looked at on the way, so that little is left to do at a checkpoint."""


def log_path(store: Path) -> Path:
    return Path(f"{store}-wal")


def remedy(store: Path) -> str:
    """What to do about a store that is damaged."""
    return (
        f"restore a newer copy, or salvage what is good with `iotrules store repair {store}`"
        f" (`iotrules store verify {store}` says more)"
    )


@dataclass(frozen=True, slots=True)
class Beside:
    """What the files beside a store say of it; None where there is no such file."""

    log: Log
    head: Head | None
    sums: PageSums | None


def inspect(store: Path) -> Beside:
    """Look at a store that is not open. StateError: it is damaged, in words that name the place; OSError."""
    log = read_log(log_path(store))
    if log.damage:
        raise StateError(f"store {store}: {log.damage}: {remedy(store)}")
    head, sums = read_head(store), read_sums(store)
    if head is not None and not (store.exists() and store.stat().st_size):
        raise StateError(f"store {store} is gone: {head_path(store)} knows of {head.sequence} inputs; {remedy(store)}")
    if is_foreign(log, head):
        raise StateError(f"store {store}: {log_path(store).name} is not the newest one of this store; {remedy(store)}")
    bad = sums.damaged(store, log.pages) if sums is not None else []
    if bad:
        raise StateError(f"store {store}: {of_pages(store, bad)}; {remedy(store)}")
    return Beside(log, head, sums)


def is_foreign(log: Log, head: Head | None) -> bool:
    """Is the log from another time? The head names it as soon as its first transaction is durable."""
    return head is not None and log.commits > 1 and log.salts != head.salts


def of_pages(store: Path, bad: list[int]) -> str:
    """Damaged pages, in words: which, and of what."""
    owned = owners(store)
    exact = _exactly(store)
    named = [f"{number} ({owned.get(number, 'unused, or of a damaged table')})" for number in bad[:5]]
    more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
    words = "page" if len(bad) == 1 else "pages"
    return (
        f"{words} {', '.join(named)}{more} of the file {'is' if len(bad) == 1 else 'are'} not what was written{exact}"
    )


def _exactly(store: Path) -> str:
    """What of the engine's state is damaged, where that can be told."""
    try:
        read_kept(store)
    except (StateError, UnavailableError) as error:
        return f": {error}"
    return ""


def check_head(store: Path, head: Head | None, sequence: int, chain: bytes | None) -> None:
    """StateError if the store has lost inputs that were durable. `chain`: its hash at the head's sequence, if known."""
    if head is None:
        return
    if sequence < head.sequence:
        lost = f"{sequence + 1} to {head.sequence}" if head.sequence > sequence + 1 else f"{head.sequence}"
        raise StateError(
            f"store {store} has lost the input{'s' if ' ' in lost else ''} {lost} of its journal: it ends at sequence"
            f" {sequence}, {head_path(store).name} says {head.sequence}; {remedy(store)}, or delete"
            f" {head_path(store)} to go on without them"
        )
    if chain is not None and chain != head.chain:
        raise StateError(
            f"store {store}: the journal is damaged at sequence {head.sequence}: it is not the one that"
            f" {head_path(store).name} was written for; {remedy(store)}"
        )


class Sums:
    """Of pages that transactions have changed; making them takes a while, and may be done while others commit."""

    def __init__(self, follower: Follower, frames: dict[int, int]) -> None:
        self._follower = follower
        self.frames = frames
        self.made: dict[int, bytes] = {}

    def make(self) -> None:
        """OSError."""
        if self.frames:
            self.made = {page: sum_of(content) for page, content in self._follower.contents(self.frames)}


class Guard:
    """Keeps both files of a store that is open. All of it may block for as long as a disk does."""

    def __init__(self, store: Path, found: Beside, disk: Disk) -> None:
        """OSError, StateError."""
        self._store = store
        self._disk = disk
        self._sums = found.sums if found.sums is not None else _adopted(store)
        self._follower = Follower(log_path(store))
        self._head = HeadFile(store, disk)

    def committed(self, sequence: int, chain: bytes) -> None:
        """A transaction is durable. Where the disk takes nothing, the head lags: the next one will say as much."""
        try:
            self._follower.look(LOOK_FRAMES)
            salts = self._follower.salts
            begun = self._head.head is None or self._head.head.salts != salts
            self._head.write(Head(sequence, chain, salts))
            if begun:
                self._head.sync()
        except OSError as error:
            if error.errno == errno.EIO:
                raise
            self._head.synced = False

    @property
    def head(self) -> Head | None:
        """What the file says; None: nothing yet."""
        return self._head.head

    def waiting(self) -> Sums:
        """The pages whose sums are yet to be made."""
        return Sums(self._follower, self._follower.waiting())

    def take(self, sums: Sums) -> None:
        """Keep those that are made."""
        last = self._follower.done(sums.frames)
        if last:
            self._sums.put({page: sums.made[page] for page in last}, self._follower.size)

    def settle(self) -> None:
        """Bring both up to date before a checkpoint, or before the database is closed. OSError: then neither."""
        self._follower.look()
        rest = self.waiting()
        rest.make()
        self.take(rest)
        if self._sums.changed:
            self._sums.save(self._store, self._disk)
        self._head.sync()

    def sync(self) -> None:
        """Have the head last over a power cut. OSError."""
        self._head.sync()

    def close(self) -> None:
        self._head.close()


def write_beside(store: Path, sequence: int, chain: bytes) -> None:
    """Both files for a store that is closed, has no log, and is known to be good. OSError."""
    sums_of(store).save(store, SYSTEM_DISK)
    forget_head(store)
    head = HeadFile(store, SYSTEM_DISK)
    head.write(Head(sequence, chain, b""))
    head.sync()
    head.close()


def forget_head(store: Path) -> None:
    head_path(store).unlink(missing_ok=True)


def beside(store: Path) -> tuple[Path, ...]:
    """All files that belong to a store, but itself."""
    return log_path(store), Path(f"{store}-shm"), head_path(store), pages_path(store)


def _adopted(store: Path) -> PageSums:
    """A store without sums, of an earlier version or copied alone: it is taken as it is.

    The first page may be written once more, outside the log, when the database is told to have one.
    """
    sums = sums_of(store) if store.exists() and store.stat().st_size else PageSums()
    sums.forget(1)
    return sums
