"""Stores that earlier versions made: what they hold is there afterwards, in the schema of today, and they go on.

`tests/data/stores` holds what the real program of each version wrote, as SQL: five inputs, their snapshot, two more.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from iotrules.model.errors import StateError
from iotrules.stores.kept import VERSION as KEPT
from iotrules.stores.migrations import VERSION, can_migrate, migration
from iotrules.stores.sqlite import SqliteStore
from iotrules.stores.views import VERSION as READ
from iotrules.stores.views import StoreView
from tests.end_to_end.processes import REPOSITORY
from tests.stores.entries import Author, filled, recovered, rows

CAPTURED = sorted((REPOSITORY / "tests" / "data" / "stores").glob("version-*.sql"))


def _made(captured: Path, path: Path, *more: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("; ".join([captured.read_text(), *more]))


def _schema(path: Path) -> dict[str, list[tuple[object, ...]]]:
    names = [name for (name,) in rows(path, "SELECT name FROM sqlite_schema ORDER BY name")]
    return {name: rows(path, f"PRAGMA table_info({name})") + rows(path, f"PRAGMA index_info({name})") for name in names}


def test_each_earlier_version_is_captured() -> None:
    assert [file.stem for file in CAPTURED] == [f"version-{number}" for number in range(1, VERSION)]


@pytest.mark.parametrize("captured", CAPTURED, ids=lambda file: file.stem)
async def test_a_store_of_an_earlier_version_is_brought_up_and_goes_on(tmp_path: Path, captured: Path) -> None:
    path, new = tmp_path / "store.db", tmp_path / "new.db"
    _made(captured, path)
    await filled(new)
    author, store = Author(), SqliteStore(path)
    held = await store.open()
    assert (held.sequence, len(held.entries)) == (7, 2)
    assert len(held.pending) == 6
    author.follow(held)
    await store.commit([author.message("b1", temp=20)], author.engine.rules)
    await store.snapshot(author.sequence, author.engine.take_snapshot())
    await store.tidy(author.now)
    await store.close()
    assert _schema(path) == _schema(new)
    again = await recovered(path)
    assert (again.sequence, list(again.entries), len(again.snapshot) > 0) == (8, [], True)
    async with StoreView(path) as view:
        states = {row.device: (row.state, row.muted) for row in await view.alerts()}
        assert states == {"b1": ("resolved", ""), "b2": ("resolved", ""), "b3": ("firing", "")}
        assert len(await view.dead_letters()) == 1


@pytest.mark.parametrize("captured", CAPTURED, ids=lambda file: file.stem)
async def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path, captured: Path) -> None:
    path = tmp_path / "store.db"
    _made(captured, path, "CREATE TABLE dead_letters_by_time (x)")  # in the way of the last statement
    before = _schema(path)
    with pytest.raises(StateError, match=r"store\.db"):
        await recovered(path)
    assert _schema(path) == before
    assert rows(path, "SELECT value FROM meta WHERE name = 'version'") == [(captured.stem[-1],)]


def test_there_is_a_way_from_every_earlier_version() -> None:
    assert [can_migrate(version) for version in range(VERSION + 2)] == [False] + [True] * VERSION + [False]
    assert migration(VERSION) == ()
    assert str(VERSION) == READ == KEPT


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
