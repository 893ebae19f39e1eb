"""`iotrules commands`: what it shows of a store, and how it says that nobody can be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iotrules.cli import main
from iotrules.model.errors import UnavailableError
from iotrules.runtime.asking import ask_engine
from iotrules.stores.sqlite import SqliteStore
from tests.stores.entries import Author

RULES = """
  hot:
    from: env
    when: temp > 85
    severity: critical
    do: [{command: stop, expires: 1h, guard: {max_share: 10%, of: site, per: 10m}}]
"""
HELD = "hot~site=A,device=b2~3~1~0~0"


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """Of an engine that was stopped: b1 was commanded; what b2 and an ugly name were to be told is held."""
    path = tmp_path / "store.db"
    author, writer = Author(RULES), SqliteStore(path)
    await writer.open()
    for entry in [author.begin(), *(author.message(device, temp=90) for device in ("b1", "b2", "[red]x"))]:
        await writer.commit([entry], author.engine.rules)
    await writer.close()
    return path


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["commands", *(str(argument) for argument in arguments)])


def test_the_held_ones_are_listed_with_all_that_a_person_needs(store: Path) -> None:
    result = _run("ls", "--store", store, "--state", "held")
    assert result.exit_code == 0, result.output
    assert HELD in result.output
    assert "1 of 2 devices of site A were commanded within 10m, 10% allows 1" in result.output
    assert "[red]x" in result.output
    assert "b1" not in result.output.replace(HELD, "")


def test_json_is_for_programs(store: Path) -> None:
    result = _run("ls", "--store", store, "--json")
    document = json.loads(result.stdout)
    assert document["version"] == 1
    states = {row["device"]: row["state"] for row in document["commands"]}
    assert states == {"b1": "requested", "b2": "held", "[red]x": "held"}
    (row,) = [row for row in document["commands"] if row["id"] == HELD]
    assert (row["key"], row["rule"], row["name"]) == ({"site": "A", "device": "b2"}, "hot", "stop")
    assert len(json.loads(_run("ls", "--store", store, "--json", "--limit", "1").stdout)["commands"]) == 1


def test_nothing_is_an_answer(store: Path) -> None:
    result = _run("ls", "--store", store, "--state", "expired")
    assert (result.exit_code, result.output.strip()) == (0, "no commands are expired")


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_without_an_engine_it_says_how_to_start_one(store: Path, action: str) -> None:
    result = _run(action, HELD, "--by", "anna", "--store", store)
    assert result.exit_code == 4
    assert f"no engine is running on the store {store}: start it with `iotrules run`" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["approve", "x"], 2, "Missing option '--by'"),
        (["approve", "--by", "anna"], 2, "Missing argument 'ID...'"),
        (["ls", "--state", "hold"], 2, "'held'"),
        (["ls", "--store", "nowhere.db"], 3, "there is no store at nowhere.db"),
    ],
)
def test_wrong_usage(arguments: list[str], code: int, said: str) -> None:
    result = _run(*arguments)
    assert result.exit_code == code
    assert said in result.stderr


def test_a_path_that_is_no_socket_is_named(store: Path) -> None:
    Path(f"{store}.sock").write_text("")
    with pytest.raises(UnavailableError, match="no engine is running"):
        ask_engine(store, "approve", command="x", who="anna")
