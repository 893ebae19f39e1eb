"""What is over goes by age and number, in slices; what is open stays, however old."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from iotrules.model.times import DAY, SECOND
from iotrules.stores.retention import SLICE, Keep, Retention
from iotrules.stores.sqlite import SqliteStore
from tests.stores.entries import Author, filled, rows, write

LATER = 400 * DAY


async def _tidied(path: Path, now: int, retention: Retention | None = None) -> tuple[Counter[str], int]:
    """Tidy until nothing more is to do: how many rows of each table went, in how many slices at most `SLICE` each."""
    store, gone, slices = SqliteStore(path, retention=retention), Counter[str](), 0
    await store.open()
    more = True
    while more:
        tidied = await store.tidy(now)
        assert all(count <= SLICE for count in tidied.expired.values())
        gone.update(tidied.expired)
        slices, more = slices + 1, tidied.more
    await store.close()
    return gone, slices


async def _used(path: Path) -> Author:
    """b1 fired and was resolved, all of it delivered; b2 fires and nothing of it is delivered."""
    author, store = Author(), SqliteStore(path)
    await store.open()
    entries = [author.begin(), author.message("b1", temp=90)]
    for effect in entries[1].decision.effects:
        entries.append(author.receipt(effect.id))
    entries += [author.message("b1", temp=20), author.message("b2", temp=90)]
    entries.append(author.receipt(entries[-2].decision.effects[0].id))
    await store.commit(entries, author.engine.rules)
    await store.close()
    return author


async def test_what_is_old_goes_and_what_is_open_stays(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    author = await _used(path)
    write(path, "UPDATE commands SET state = 'succeeded' WHERE device = 'b1'")
    gone, _ = await _tidied(path, author.now + LATER)
    assert gone == {"ledger": 3, "commands": 1, "transitions": 2, "alerts": 1}
    assert rows(path, "SELECT device, state FROM alerts") == [("b2", "firing")]
    assert rows(path, "SELECT after FROM transitions") == [("firing",)]
    assert rows(path, "SELECT state, count(*) FROM ledger GROUP BY state") == [("pending", 2)]
    assert rows(path, "SELECT device, state FROM commands") == [("b2", "requested")]


async def test_nothing_young_goes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    author = await _used(path)
    assert await _tidied(path, author.now + SECOND) == (Counter(), 8)


async def test_beyond_a_number_the_oldest_go_a_slice_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    some = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
    write(path, f"{some} INSERT INTO dead_letters SELECT i, 1, 't', zeroblob(4000), i, 'json', '' FROM n")
    gone, slices = await _tidied(path, 10_000, Retention(dead_letters=Keep(DAY, 100)))
    assert gone == {"dead_letters": 900}
    assert slices >= 900 / SLICE
    assert rows(path, "SELECT min(id), count(*) FROM dead_letters") == [(901, 100)]


async def test_the_room_of_what_went_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    some = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
    write(path, f"{some} INSERT INTO dead_letters SELECT i, 1, 't', zeroblob(4000), i, 'json', '' FROM n")
    before = path.stat().st_size
    await _tidied(path, 10_000, Retention(dead_letters=Keep(DAY, 10)))
    assert path.stat().st_size < before / 4
    assert await _tidied(path, 20_000) == (Counter(), 8)  # it opens again, and is what it was


@pytest.mark.parametrize("state", ["requested", "held", "sent", "acknowledged"])
async def test_a_command_whose_outcome_is_not_known_stays(tmp_path: Path, state: str) -> None:
    path = tmp_path / "store.db"
    author = await _used(path)
    write(path, f"UPDATE commands SET state = '{state}'")
    await _tidied(path, author.now + LATER)
    assert rows(path, "SELECT count(*) FROM commands") == [(2,)]
