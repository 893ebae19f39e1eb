"""Full disks and folders without rights: said as what passes, with the store as it was, and it works again after."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from iotrules.model.errors import ConfigError, UnavailableError
from iotrules.model.inputs import Arrival, Messages
from iotrules.ports import Entry
from iotrules.stores.sqlite import SqliteStore
from tests.engine.world import START
from tests.stores.disks import SmallDisk, forbidden_folder, small_disk
from tests.stores.entries import Author, contents, filled, recovered

PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def _large(author: Author) -> Entry:
    """An entry that no free corner of a file has room for."""
    payload = json.dumps({"note": "x" * 150_000, "temp": 90}).encode()
    return author.decide(Messages((Arrival("site/A/dev/b1/env", payload, START),)))


async def _opened(path: Path) -> tuple[Author, SqliteStore]:
    await filled(path)
    author, store = Author(), SqliteStore(path)
    author.follow(await store.open())
    return author, store


async def test_a_commit_on_a_full_disk_leaves_the_store_as_it_was(disk: SmallDisk) -> None:
    path = disk.path / "store.db"
    author, store = await _opened(path)
    before = contents(path)
    entry = _large(author)
    disk.fill()
    with pytest.raises(UnavailableError, match="disk"):
        await store.commit([entry], author.engine.rules)
    with pytest.raises(UnavailableError, match="disk"):
        await store.commit([entry], author.engine.rules)
    assert contents(path) == before
    disk.free()
    await store.commit([entry], author.engine.rules)
    await store.close()
    assert (await recovered(path)).sequence == entry.sequence


async def test_a_snapshot_on_a_full_disk_leaves_the_store_as_it_was(disk: SmallDisk) -> None:
    path = disk.path / "store.db"
    author, store = await _opened(path)
    before = contents(path)
    parts: dict[str, bytes | None] = {"a": b"x" * 150_000}
    disk.fill()
    with pytest.raises(UnavailableError, match="disk"):
        await store.snapshot(author.sequence, parts)
    assert contents(path) == before
    disk.free()
    await store.snapshot(author.sequence, parts)
    await store.close()
    assert (await recovered(path)).snapshot == parts


async def test_a_new_store_on_a_full_disk_is_made_when_there_is_room(disk: SmallDisk) -> None:
    store = SqliteStore(disk.path / "store.db")
    disk.fill()
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await store.open()
    disk.free()
    assert (await store.open()).sequence == 0
    await store.close()


async def test_whatever_room_is_left_the_store_opens_and_commits_or_says_that_it_cannot(disk: SmallDisk) -> None:
    path = disk.path / "store.db"
    await filled(path)
    last, outcomes = 4, set()
    for leave in range(0, 60 * PAGE, 2 * PAGE):
        author, store = Author(), SqliteStore(path)
        disk.fill(leave)
        try:
            author.follow(await store.open())
            await store.commit([author.message("b9", temp=90)], author.engine.rules)
        except UnavailableError:
            outcomes.add("refused")
        else:
            outcomes.add("taken")
            last += 1
        disk.free()
        assert (await store.open()).sequence == last
        await store.close()
    assert outcomes == {"refused", "taken"}


async def test_an_engine_that_waits_for_room_still_holds_its_store(disk: SmallDisk) -> None:
    path = disk.path / "store.db"
    waiting, other = SqliteStore(path), SqliteStore(path)
    disk.fill()
    with pytest.raises(UnavailableError):
        await waiting.open()
    disk.free()
    with pytest.raises(ConfigError, match="in use by another engine"):
        await other.open()
    await waiting.close()
    await other.open()
    await other.close()


async def test_a_read_only_file_system_passes(disk: SmallDisk) -> None:
    path = disk.path / "store.db"
    await filled(path)
    before = path.read_bytes()
    store = SqliteStore(path)
    disk.remount("ro")
    with pytest.raises(UnavailableError):
        await store.open()
    disk.remount("rw")
    assert path.read_bytes() == before
    assert (await store.open()).sequence == 4
    await store.close()


async def test_a_folder_that_cannot_be_written_passes() -> None:
    with forbidden_folder() as folder:
        store = SqliteStore(folder / "store.db")
        with pytest.raises(UnavailableError, match="Permission denied"):
            await store.open()
    with forbidden_folder() as folder, pytest.raises(UnavailableError, match="Permission denied"):
        await SqliteStore(folder / "below" / "store.db").open()


async def test_a_store_that_somebody_else_writes_to_passes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    author, store = await _opened(path)
    entry = author.message("b9", temp=90)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="another process holds it"):
            await store.commit([entry], author.engine.rules)
        db.execute("ROLLBACK")
    await store.commit([entry], author.engine.rules)
    await store.close()
    assert (await recovered(path)).sequence == entry.sequence
