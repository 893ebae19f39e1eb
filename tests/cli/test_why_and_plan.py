"""`iotrules why` and `iotrules plan` as a user calls them: what is printed where, and the exit code."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iotrules.cli import main
from tests.engine.world import OVERHEAT, STREAM
from tests.tools.stored import Stored


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with a store in which b1 was hot, and the rules beside it."""
    world = Stored(tmp_path / "store.db", OVERHEAT)
    world.sends([90, 91, 92, 93])
    world.send(40, device="b2", temp=20)
    asyncio.run(world.write())
    (tmp_path / "rules.yaml").write_text(STREAM + OVERHEAT)
    return tmp_path


def _call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_why_answers_from_a_directory_or_a_store(data: Path) -> None:
    for place in (("--data", data), ("--store", data / "store.db")):
        result = _call("why", "overheat", "--key", "site=A,device=b1", *place)
        assert result.exit_code == 0, result.output
        assert "overheat for site=A device=b1: firing (critical)" in result.stdout
        assert "rules.yaml:" in result.stdout


def test_why_as_json_is_data_only(data: Path) -> None:
    result = _call("why", "overheat", "--key", "device=b2", "--json", "--data", data)
    assert json.loads(result.stdout)["explanation"]["state"] == "inactive"


def test_why_of_a_key_never_seen_has_an_exit_code_of_its_own(data: Path) -> None:
    result = _call("why", "overheat", "--key", "site=A,device=b9", "--data", data)
    assert result.exit_code == 1
    assert "no message of this key was ever taken" in result.stdout
    assert "site=A device=b1" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("overhaet", "--key", "device=b1"), 'did you mean "overheat"'),
        (("overheat",), "name one key with --key"),
        (("overheat", "--key", "b1"), "a key is written site=A,device=b1"),
        (("overheat", "--key", "device=b1", "--at", "yesterday"), "is no instant"),
        (("overheat", "--key", "device=b1", "--at", "2020-01-01"), "the store begins later"),
    ],
)
def test_why_refuses_what_it_can_not_answer(data: Path, arguments: tuple[str, ...], words: str) -> None:
    result = _call("why", *arguments, "--data", data)
    assert result.exit_code == 3
    assert words in result.stderr


def test_a_devices_name_can_not_move_the_cursor(tmp_path: Path) -> None:
    world = Stored(tmp_path / "store.db", OVERHEAT.replace("temp > 85", 'fan == "running"'))
    world.put(
        type(world.engine.files)(
            {"rules.yaml": (STREAM + OVERHEAT).replace("{one_of: [running, stopped]}", "{type: text}")}
        )
    )
    world.send(0, device="b1", temp=20, fan="\x1b[2J")
    asyncio.run(world.write())
    assert "\x1b" not in _call("why", "overheat", "--key", "device=b1", "--data", tmp_path).stdout


def test_plan_of_the_same_rules_is_0(data: Path) -> None:
    result = _call("plan", data / "rules.yaml", "--data", data)
    assert result.exit_code == 0, result.output
    assert "no difference in alerts or state" in result.stdout


def test_plan_of_other_rules_is_1_and_as_json_data_only(data: Path) -> None:
    rules = data / "rules.yaml"
    rules.write_text(rules.read_text().replace("> 85", "> 95"))
    result = _call("plan", rules, "--data", data, "--since", "1h")
    assert result.exit_code == 1
    assert "would end: overheat for site=A device=b1, critical: the rule's condition was changed" in result.stdout
    assert json.loads(_call("plan", rules, "--data", data, "--json").stdout)["differs"] is True


def test_plan_of_what_does_not_load_or_without_a_store_is_2(data: Path, tmp_path: Path) -> None:
    rules = data / "rules.yaml"
    assert _call("plan", rules, "--store", tmp_path / "none.db").exit_code == 2
    rules.write_text(rules.read_text().replace("temp > 85", "tmp > 85"))
    result = _call("plan", rules, "--data", data)
    assert result.exit_code == 2
    assert f"{rules}:" in result.stderr
    assert _call("plan", data / "nothing", "--data", data).exit_code == 2
    assert _call("plan", rules, "--data", data, "--since", "soon").exit_code == 2
