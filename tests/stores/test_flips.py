"""Whatever happens to a store's files behind the engine's back: it is noticed and named, or it changes nothing.

House rule: each case is one random damage to a copy of a store that an engine left when it was killed. `FLIPS` more of
each kind: `IOTRULES_FLIPS=300 pytest tests/stores/test_flips.py`.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from iotrules.model.errors import StateError
from iotrules.model.inputs import Arrival, Messages
from iotrules.model.times import SECOND
from iotrules.stores.sqlite import SqliteStore
from iotrules.tools.stores.exporting import export
from tests.stores.entries import Author

FLIPS = int(os.environ.get("IOTRULES_FLIPS", "40"))
PAGE = 4096


class Killed(NamedTuple):
    """Where a store was left, an older copy of it, and what it says."""

    path: Path
    old: Path
    dump: list[str]


async def _left(folder: Path, old: Path, *, checkpointed: bool) -> None:
    """A store with all that there is in one, open: its files are as they are after kill -9."""
    author, store = Author(), SqliteStore(folder / "store.db")
    await store.open()
    await store.commit([author.begin()], author.engine.rules)
    for n in range(60):
        fired = author.message(f"b{n % 7}", temp=90 if n % 3 else 20)
        await store.commit([fired], author.engine.rules)
        for effect in fired.decision.effects[:1]:
            await store.commit([author.receipt(effect.id)], author.engine.rules)
        if n % 20 == 10:
            dead = author.decide(Messages((Arrival("site/A/dev/b1/env", b"\xff{" + bytes(n), author.now),)))
            await store.commit([dead], author.engine.rules)
        if n == 25 or (n == 55 and checkpointed):
            author.engine.begin_snapshot()
            sequence = author.sequence
            while parts := author.engine.snapshot_parts(2000):
                await store.snapshot(sequence, parts, complete=False)
                await store.commit([author.message("b9", temp=50)], author.engine.rules)
            await store.snapshot(sequence, {}, complete=True)
            while (await store.tidy(author.now + 100 * SECOND)).more:
                pass
        if n == 40:
            _copy(folder, old)
    _copy(folder, folder / "killed")
    await store.close()


def _copy(folder: Path, to: Path) -> None:
    to.mkdir()
    for ending in ("", "-wal", ".head", ".pages"):
        if (file := folder / f"store.db{ending}").exists():
            shutil.copy(file, to)


@pytest.fixture(params=["much in the log", "little in the log"])
async def killed(tmp_path: Path, request: pytest.FixtureRequest) -> Killed:
    await _left(tmp_path, tmp_path / "old", checkpointed=request.param.startswith("little"))
    sound = tmp_path / "sound"
    shutil.copytree(tmp_path / "killed", sound)
    return Killed(tmp_path / "killed" / "store.db", tmp_path / "old" / "store.db", list(export(sound / "store.db")))


async def _outcome(killed: Killed, place: Path, harm: Callable[[Path], None]) -> str:
    """detected, harmless or silent."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(killed.path.parent, place)
    harm(place)
    store = SqliteStore(place / "store.db")
    try:
        await store.open()
    except StateError:
        return "detected"
    await store.close()
    return "harmless" if list(export(place / "store.db")) == killed.dump else "silent"


def _flip(name: str, random_: random.Random) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        bit = random_.randrange(len(data) * 8)
        data[bit // 8] ^= 1 << bit % 8
        (folder / name).write_bytes(data)

    return harm


def _cut(name: str, random_: random.Random) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        os.truncate(folder / name, random_.randrange((folder / name).stat().st_size))

    return harm


def _zero(name: str, random_: random.Random) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        at = random_.randrange(len(data) // PAGE) * PAGE
        data[at : at + PAGE] = bytes(PAGE)
        (folder / name).write_bytes(data)

    return harm


@pytest.mark.parametrize("name", ["store.db-wal", "store.db", "store.db.head", "store.db.pages"])
@pytest.mark.parametrize("kind", [_flip, _cut, _zero])
async def test_no_damage_to_a_file_is_silent(
    killed: Killed, tmp_path: Path, name: str, kind: Callable[[str, random.Random], Callable[[Path], None]]
) -> None:
    random_ = random.Random(f"{name} {kind.__name__}")
    share = 1 if kind is _flip and name in ("store.db-wal", "store.db") else 8
    if kind is _zero and (killed.path.parent / name).stat().st_size < PAGE:
        return
    outcomes = [await _outcome(killed, tmp_path / "case", kind(name, random_)) for _ in range(max(1, FLIPS // share))]
    assert "silent" not in outcomes


@pytest.mark.parametrize("name", ["store.db-wal", "store.db", "store.db.head", "store.db.pages"])
async def test_a_file_that_is_gone_or_of_another_time_is_not_silent(killed: Killed, tmp_path: Path, name: str) -> None:
    assert await _outcome(killed, tmp_path / "case", lambda folder: (folder / name).unlink()) != "silent"
    if (old := killed.old.parent / name).exists():
        assert await _outcome(killed, tmp_path / "case", lambda folder: _put(old, folder)) != "silent"


async def test_an_old_copy_of_the_store_is_noticed(killed: Killed, tmp_path: Path) -> None:
    def harm(folder: Path) -> None:
        for name in ("store.db", "store.db-wal", "store.db.pages"):
            _put(killed.old.parent / name, folder)

    assert await _outcome(killed, tmp_path / "case", harm) == "detected"


async def test_a_deleted_log_is_noticed(killed: Killed, tmp_path: Path) -> None:
    assert await _outcome(killed, tmp_path / "case", lambda folder: (folder / "store.db-wal").unlink()) == "detected"


async def test_a_store_that_is_refused_is_left_as_it_is_so_that_what_is_lacking_can_be_put_back(
    killed: Killed, tmp_path: Path
) -> None:
    folder = tmp_path / "case"
    _copy(killed.path.parent, folder)
    (folder / "store.db-wal").unlink()
    before = {name: (folder / name).read_bytes() for name in ("store.db", "store.db.head", "store.db.pages")}
    with pytest.raises(StateError, match="has lost the inputs"):
        await SqliteStore(folder / "store.db").open()
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert (folder / "store.db-wal").read_bytes() == b""
    _put(killed.path.with_name("store.db-wal"), folder)
    store = SqliteStore(folder / "store.db")
    await store.open()
    await store.close()


async def test_a_flip_in_the_body_of_a_ledger_row_is_named(killed: Killed, tmp_path: Path) -> None:
    place = tmp_path / "case"
    shutil.copytree(killed.path.parent, place)
    store = SqliteStore(place / "store.db")
    await store.open()
    await store.close()
    data = (place / "store.db").read_bytes()
    at = data.index(b"shutdown_machine\xd9") if b"shutdown_machine\xd9" in data else data.rindex(b"shutdown_machine")
    (place / "store.db").write_bytes(data[:at] + b"T" + data[at + 1 :])
    with pytest.raises(StateError, match=r"page \d+ \(table \w+\) of the file is not what was written"):
        await SqliteStore(place / "store.db").open()


def _put(file: Path, folder: Path) -> None:
    shutil.copy(file, folder)
