"""What a store remembers of its engine, read by another process in one short transaction, while the engine runs or not.

House rule: nothing is written, and nothing is decoded while the transaction is open.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from iotrules.model.errors import ConfigError, StateError, UnavailableError
from iotrules.model.inputs import Input, decode_input
from iotrules.stores.seals import link, seal

VERSION = "3"
BUSY_SECONDS = 5.0

SNAPSHOT = "SELECT part, body, hash FROM snapshot WHERE generation <= ? ORDER BY part, generation"
"""The rows up to a complete generation: of each part the newest comes last."""

JOURNAL = "SELECT sequence, now, body, hash FROM journal WHERE sequence > ? ORDER BY sequence"
"""The rows after a snapshot's sequence; those before it wait to be dropped."""

PartRow = tuple[str, bytes | None, bytes]
"""(part, body, hash)"""


@dataclass(frozen=True, slots=True)
class Kept:
    """The snapshot's parts, and the journal after it, oldest first: (sequence, now, input).

    `sequence` is the newest input's, also where the journal is empty.
    """

    snapshot: dict[str, bytes]
    journal: tuple[tuple[int, int, Input], ...]
    sequence: int


def read_kept(path: Path) -> Kept:
    """Read the store. ConfigError: there is none; UnavailableError: locked; StateError: damaged, or no store."""
    if not path.is_file():
        raise ConfigError(
            f"there is no store at {path}: start the engine (`iotrules run`), or name another with --store"
        )
    try:
        meta, parts, rows = _read(path)
        chain = bytes.fromhex(meta.get("snapshot_hash", ""))
        after = int(meta.get("snapshot_sequence", "0"))
        journal = _checked(rows, after, chain, path)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise StateError(f"the store {path} holds what this program can't read: {error}") from error
    return Kept(_whole(parts, path), journal, journal[-1][0] if journal else after)


def _read(path: Path) -> tuple[dict[str, str], list[PartRow], list[tuple[int, int, bytes, bytes]]]:
    """All rows as they are, of one instant. ValueError for numbers that are none."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            db.execute("BEGIN")
            meta = dict(db.execute("SELECT name, value FROM meta"))
            if meta.get("version") != VERSION:
                raise StateError(
                    f"the store {path} is of version {meta.get('version')}, this program reads version {VERSION}:"
                    " use the program that wrote it, or start the engine once to bring an older one up"
                )
            parts = db.execute(SNAPSHOT, (int(meta.get("snapshot_generation", "0")),)).fetchall()
            rows = db.execute(JOURNAL, (int(meta.get("snapshot_sequence", "0")),)).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise StateError(f"{path} is a database, but no store of iotrules: name another with --store") from error
        raise UnavailableError(f"the store {path} can't be read now: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StateError(f"{path} is damaged, or not a store of iotrules: {error}") from error
    return meta, parts, rows


def _whole(parts: list[PartRow], path: Path) -> dict[str, bytes]:
    for name, body, stored in parts:
        if seal(name, body) != stored:
            raise StateError(f"the store {path}: the snapshot is damaged at part {name}: it is not what was written")
    return whole_snapshot(parts)


def whole_snapshot(parts: list[PartRow]) -> dict[str, bytes]:
    """Of each part the newest row comes last, and says what the part is, or that it is gone."""
    found = {name: body for name, body, _ in parts}
    return {name: body for name, body in found.items() if body is not None}


def _checked(
    rows: list[tuple[int, int, bytes, bytes]], after: int, chain: bytes, path: Path
) -> tuple[tuple[int, int, Input], ...]:
    """The journal's inputs, with the chain of hashes followed."""
    found = []
    for expected, (sequence, now, body, stored) in enumerate(rows, after + 1):
        chain = link(chain, sequence, now, body)
        if sequence != expected or chain != stored:
            raise StateError(
                f"the store {path}: the journal is damaged at sequence {expected}: it is not what was written"
            )
        found.append((sequence, now, decode_input(body)))
    return tuple(found)
