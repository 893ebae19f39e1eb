"""`iotrules deadletters` and `iotrules gaps`: what they show of a store, and that no message does harm."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iotrules.cli import main
from iotrules.model.inputs import Arrival, Messages
from iotrules.stores.sqlite import SqliteStore
from tests.stores.entries import Author

HOSTILE = b"\x1b[2J\x07[red]boo"
BINARY = b"\xff\x00" + bytes(range(30))


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """Of an engine that was stopped: it had three messages that could not be used."""
    path = tmp_path / "store.db"
    author, writer = Author(), SqliteStore(path)
    await writer.open()
    await writer.commit([author.begin()], author.engine.rules)
    for topic, payload in (("site/A/dev/b1/env", HOSTILE), ("site/B/dev/b2/env", BINARY), ("who/knows", b"{}")):
        entry = author.decide(Messages((Arrival(topic, payload, author.now),)))
        await writer.commit([entry], author.engine.rules)
    await writer.close()
    return path


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_they_are_listed_newest_first_and_filtered(store: Path) -> None:
    document = json.loads(_run("deadletters", "ls", "--store", store, "--json").stdout)
    assert [(row["id"], row["reason"]) for row in document["dead_letters"]] == [
        (3, "unknown topic"),
        (2, "not JSON"),
        (1, "not JSON"),
    ]
    assert base64.b64decode(document["dead_letters"][1]["payload_base64"]) == BINARY
    for filters, ids in (
        (["--reason", "not JSON"], [2, 1]),
        (["--topic", "site/A/*"], [1]),
        (["--topic", "who/knows"], [3]),
        (["--since", "10m ago"], []),
        (["--limit", "1"], [3]),
    ):
        found = json.loads(_run("deadletters", "ls", "--store", store, "--json", *filters).stdout)
        assert [row["id"] for row in found["dead_letters"]] == ids, filters
    assert "no dead letters" in _run("deadletters", "ls", "--store", store, "--reason", "none").stdout


def test_what_came_is_shown_and_moves_no_cursor(store: Path) -> None:
    shown = _run("deadletters", "show", 1, "--store", store)
    assert shown.exit_code == 0
    assert "\\x1b[2J\\x07[red]boo" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "00000000  ff 00 00 01" in _run("deadletters", "show", 2, "--store", store).stdout
    assert _run("deadletters", "show", 2, "--store", store, "--raw").stdout_bytes == BINARY
    missing = _run("deadletters", "show", 9, "--store", store)
    assert (missing.exit_code, "there is no dead letter 9" in missing.stderr) == (3, True)


@pytest.mark.parametrize("action", ["replay", "drop"])
def test_without_an_engine_nothing_is_changed(store: Path, action: str) -> None:
    result = _run("deadletters", action, 1, "--by", "anna", "--store", store)
    assert (result.exit_code, "no engine is running" in result.stderr) == (4, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [([], "--all"), ([1, "--all"], "--all"), ([1, "--reason", "x"], "go with --all"), (["--all", "--by", ""], None)],
)
def test_what_is_asked_for_must_be_clear(store: Path, given: list[object], said: str | None) -> None:
    result = _run("deadletters", "drop", "--by", "anna", "--store", store, *given)
    assert result.exit_code == (2 if said else 4)
    assert (said or "no engine") in result.stderr


async def test_what_never_came_is_shown_by_device(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    author, writer = Author(), SqliteStore(path)
    await writer.open()
    await writer.commit([author.begin()], author.engine.rules)
    for seq in (1, 4):
        body = json.dumps({"ts": author.now // 10**6 + seq * 1000, "boot": "x", "seq": seq, "temp": 20}).encode()
        entry = author.decide(Messages((Arrival("site/A/dev/b1/env", body, author.now + seq * 10**9),)))
        await writer.commit([entry], author.engine.rules)
    await writer.close()
    (gap,) = json.loads(_run("gaps", "--store", path, "--json").stdout)["gaps"]
    assert (gap["key"]["device"], gap["missing"], gap["awaited"]) == ("b1", 0, 2)
    assert "site=A device=b1" in _run("gaps", "--store", path).stdout
