"""What a power cut leaves of a write-ahead log: any sectors of what was not synced, over an older filling."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from iotrules.stores.wal import FRAME_HEADER, HEADER, SECTOR, read_log

PAGE = 4096
FRAME = FRAME_HEADER + PAGE
OLD = 100
"""Frames of the older filling, each the end of a transaction."""


class Fillings(NamedTuple):
    """A log before and after the transaction that is torn, of an older filling's length; the frame it begins with."""

    before: bytes
    after: bytes
    begin: int


@pytest.fixture(scope="module")
def fillings(tmp_path_factory: pytest.TempPathFactory) -> Fillings:
    """The torn transaction begins at frame 41, whose header has its first two words at the end of a sector."""
    path = tmp_path_factory.mktemp("log") / "store.db"
    log = Path(f"{path}-wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("CREATE TABLE t (n INTEGER, text)")
        for number in range(OLD):
            db.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 300))
        db.execute("PRAGMA wal_checkpoint(RESTART)")
        number = 0
        while (begin := read_log(log).frames if number else 0) < 41:
            number += 1
            db.execute("UPDATE t SET n = n + 1 WHERE rowid = 1")
        before = log.read_bytes()
        db.execute("UPDATE t SET n = n + 1000")
        return Fillings(before, log.read_bytes(), begin)


def _torn(fillings: Fillings, landed: tuple[bool, ...]) -> bytes:
    """The first sectors of the transaction are there as `landed` says, all others are."""
    data = bytearray(fillings.after)
    first = (HEADER + fillings.begin * FRAME) // SECTOR
    for sector, there in enumerate(landed, first):
        if not there:
            data[sector * SECTOR : (sector + 1) * SECTOR] = fillings.before[sector * SECTOR : (sector + 1) * SECTOR]
    return bytes(data)


LANDED = [landed for landed in product((False, True), repeat=4) if not all(landed)]
"""The header's two sectors and what follows, in every way but that all are there."""


@pytest.mark.parametrize("landed", LANDED)
def test_a_transaction_that_is_torn_over_an_older_filling_is_no_damage(
    fillings: Fillings, tmp_path: Path, landed: tuple[bool, ...]
) -> None:
    path = tmp_path / "log"
    path.write_bytes(_torn(fillings, landed))
    found = read_log(path)
    assert (found.damage, found.frames) == ("", fillings.begin)


def test_what_was_durable_before_another_transaction_is_damaged_whatever_is_lost_of_it(
    fillings: Fillings, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    for frame, offset in product((3, 20, 30), (0, 4, 8, 16, FRAME_HEADER, FRAME - 1)):
        data = bytearray(fillings.after)
        data[HEADER + frame * FRAME + offset] ^= 1
        path.write_bytes(data)
        assert f"frame {frame + 1} of" in read_log(path).damage
