"""Everything that can be found wrong with a store, by its place. Nothing is written.

House rule: each check goes on where another has failed, so that one report names all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from iotrules.model.errors import IotrulesError, StateError
from iotrules.stores.guard import check_head, is_foreign, log_path, of_pages
from iotrules.stores.head import Head, read_head
from iotrules.stores.kept import read_kept
from iotrules.stores.pages import read_sums
from iotrules.stores.wal import Log, read_log
from iotrules.tools.restored import restore

_INTEGRITY_LINES = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """`where`: log, head, pages, database, journal or state."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """`sequence` is the newest input's, as far as it can be read; `inputs` those in the journal, `parts` of state."""

    findings: tuple[Finding, ...]
    sequence: int | None = None
    inputs: int = 0
    parts: int = 0
    notes: tuple[str, ...] = ()


def verify(store: Path) -> Verified:
    """Look at all of it. The caller holds the store. OSError if a file can't be read."""
    log = read_log(log_path(store))
    findings, notes = [], []
    if log.damage:
        findings.append(Finding("log", log.damage))
    elif log.torn:
        notes.append(f"{log_path(store).name} ends in {log.torn} frames of a transaction that never ended: harmless")
    head = _head(store, log, findings, notes)
    _pages(store, log, findings, notes)
    findings += _database(store)
    return _contents(store, head, findings, notes)


def _head(store: Path, log: Log, findings: list[Finding], notes: list[str]) -> Head | None:
    try:
        head = read_head(store)
    except StateError as error:
        findings.append(Finding("head", str(error)))
        return None
    if head is None:
        notes.append("there is no head: whether inputs at the journal's end are lacking can't be told")
    if is_foreign(log, head):
        findings.append(Finding("log", f"{log_path(store).name} is not the newest one of this store"))
    return head


def _pages(store: Path, log: Log, findings: list[Finding], notes: list[str]) -> None:
    try:
        sums = read_sums(store)
    except StateError as error:
        findings.append(Finding("pages", str(error)))
        return
    if sums is None:
        notes.append("there are no sums of pages: flipped bits in people's tables can't be told")
    elif store.exists() and (bad := sums.damaged(store, log.pages)):
        findings.append(Finding("pages", of_pages(store, bad)))


def _database(store: Path) -> Iterator[Finding]:
    """What SQLite itself finds wrong with the structure."""
    if not store.exists() or not store.stat().st_size:
        yield Finding("database", f"there is no database at {store}")
        return
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as db:
            lines = [line for (line,) in db.execute(f"PRAGMA integrity_check({_INTEGRITY_LINES})")]
    except sqlite3.Error as error:
        lines = [str(error)]
    yield from (Finding("database", line) for text in lines if text != "ok" for line in text.splitlines() if line)


def _contents(store: Path, head: Head | None, findings: list[Finding], notes: list[str]) -> Verified:
    """What the engine would recover: snapshot, journal, and that its end is there."""
    try:
        kept = read_kept(store)
    except IotrulesError as error:
        findings.append(Finding("journal" if "journal" in str(error) else "state", str(error)))
        return Verified(tuple(findings), notes=tuple(notes))
    for where, check in _checks(store, head, kept.sequence, lambda: restore(kept)):
        try:
            check()
        except StateError as error:
            findings.append(Finding(where, str(error)))
    return Verified(tuple(findings), kept.sequence, len(kept.journal), len(kept.snapshot), tuple(notes))


def _checks(
    store: Path, head: Head | None, sequence: int, replay: Callable[[], object]
) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "head", lambda: check_head(store, head, sequence, None)
    yield "state", replay
