"""`iotrules init`: what it makes works, and nothing that exists is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft7Validator

from iotrules.cli import main
from iotrules.cli.init import editor_lines
from iotrules.language.schema import rule_file_schema
from iotrules.yamlfile import parse, to_plain


def iotrules(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_new_directory_has_a_rule_file_that_is_right(tmp_path: Path) -> None:
    plant = tmp_path / "new" / "plant"
    result = iotrules("init", plant)
    assert result.exit_code == 0
    assert result.stdout == f"wrote: {plant}/.iotrules/schema.json\nwrote: {plant}/rules/first.yaml\n"
    assert iotrules("check", plant / "rules").exit_code == 0
    assert iotrules("lint", plant, "--info").stdout == "0 findings in 2 rules\n"
    text = (plant / "rules" / "first.yaml").read_text()
    assert Draft7Validator(rule_file_schema()).is_valid(to_plain(parse(text, "first.yaml")))


def test_editors_find_the_schema(tmp_path: Path) -> None:
    iotrules("init", tmp_path)
    first = tmp_path / "rules" / "first.yaml"
    lines = first.read_text().splitlines()
    assert lines[:2] == [
        "# yaml-language-server: $schema=../.iotrules/schema.json",
        "# $schema: ../.iotrules/schema.json",
    ]
    schema = first.parent / lines[0].partition("=")[2]
    assert json.loads(schema.read_text()) == rule_file_schema()


def test_the_path_is_right_for_the_file(tmp_path: Path) -> None:
    schema = tmp_path / ".iotrules" / "schema.json"
    assert "$schema=.iotrules/schema.json\n" in editor_lines(tmp_path / "a.yaml", schema)
    assert "$schema=../../.iotrules/schema.json\n" in editor_lines(tmp_path / "a" / "b" / "c.yaml", schema)


def test_what_exists_is_left(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    first = tmp_path / "rules" / "first.yaml"
    first.write_text("rules: {}\n")
    result = iotrules("init", tmp_path)
    assert result.exit_code == 0
    assert f"left as it is: {first}\n" in result.stdout
    assert f"wrote: {tmp_path}/.iotrules/schema.json\n" in result.stdout
    assert first.read_text() == "rules: {}\n"


def test_here_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert iotrules("init").exit_code == 0
    assert (tmp_path / "rules" / "first.yaml").exists()


def test_what_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("")
    result = iotrules("init", tmp_path)
    assert result.exit_code == 3
    assert "rules can't be written" in result.stderr
