"""`iotrules check --format`: data for programs on stdout, words for people on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from iotrules import __version__
from iotrules.cli import main
from iotrules.cli.reports import FORMATS, Entry, report
from iotrules.model.errors import Problem
from tests.language.rule_files import HEAD

BAD = "rules:\n  b: {from: env, when: tmp > 3, severty: x}\n"


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "good.yaml").write_text(HEAD + "rules:\n  r: {from: env, when: temp > 3}\n")
    monkeypatch.chdir(tmp_path)
    return Path("rules")


def check(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["check", *(str(argument) for argument in arguments)])


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_json_of_right_files(rules: Path) -> None:
    result = check(rules, "--format", "json")
    assert result.exit_code == 0
    assert document(result) == {"version": 1, "problems": [], "rules": 1, "streams": 1, "files": 1}
    assert result.stderr == "ok: 1 rule, 1 stream in 1 file\n"


def test_json_of_wrong_files(rules: Path) -> None:
    (rules / "bad.yaml").write_text(BAD)
    result = check(rules, "--format", "json")
    assert result.exit_code == 1
    found = document(result)
    assert (found["version"], found["rules"], found["streams"], found["files"]) == (1, None, None, 2)
    first, second = found["problems"]
    assert first.pop("hint").startswith("stream env has device")
    message = 'unknown name "tmp": did you mean "temp"?'
    assert first == {"file": "rules/bad.yaml", "line": 2, "column": 24, "message": message}
    assert (second["line"], second["column"], second["hint"]) == (2, 33, "")
    assert result.stderr == "2 problems in 1 file\n"


def test_problems_with_functions_are_reported_in_the_format(rules: Path) -> None:
    Path("template.yaml").write_text("Resources: [")
    result = check(rules, "--functions", "template.yaml", "--format", "json")
    assert (result.exit_code, document(result)["problems"][0]["file"]) == (1, "template.yaml")
    Path("template.yaml").write_text("Resources: {}\n")
    (rules / "more.yaml").write_text("rules: {a: {absent: env, for: 3m, do: [{invoke: stop}]}}\n")
    found = document(check(rules, "--functions", "template.yaml", "--format", "json"))
    assert (found["rules"], found["problems"][0]["file"]) == (2, "rules/more.yaml")


def test_github_annotations(rules: Path) -> None:
    (rules / "bad.yaml").write_text(BAD)
    result = check(rules, "--format", "github")
    assert result.exit_code == 1
    first, _ = result.stdout.splitlines()
    said = 'unknown name "tmp": did you mean "temp"?%0Ahint: stream env has '
    assert first.startswith(f"::error file=rules/bad.yaml,line=2,col=24::{said}")
    assert check("rules/good.yaml", "--format", "github").stdout == ""


def test_github_commands_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem("a,b:c%.yaml", 1, 2, "100% of x: y, z\r\n::error::", "h")
    report([Entry(problem)], "github", {}, {}, "")
    escaped = "::error file=a%2Cb%3Ac%25.yaml,line=1,col=2::100%25 of x: y, z%0D%0A::error::%0Ahint: h\n"
    assert capsys.readouterr().out == escaped


def test_sarif(rules: Path) -> None:
    (rules / "ein Fehler.yaml").write_text(BAD)
    found = document(check(rules, "--format", "sarif"))
    assert (found["version"], "sarif-schema-2.1.0" in found["$schema"]) == ("2.1.0", True)
    (run,) = found["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("iotrules", __version__)
    result = run["results"][0]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["level"] == "error"
    assert result["message"]["text"].startswith("unknown name")
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "rules/ein%20Fehler.yaml"},
        "region": {"startLine": 2, "startColumn": 24},
    }


def test_sarif_of_an_absolute_path_is_a_file_uri(rules: Path) -> None:
    (rules / "bad.yaml").write_text(BAD)
    found = document(check(rules.resolve(), "--format", "sarif"))
    location = found["runs"][0]["results"][0]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == (rules / "bad.yaml").resolve().as_uri()


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_to_read_leaves_stdout_empty(form: str, tmp_path: Path) -> None:
    result = check(tmp_path / "none", "--format", form)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "does not exist" in result.stderr
