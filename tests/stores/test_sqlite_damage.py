"""A store that is not what was written is refused, by the place where it is damaged; a foreign file is left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from iotrules.model.errors import StateError
from iotrules.stores.sqlite import SqliteStore
from tests.stores.entries import Author, filled, recovered, rows, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def _flip(path: Path, column: str, sequence: int) -> None:
    """Change one bit in the middle of a journal row's column."""
    ((value,),) = rows(path, f"SELECT {column} FROM journal WHERE sequence = ?", sequence)
    changed = bytearray(value)
    changed[len(changed) // 2] ^= 1
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE journal SET {column} = ? WHERE sequence = ?", (bytes(changed), sequence))


def _swap(path: Path) -> None:
    write(
        path,
        "UPDATE journal SET sequence = -2 WHERE sequence = 2",
        "UPDATE journal SET sequence = 2 WHERE sequence = 3",
        "UPDATE journal SET sequence = 3 WHERE sequence = -2",
    )


DAMAGE: dict[str, tuple[Callable[[Path], None], int]] = {
    "a bit of a body": (lambda path: _flip(path, "body", 2), 2),
    "a bit of the first body": (lambda path: _flip(path, "body", 1), 1),
    "a bit of the last body": (lambda path: _flip(path, "body", 4), 4),
    "a bit of a hash": (lambda path: _flip(path, "hash", 3), 3),
    "a time": (lambda path: write(path, "UPDATE journal SET now = now + 1 WHERE sequence = 3"), 3),
    "a middle row gone": (lambda path: write(path, "DELETE FROM journal WHERE sequence = 2"), 2),
    "the first row gone": (lambda path: write(path, "DELETE FROM journal WHERE sequence = 1"), 1),
    "two rows swapped": (_swap, 2),
    "a body of another row": (
        lambda path: write(
            path, "UPDATE journal SET body = (SELECT body FROM journal WHERE sequence = 4) WHERE sequence = 3"
        ),
        3,
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_a_changed_journal_is_refused_at_the_sequence(path: Path, what: str) -> None:
    await filled(path)
    harm, sequence = DAMAGE[what]
    harm(path)
    with pytest.raises(StateError, match=f"damaged at sequence {sequence}:"):
        await recovered(path)


async def test_a_changed_journal_behind_a_snapshot_is_refused_too(path: Path) -> None:
    author, store = Author(), SqliteStore(path)
    await store.open()
    await store.commit([author.begin(), author.message(temp=90)], author.engine.rules)
    await store.snapshot(2, author.engine.take_snapshot())
    await store.commit([author.message(temp=91)], author.engine.rules)
    await store.close()
    write(path, "UPDATE meta SET value = '00' || substr(value, 3) WHERE name = 'snapshot_hash'")
    with pytest.raises(StateError, match="damaged at sequence 3:"):
        await recovered(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET now = 'yesterday' WHERE sequence = 2",
        "UPDATE journal SET body = 'text' WHERE sequence = 2",
        "UPDATE ledger SET body = x'00'",
        "UPDATE ledger SET kind = 'prayer'",
        "UPDATE meta SET value = 'one' WHERE name = 'version'",
        "INSERT INTO meta VALUES ('snapshot_sequence', 'many')",
        "INSERT INTO meta VALUES ('snapshot_hash', 'no hex')",
        "DROP TABLE ledger",
    ],
)
async def test_what_cannot_be_read_is_refused_in_our_words(path: Path, statement: str) -> None:
    await filled(path)
    write(path, statement)
    with pytest.raises(StateError, match=r"store\.db"):
        await recovered(path)


async def test_a_changed_byte_of_the_snapshot_is_noticed(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.snapshot(0, {"part": b"body"})
    await store.close()
    assert (await recovered(path)).snapshot == {"part": b"body"}
    write(path, "UPDATE snapshot SET body = CAST('bodz' AS BLOB)")
    with pytest.raises(StateError, match="the snapshot is damaged at part"):
        await recovered(path)


async def test_a_store_with_ruined_pages_is_refused(path: Path) -> None:
    await filled(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(StateError, match=r"store\.db"):
        await recovered(path)


async def test_a_store_of_a_newer_version_is_refused_and_untouched(path: Path) -> None:
    await filled(path)
    write(path, "PRAGMA journal_mode = DELETE", "UPDATE meta SET value = '4' WHERE name = 'version'")
    before = path.read_bytes()
    with pytest.raises(StateError, match="of version 4, this program reads version 3"):
        await recovered(path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["store.db", "store.db.lock"]


async def test_a_file_that_is_no_database_is_refused_and_untouched(path: Path) -> None:
    path.write_text("streams:\n" * 1000)
    with pytest.raises(StateError, match="not a database"):
        await recovered(path)
    assert path.read_text() == "streams:\n" * 1000


async def test_a_database_of_somebody_else_is_refused_and_untouched(path: Path) -> None:
    write(path, "CREATE TABLE photos (place TEXT)")
    before = path.read_bytes()
    with pytest.raises(StateError, match="no store of iotrules"):
        await recovered(path)
    assert path.read_bytes() == before


async def test_a_refused_store_is_let_go(path: Path) -> None:
    """Neither lock nor connection is kept: a copy can be put in its place."""
    await filled(path)
    copy = path.read_bytes()
    _flip(path, "body", 2)
    refused = SqliteStore(path)
    with pytest.raises(StateError):
        await refused.open()
    path.write_bytes(copy)
    assert (await recovered(path)).sequence == 4


async def test_a_store_that_was_never_finished_is_made_anew(path: Path) -> None:
    path.touch()
    assert (await recovered(path)).sequence == 0
