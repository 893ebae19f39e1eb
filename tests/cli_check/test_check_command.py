"""`iotrules check`, as a person runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iotrules.cli.check import command
from tests.language.rule_files import HEAD

GOOD = HEAD + "rules:\n  r: {from: env, when: temp > 3, do: [{invoke: stop}]}\n"
TEMPLATE = """\
Resources:
  StopMachine:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: stop}
  Table: {Type: AWS::DynamoDB::Table}
"""


def check(*arguments: object, env: dict[str, str] | None = None, color: bool = False) -> Result:
    return CliRunner(env=env).invoke(command, [str(argument) for argument in arguments], color=color)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "good.yaml").write_text(GOOD)
    return tmp_path / "rules"


def test_right_files_are_counted(rules: Path) -> None:
    (rules / "more.yaml").write_text("rules:\n  a: {absent: env, for: 3m}\n")
    result = check(rules)
    assert (result.exit_code, result.output) == (0, "ok: 2 rules, 1 stream in 2 files\n")


def test_problems_are_shown_with_caret_and_hint(rules: Path) -> None:
    (rules / "bad.yaml").write_text("rules:\n  b: {from: env, when: tmp > 3, severty: x}\n")
    result = check(rules)
    assert result.exit_code == 1
    assert result.output.splitlines()[:3] == [
        f'{rules}/bad.yaml:2:24: unknown name "tmp": did you mean "temp"?',
        "      b: {from: env, when: tmp > 3, severty: x}",
        "                           ^",
    ]
    assert "    hint: stream env has" in result.output
    assert result.output.endswith("2 problems in 1 file\n")


def test_functions_are_looked_up_in_the_template(rules: Path, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE)
    assert check(rules, "--functions", template).exit_code == 0
    (rules / "more.yaml").write_text("rules:\n  a: {absent: env, for: 3m, do: [{invoke: StopMachin}]}\n")
    result = check(rules, "--functions", tmp_path)
    assert result.exit_code == 1
    assert "more.yaml:2:43: " in result.output
    assert 'declares no function "StopMachin": did you mean "StopMachine"?' in result.output
    template.write_text("a: [")
    assert "not valid YAML" in check(rules, "--functions", template).output


def test_nothing_to_read_is_another_exit_code(rules: Path, tmp_path: Path) -> None:
    assert check(tmp_path / "none").exit_code == 3
    assert check(rules, "--functions", tmp_path / "none.yaml").exit_code == 3
    assert check().exit_code == 2


def test_color_is_for_terminals_that_want_it(rules: Path) -> None:
    (rules / "bad.yaml").write_text("a: b\n")
    assert "\x1b[" not in check(rules).output
    assert "\x1b[" in check(rules, color=True).output
    assert "\x1b[" not in check(rules, color=True, env={"NO_COLOR": "1"}).output


LIMITS = "rules:\n  l: {from: env, when: temp > attr.limit}\n"
DEVICES = "site,device,limit [degC]\nA,b1,85\n"


def test_the_registry_of_the_directory_is_found(rules: Path) -> None:
    (rules / "limits.yaml").write_text(LIMITS)
    assert "attr.limit: there is no registry" in check(rules).output
    (rules / "registry.csv").write_text(DEVICES)
    result = check(rules)
    assert (result.exit_code, result.output) == (
        0, f"ok: 2 rules, 1 stream in 2 files, 1 device in {rules}/registry.csv\n"
    )  # fmt: skip


def test_a_registry_is_named_by_an_option_or_among_the_files(rules: Path, tmp_path: Path) -> None:
    (rules / "limits.yaml").write_text(LIMITS)
    (tmp_path / "devices.csv").write_text(DEVICES)
    (tmp_path / "registry.csv").write_text(DEVICES)
    assert check(rules, "--registry", tmp_path / "devices.csv").exit_code == 0
    assert check(rules, tmp_path / "registry.csv").exit_code == 0
    assert check(*sorted(rules.iterdir()), tmp_path / "registry.csv").exit_code == 0
    assert "there is no registry" in check(rules / "limits.yaml", rules / "good.yaml").output


def test_several_registries_and_registries_alone_are_refused(rules: Path, tmp_path: Path) -> None:
    for folder in (rules, tmp_path):
        (folder / "registry.csv").write_text(DEVICES)
    result = check(rules, tmp_path / "registry.csv")
    assert (result.exit_code, "which is the registry?" in result.stderr) == (3, True)
    result = check(tmp_path / "registry.csv")
    assert (result.exit_code, "give the rule files that go with it" in result.stderr) == (3, True)
    result = check(rules, "--registry", tmp_path / "none.csv")
    assert (result.exit_code, "does not exist" in result.stderr) == (3, True)


def test_problems_of_the_registry_are_shown_like_those_of_rules(rules: Path) -> None:
    (rules / "registry.csv").write_text(DEVICES + "A,b2,warm\n")
    result = check(rules)
    assert result.exit_code == 1
    assert result.output.splitlines()[:3] == [
        f'{rules}/registry.csv:3:6: "warm" is text, and limit is in degC',
        "    A,b2,warm",
        "         ^",
    ]
