"""`iotrules store`: says what is wrong by its place, salvages what is good, prints the same for the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iotrules.cli import main
from iotrules.stores.sqlite import SqliteStore
from tests.stores.entries import Author, filled, recovered, rows, write


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["store", *(str(argument) for argument in arguments)])


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    await filled(path)
    return path


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_whole_store_is_called_so(store: Path) -> None:
    result = _run("verify", store, "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["whole"], document["findings"], document["sequence"]) == (0, True, [], 4)
    assert "up to sequence 4" in _run("verify", store.parent).stderr


async def test_each_thing_that_is_wrong_is_named_by_its_place(store: Path) -> None:
    _flip(store, store.read_bytes().rindex(b"b3 is at"))
    result = _run("verify", store)
    assert result.exit_code == 1
    assert "pages: page " in result.stdout
    assert "of the file is not what was written" in result.stdout
    write(store, "DELETE FROM journal WHERE sequence = 3")
    assert "journal is damaged at sequence 3" in _run("verify", store).stdout


async def test_rows_that_are_lacking_at_the_end_are_named(store: Path) -> None:
    head = Path(f"{store}.head").read_bytes()
    write(store, "DELETE FROM journal WHERE sequence >= 3")
    Path(f"{store}.head").write_bytes(head)
    result = _run("verify", store)
    assert result.exit_code == 1
    assert "lost the inputs 3 to 4 of its journal" in result.stdout


async def test_repair_keeps_what_holds_says_what_is_lost_and_leaves_the_damaged_one(store: Path) -> None:
    head = Path(f"{store}.head").read_bytes()
    write(store, "UPDATE journal SET now = now + 1 WHERE sequence = 4")
    Path(f"{store}.head").write_bytes(head)
    damaged = store.read_bytes()
    result = _run("repair", store)
    assert result.exit_code == 1
    assert "its chain breaks at sequence 4" in result.stdout
    assert "lost: inputs 4 to 4, with what they caused" in result.stdout
    assert Path(f"{store}.damaged-1").read_bytes() == damaged
    assert _run("verify", store).exit_code == 0
    assert rows(store, "SELECT device FROM alerts ORDER BY device") == [("b1",), ("b2",)]
    author, opened = Author(), SqliteStore(store)
    held = await opened.open()
    assert (held.sequence, len(held.pending)) == (4, 4)
    author.follow(held)
    again = author.message("b3", temp=90)  # what is decided anew has other names, and finds room
    assert again.sequence == 5
    await opened.commit([again], author.engine.rules)
    await opened.close()
    assert (await recovered(store)).sequence == 5


def test_repair_of_a_whole_store_loses_nothing(store: Path) -> None:
    before = _run("export", store).stdout
    assert _run("repair", store).exit_code == 0
    assert _run("export", store).stdout == before


def test_what_cannot_be_salvaged_is_left_as_it_is(store: Path) -> None:
    write(store, "INSERT INTO snapshot VALUES ('[\"device\",\"x\"]', 0, x'00', x'00')")
    before = sorted(file.name for file in store.parent.iterdir()), store.read_bytes()
    result = _run("repair", store)
    assert (result.exit_code, "nothing can be salvaged" in result.stderr) == (4, True)
    after = sorted(file.name for file in store.parent.iterdir() if not file.name.endswith(("-shm", ".lock")))
    assert (after, store.read_bytes()) == ([name for name in before[0] if not name.endswith(".lock")], before[1])


async def test_stores_that_hold_the_same_print_the_same_whenever_snapshots_were_taken(tmp_path: Path) -> None:
    printed = []
    for every in (3, 1000):
        author, path = Author(), tmp_path / f"{every}.db"
        opened = SqliteStore(path)
        await opened.open()
        for n in range(20):
            entry = author.begin() if n == 0 else author.message(f"b{n % 3}", temp=90 if n % 2 else 20)
            await opened.commit([entry], author.engine.rules)
            if n % every == every - 1:
                await opened.snapshot(author.sequence, author.engine.take_snapshot())
                await opened.tidy(author.now)
        await opened.close()
        printed.append(_run("export", path).stdout)
    assert printed[0] == printed[1]
    tables = {json.loads(line)["table"] for line in printed[0].splitlines()}
    assert tables == {"journal", "state", "alerts", "transitions", "ledger", "commands", "counters"}


def test_compact_gives_room_back_and_changes_nothing(store: Path) -> None:
    some = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
    write(store, f"{some} INSERT INTO dead_letters SELECT i, 1, 't', zeroblob(4000), i, 'json', '' FROM n")
    write(store, "DELETE FROM dead_letters")
    before = _run("export", store).stdout
    document = json.loads(_run("compact", store, "--json").stdout)
    assert document["after"] < document["before"] / 3
    assert store.stat().st_size == document["after"]
    assert _run("export", store).stdout == before
    assert _run("verify", store).exit_code == 0


def test_a_damaged_store_is_not_compacted(store: Path) -> None:
    _flip(store, store.read_bytes().rindex(b"b3 is at"))
    before = store.read_bytes()
    result = _run("compact", store)
    assert (result.exit_code, "is not what was written" in result.stderr) == (4, True)
    assert store.read_bytes() == before


@pytest.mark.parametrize("what", ["verify", "repair", "compact"])
async def test_while_an_engine_runs_only_export_is_possible(store: Path, what: str) -> None:
    engine = SqliteStore(store)
    await engine.open()
    result = _run(what, store)
    printed = _run("export", store)
    await engine.close()
    assert result.exit_code == 4
    assert f"an engine is using the store {store}: stop it to {what} the store" in result.stderr
    assert (printed.exit_code, printed.stdout != "") == (0, True)


@pytest.mark.parametrize("what", ["verify", "repair", "compact", "export"])
def test_no_store_is_said_so(tmp_path: Path, what: str) -> None:
    result = _run(what, tmp_path / "none.db")
    assert (result.exit_code, "there is no store at" in result.stderr) == (3, True)
    assert list(tmp_path.iterdir()) == []


def test_a_copy_without_what_stands_beside_it_is_taken_as_it_is(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(store, copy)
    result = _run("verify", copy)
    assert result.exit_code == 0
    assert "there is no head" in result.stderr
