"""The history on SQLite: bounded, read by the view that charts use, and never a reason to stop."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from iotrules.history.chunks import LONGEST, chunks_of, read_chunk
from iotrules.history.sqlite import TRIM_EVERY, SqliteHistory
from iotrules.history.views import HistoryView, LatestRow
from iotrules.model.decisions import Key, Reading
from iotrules.model.errors import UnavailableError
from iotrules.model.expression import Value
from iotrules.model.times import SECOND
from tests.stores.disks import SmallDisk, forbidden_folder, small_disk

B1 = Key((("site", "A"), ("device", "b1")))
B2 = Key((("site", "A"), ("device", "b2")))


def _reading(at: int, key: Key = B1, stream: str = "env", **values: Value | None) -> Reading:
    return Reading(stream, key, at * SECOND, (at + 1) * SECOND, values)


def _temps(count: int, start: int = 1) -> list[Reading]:
    return [_reading(start + n, temp=float(n)) for n in range(count)]


def _samples(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        bodies = db.execute("SELECT body FROM chunks").fetchall()
    return sorted(at // SECOND for (body,) in bodies for at, _ in read_chunk(body))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db.history"


@pytest_asyncio.fixture
async def history(path: Path) -> AsyncIterator[SqliteHistory]:
    history = SqliteHistory(path)
    yield history
    await history.close()


@pytest_asyncio.fixture
async def view(path: Path) -> AsyncIterator[HistoryView]:
    async with HistoryView(path) as view:
        yield view


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


async def test_numbers_become_samples_and_the_whole_reading_is_the_newest(
    history: SqliteHistory, view: HistoryView
) -> None:
    await history.append([_reading(1, temp=20.0, fan="running", door=True, rpm=None), _reading(2, temp=21.0)])
    assert await view.samples(B1.text, "temp") == [(1 * SECOND, 20.0), (2 * SECOND, 21.0)]
    assert await view.samples(B1.text, "fan") == await view.samples(B1.text, "door") == []
    assert await view.latest() == [LatestRow("env", B1.text, "b1", 2 * SECOND, 3 * SECOND, {"temp": 21.0})]
    await history.append([_reading(3, fan="stopped", door=False, rpm=None)])
    assert [row.reading for row in await view.latest()] == [{"fan": "stopped", "door": False, "rpm": None}]


async def test_keys_and_streams_are_kept_apart(history: SqliteHistory, view: HistoryView) -> None:
    await history.append([_reading(1, temp=1.0), _reading(1, B2, temp=2.0), _reading(1, stream="door", temp=3.0)])
    assert {(row.stream, row.device, row.reading["temp"]) for row in await view.latest()} == {
        ("env", "b1", 1.0), ("env", "b2", 2.0), ("door", "b1", 3.0),
    }  # fmt: skip
    assert await view.samples(B2.text, "temp") == [(1 * SECOND, 2.0)]
    assert await view.streams() == ["door", "env"]


async def test_a_reading_that_comes_again_is_kept_once(history: SqliteHistory, view: HistoryView) -> None:
    """After a crash, what was committed may be handed over again."""
    for _ in range(2):
        await history.append(_temps(3))
    assert len(await view.samples(B1.text, "temp")) == 3


async def test_it_goes_on_with_what_is_there(path: Path, history: SqliteHistory, view: HistoryView) -> None:
    await history.append(_temps(3))
    await history.close()
    await SqliteHistory(path).close()
    await history.append(_temps(3, start=4))
    assert _samples(path) == [1, 2, 3, 4, 5, 6]
    assert len(await view.latest()) == 1


async def test_nothing_to_append_makes_no_file(path: Path, history: SqliteHistory) -> None:
    await history.append([])
    assert not path.exists()


async def test_the_bound_holds_and_the_oldest_go_first(path: Path) -> None:
    history = SqliteHistory(path, max_samples=1000)
    for start in range(0, 3 * TRIM_EVERY, TRIM_EVERY // 2):
        await history.append(_temps(TRIM_EVERY // 2, start))
        assert len(_samples(path)) <= 1000 + TRIM_EVERY
    await history.close()
    kept = _samples(path)
    assert kept == list(range(kept[0], 3 * TRIM_EVERY))


async def test_the_bound_holds_over_many_short_runs(path: Path) -> None:
    for run in range(5):
        history = SqliteHistory(path, max_samples=1000)
        await history.append(_temps(1000, start=run * 1000))
        await history.close()
    assert len(_samples(path)) <= 1000
    assert _samples(path)[-1] == 4999


@pytest.mark.parametrize("size", [0, 100, 50_000])
async def test_a_file_that_is_no_history_is_begun_anew(
    path: Path, history: SqliteHistory, view: HistoryView, size: int
) -> None:
    path.write_bytes(b"\xa5" * size)
    await history.append(_temps(2))
    assert len(await view.samples(B1.text, "temp")) == 2


async def test_a_history_with_other_tables_is_begun_anew(path: Path, history: SqliteHistory, view: HistoryView) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE samples (x)")
    await history.append(_temps(2))
    assert len(await view.samples(B1.text, "temp")) == 2


async def test_a_history_that_was_ruined_inside_is_begun_anew(path: Path, view: HistoryView) -> None:
    history = SqliteHistory(path)
    await history.append(_temps(2000))
    await history.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))
    with pytest.raises(UnavailableError):
        await history.append(_temps(2))
    await history.append(_temps(2))
    assert len(await view.samples(B1.text, "temp")) == 2
    await history.close()


async def test_a_full_disk_costs_readings_and_no_more(disk: SmallDisk) -> None:
    path = disk.path / "store.db.history"
    history = SqliteHistory(path)
    await history.append(_temps(100))
    disk.fill()
    with pytest.raises(UnavailableError, match=r"store\.db\.history"):
        await history.append(_temps(5000, start=101))
    disk.free()
    await history.append(_temps(1, start=200))
    await history.close()
    assert _samples(path) == [*range(1, 101), 200]


async def test_a_folder_that_cannot_be_written_costs_readings_and_no_more() -> None:
    with forbidden_folder() as folder, pytest.raises(UnavailableError):
        await SqliteHistory(folder / "history").append(_temps(1))


async def test_a_reader_in_between_disturbs_nothing(path: Path, history: SqliteHistory) -> None:
    await history.append(_temps(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT sum(count) FROM chunks").fetchone() == (1,)
        await history.append(_temps(1, start=2))
        assert reader.execute("SELECT sum(count) FROM chunks").fetchone() == (1,)
    assert _samples(path) == [1, 2]


async def test_readings_come_back_whole_by_event_time_with_texts_and_flags(path: Path) -> None:
    history = SqliteHistory(path)
    later = _reading(2, temp=2.0, fan="running", door=True)
    await history.append([later, _reading(1, key=B2, temp=1.0, fan=None), _reading(3, fan="stopped")])
    await history.close()
    async with HistoryView(path) as view:
        found = await view.readings(0, 2 * SECOND)
        assert [(one.at // SECOND, one.key == B2.text, one.values) for one in found] == [
            (1, True, {"temp": 1.0}), (2, False, {"temp": 2.0, "fan": "running", "door": True}),
        ]  # fmt: skip
        assert await view.span() == (SECOND, 3 * SECOND)


async def test_texts_are_bounded_as_numbers_are(path: Path) -> None:
    history = SqliteHistory(path, max_samples=100)
    await history.append([_reading(n, fan="running") for n in range(TRIM_EVERY)])
    await history.close()
    async with HistoryView(path) as view:
        kept = await view.readings(-1, TRIM_EVERY * SECOND)
    assert 0 < len(kept) <= 100
    assert kept[-1].at == (TRIM_EVERY - 1) * SECOND


async def test_a_history_of_an_earlier_program_is_begun_anew(path: Path, history: SqliteHistory) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript("CREATE TABLE latest (key); CREATE TABLE samples (key); CREATE TABLE words (key)")
    await history.append([_reading(2, fan="running")])
    assert _samples(path) == [2]


@given(
    st.lists(
        st.builds(
            lambda at, key, values: Reading("env", key, at, at, values),
            st.integers(-(2**62), 2**62),
            st.sampled_from([B1, B2]),
            st.dictionaries(
                st.sampled_from(["temp", "fan", "door"]),
                st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5) | st.booleans(),
            ),
        ),
        max_size=3 * LONGEST,
    )
)
def test_what_goes_into_chunks_comes_out_of_them(readings: list[Reading]) -> None:
    chunks = chunks_of(readings)
    assert all(one.size <= LONGEST for one in chunks)
    found = [(one.key, at, values) for one in chunks for at, values in read_chunk(one.body)]
    wanted = [
        (one.key.text, one.at, {name: value for name, value in one.values.items() if value is not None})
        for one in readings
        if one.values
    ]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)
