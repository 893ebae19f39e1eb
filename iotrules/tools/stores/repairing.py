"""Salvaging what is provably good of a damaged store into a new one; the damaged one is kept beside it.

House rule: nothing is written to the damaged files. Of the journal that part is good whose chain of hashes holds, of
the snapshot all or nothing. What inputs that are lost have caused is lost with them, and no sequence is used again:
effects are named by it.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib import resources
from pathlib import Path

import msgspec

from iotrules.model.errors import ConfigError, StateError, UnavailableError
from iotrules.model.inputs import Input, decode_input
from iotrules.stores.guard import beside, log_path, of_pages, write_beside
from iotrules.stores.head import read_head
from iotrules.stores.kept import JOURNAL, SNAPSHOT, VERSION, Kept, PartRow, whole_snapshot
from iotrules.stores.pages import read_sums
from iotrules.stores.seals import link, seal
from iotrules.stores.wal import read_log
from iotrules.tools.restored import restore

_PEOPLE = (
    "rules", "alerts", "transitions", "ledger", "commands", "invocations", "device_state", "dead_letters", "counters",
)  # fmt: skip

_FORGET = (
    "CREATE TEMP TABLE lost AS SELECT DISTINCT rule, key FROM transitions WHERE sequence > :upto",
    "DELETE FROM commands WHERE id IN (SELECT id FROM ledger WHERE sequence > :upto)",
    "DELETE FROM ledger WHERE sequence > :upto",
    "DELETE FROM transitions WHERE sequence > :upto",
    "DELETE FROM dead_letters WHERE sequence > :upto",
    "DELETE FROM alerts WHERE (rule, key) IN (SELECT rule, key FROM lost)",
    "INSERT INTO alerts SELECT rule, key, coalesce(json_extract(key, '$.device'), key), after, severity, episode, at,"
    " at, summary, reason, muted FROM transitions AS newest WHERE (rule, key) IN (SELECT rule, key FROM lost)"
    " AND number = (SELECT max(number) FROM transitions WHERE rule = newest.rule AND key = newest.key)",
    "DROP TABLE lost",
)
"""What the inputs after one have caused."""


@dataclass(slots=True)
class Repaired:
    """`sequence`: the newest input that is kept. `lost`: what is not, in words. `damaged`: where the old files are."""

    sequence: int
    damaged: Path
    lost: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)


def repair(store: Path) -> Repaired:
    """Put a new store in the place of a damaged one. The caller holds the store.

    StateError: nothing can be salvaged; then all is as it was. UnavailableError: the disk takes nothing.
    """
    new, copy, found = Path(f"{store}.repaired"), Path(f"{store}.salvage"), Repaired(0, _free(store))
    try:
        for old in (new, *beside(new), copy, *beside(copy)):
            old.unlink(missing_ok=True)
        for ending in ("", "-wal"):  # SQLite may write to what it opens, so it is given a copy
            if Path(f"{store}{ending}").exists():
                shutil.copyfile(f"{store}{ending}", f"{copy}{ending}")
        found.lost += _on_damaged_pages(store)
        write_beside(new, *_salvage(copy, new, _known(store), found))
        _exchange(store, new, found.damaged)
    except OSError as error:
        raise UnavailableError(f"store {store} can't be repaired now: {error.strerror}") from error
    finally:
        for file in (copy, *beside(copy), new, *beside(new)):
            file.unlink(missing_ok=True)
    return found


def _free(store: Path) -> Path:
    """A name for the damaged store that nothing has."""
    names = (Path(f"{store}.damaged-{number}") for number in range(1, 1000))
    free = next((name for name in names if not name.exists()), None)
    if free is None:
        raise ConfigError(f"there are 999 damaged stores beside {store}: remove some")
    return free


def _known(store: Path) -> int:
    """The newest sequence that there was, as the head says; 0: it does not."""
    try:
        head = read_head(store)
    except StateError:
        return 0
    return 0 if head is None else head.sequence


def _on_damaged_pages(store: Path) -> list[str]:
    """Rows there are taken as they can be read: whether they are what was written, nobody knows."""
    try:
        sums, log = read_sums(store), read_log(log_path(store))
        bad = sums.damaged(store, log.pages) if sums is not None else []
    except (StateError, FileNotFoundError):
        return []
    return [f"what stood on {of_pages(store, bad)}; people's rows there are taken as they can be read"] if bad else []


def _salvage(copy: Path, new: Path, known: int, found: Repaired) -> tuple[int, bytes]:
    """Fill the new store; the sequence and chain that it goes on from."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as old:
        kept, chain = _state(old, found.lost)
        found.sequence = kept.sequence
        with closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.executescript(resources.files("iotrules.stores").joinpath("schema.sql").read_text())
            db.execute("BEGIN")
            for table in _PEOPLE:
                found.rows[table] = _table(old, db, table, found.lost)
            used = max(known, *(_newest(db, table) for table in ("transitions", "ledger", "dead_letters")))
            if used > kept.sequence:
                found.lost.append(f"inputs {kept.sequence + 1} to {used}, with what they caused")
                for statement in _FORGET:
                    db.execute(statement, {"upto": kept.sequence} if ":upto" in statement else {})
                chain = blake2b(chain + str(used).encode(), digest_size=16).digest()
            sequence = max(used, kept.sequence)
            _write_state(db, kept, sequence, chain)
            db.execute("COMMIT")
            db.execute("PRAGMA journal_mode = WAL")
    return sequence, chain


