"""Stores of earlier versions: what they hold is there afterwards, in the schema of today."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from iotrules.model.errors import StateError
from iotrules.stores.migrations import VERSION, can_migrate, migration
from iotrules.stores.sqlite import SqliteStore
from iotrules.stores.views import VERSION as READ
from iotrules.stores.views import StoreView
from tests.stores.entries import Author, filled, recovered


def _back_to_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("ALTER TABLE alerts DROP COLUMN muted")
        db.execute("ALTER TABLE transitions DROP COLUMN muted")
        db.execute("UPDATE meta SET value = '1' WHERE name = 'version'")


def _columns(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as db:
        return {
            table: [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]
            for table in ("alerts", "transitions")
        }


async def test_a_store_of_version_1_is_brought_up_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    entries = await filled(path)
    columns = _columns(path)
    _back_to_version_1(path)
    held = await recovered(path)
    assert [value for _, _, value in held.entries] == [entry.value for entry in entries]
    assert _columns(path) == columns
    author, store = Author(), SqliteStore(path)
    author.follow(await store.open())
    await store.commit([author.message("b1", temp=20)], author.engine.rules)
    await store.close()
    async with StoreView(path) as view:
        assert {(row.state, row.muted) for row in await view.alerts()} == {("resolved", ""), ("firing", "")}
        assert len(await view.transitions()) == 4


async def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    _back_to_version_1(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("ALTER TABLE transitions ADD COLUMN muted TEXT")  # the second statement can't be carried out
    before = _columns(path)
    with pytest.raises(StateError, match=r"store\.db"):
        await recovered(path)
    assert _columns(path) == before


def test_there_is_a_way_from_every_earlier_version() -> None:
    assert [can_migrate(version) for version in range(VERSION + 2)] == [False] + [True] * VERSION + [False]
    assert migration(VERSION) == ()
    assert str(VERSION) == READ


async def test_why_a_notification_is_muted_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    author, store = Author("  r: {from: env, when: temp > 85, cooldown: 1h}"), SqliteStore(path)
    await store.open()
    entries = [author.begin(), *(author.message(temp=temp) for temp in (90, 60, 90))]
    await store.commit(entries, author.engine.rules)
    await store.close()
    async with StoreView(path) as view:
        (alert,) = await view.alerts()
        assert alert.muted.startswith("cooldown until 2026-")
        assert [row.muted for row in await view.transitions()] == [alert.muted, "", ""]


async def test_when_an_engine_was_last_known_to_run_comes_from_the_newest_of_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    assert (await recovered(path)).alive is None
    entries = await filled(path)
    assert (await recovered(path)).alive == entries[-1].now
    store = SqliteStore(path)
    await store.open()
    await store.snapshot(entries[-1].sequence, {})  # the journal goes
    await store.close()
    assert (await recovered(path)).alive == entries[-1].now
    await store.open()
    await store.note_alive(entries[-1].now + 5)
    await store.close()
    assert (await recovered(path)).alive == entries[-1].now + 5
