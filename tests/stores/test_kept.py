"""What a store remembers, read by another process: all of one instant, checked, and nothing is held up or written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from iotrules.model.errors import ConfigError, StateError
from iotrules.stores.kept import read_kept
from iotrules.stores.sqlite import SqliteStore
from tests.stores.entries import Author, contents, filled, recovered, write


async def test_it_is_what_the_engine_itself_recovers(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    own, kept = await recovered(path), read_kept(path)
    assert kept.snapshot == own.snapshot
    assert list(kept.journal) == list(own.entries)
    assert kept.sequence == own.sequence


async def test_a_running_engine_is_neither_waited_for_nor_held_up(tmp_path: Path) -> None:
    path, author = tmp_path / "store.db", Author()
    store = SqliteStore(path)
    await store.open()
    await store.commit([author.begin()], author.engine.rules)
    assert read_kept(path).sequence == 1
    await store.commit([author.message(temp=90)], author.engine.rules)
    await store.snapshot(2, author.engine.take_snapshot())
    await store.commit([author.message(temp=60)], author.engine.rules)
    kept = read_kept(path)
    assert [sequence for sequence, _, _ in kept.journal] == [3]
    assert kept.snapshot
    await store.close()


async def test_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    before, bytes_before = contents(path), path.read_bytes()
    read_kept(path)
    assert contents(path) == before
    assert path.read_bytes() == bytes_before


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE journal SET now = now + 1 WHERE sequence = 2", "damaged at sequence 2"),
        ("UPDATE meta SET value = '9' WHERE name = 'version'", "of version 9"),
        ("INSERT OR REPLACE INTO meta VALUES ('snapshot_hash', 'x')", "can't read"),
        ("DROP TABLE journal", "no store of iotrules"),
        ("INSERT INTO snapshot VALUES ('[\"device\",\"x\"]', 0, x'00', x'00')", "damaged at part"),
    ],
)
async def test_what_is_not_what_was_written_is_refused(tmp_path: Path, statement: str, words: str) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    write(path, statement)
    with pytest.raises(StateError, match=words):
        read_kept(path)


def test_no_store_and_no_database_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no store at"):
        read_kept(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("hello" * 1000)
    with pytest.raises(StateError, match="not a store"):
        read_kept(tmp_path / "text.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(StateError, match="no store"):
        read_kept(tmp_path / "other.db")