def _state(old: sqlite3.Connection, lost: list[str]) -> tuple[Kept, bytes]:
    """The snapshot, and the journal as far as its chain holds, with the last hash."""
    try:
        meta = dict(old.execute("SELECT name, value FROM meta"))
        if meta.get("version") != VERSION:
            raise StateError(
                f"the store is of version {meta.get('version')}, this program repairs version {VERSION}:"
                " use the program that wrote it"
            )
        after, generation = (int(meta.get(f"snapshot_{name}", "0")) for name in ("sequence", "generation"))
        chain = bytes.fromhex(meta.get("snapshot_hash", ""))
        rows: list[PartRow] = old.execute(SNAPSHOT, (generation,)).fetchall()
        if bad := [name for name, body, stored in rows if seal(name, body) != stored]:
            raise ValueError(f"{len(bad)} parts of the snapshot are damaged, the first is {bad[0]}")
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise StateError(
            f"nothing can be salvaged of the engine's state ({error}): restore a copy, or begin with another store"
        ) from error
    journal: list[tuple[int, int, Input]] = []
    try:
        for sequence, now, body, stored in old.execute(JOURNAL, (after,)):
            _check_follows(journal[-1][0] if journal else after, chain, (sequence, now, body, stored))
            journal.append((sequence, now, decode_input(body)))
            chain = stored
    except (sqlite3.Error, ValueError, TypeError, msgspec.MsgspecError) as error:
        lost.append(f"the end of the journal: {error}")
    return Kept(whole_snapshot(rows), tuple(journal), journal[-1][0] if journal else after), chain


def _check_follows(newest: int, chain: bytes, row: tuple[int, int, bytes, bytes]) -> None:
    """ValueError unless the row is the next one of the chain."""
    sequence, now, body, stored = row
    if sequence != newest + 1 or link(chain, sequence, now, body) != stored:
        raise ValueError(f"its chain breaks at sequence {newest + 1}")


def _table(old: sqlite3.Connection, db: sqlite3.Connection, table: str, lost: list[str]) -> int:
    """Copy what can be read of a table that people read, forwards as far as that goes."""
    order = "ORDER BY rowid" if table in ("ledger", "dead_letters") else ""
    found = 0
    try:
        for row in old.execute(f"SELECT * FROM {table} {order}"):  # noqa: S608 - our own table names
            db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({','.join('?' * len(row))})", row)  # noqa: S608 - ours
            found += 1
    except sqlite3.Error as error:
        lost.append(f"rows of {table} after the first {found}: {error}")
    return found


def _newest(db: sqlite3.Connection, table: str) -> int:
    ((newest,),) = db.execute(f"SELECT coalesce(max(sequence), 0) FROM {table}")  # noqa: S608 - our own table names
    return int(newest)


def _write_state(db: sqlite3.Connection, kept: Kept, sequence: int, chain: bytes) -> None:
    """One snapshot of all that is known, as of a sequence that was never used for anything else."""
    restored = restore(kept)
    parts = kept.snapshot | restored.engine.take_snapshot()
    rows = [(name, 1, body, seal(name, body)) for name, body in parts.items() if body is not None]
    db.executemany("INSERT INTO snapshot VALUES (?, ?, ?, ?)", rows)
    meta = {
        "version": VERSION,
        "snapshot_sequence": str(sequence),
        "snapshot_generation": "1",
        "snapshot_hash": chain.hex(),
    }
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())


def _exchange(store: Path, new: Path, damaged: Path) -> None:
    """The damaged files first get their new names; a store is at its place only once it is whole."""
    for file, name in zip((store, *beside(store)), (damaged, *beside(damaged)), strict=True):
        if file.exists():
            file.rename(name)
    for file, name in reversed(list(zip((new, *beside(new)), (store, *beside(store)), strict=True))):
        if file.exists():
            file.rename(name)
