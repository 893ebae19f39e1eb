"""What is mistyped is told with what was meant: near names, and how other languages and word processors write."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from iotrules.cli.run import command
from iotrules.yamlfile import nearest
from tests.language.rule_files import HEAD, rule_problems

KEYS = ["for", "from", "when", "absent", "severity", "summary", "clear", "do"]


@pytest.mark.parametrize(
    ("name", "valid", "meant"),
    [
        ("form", KEYS, "from"),
        ("agv", ["lag", "avg", "age", "any", "max"], "avg"),
        ("degX", ["deg", "degF", "degC", "degree"], "degC"),
        ("severty", KEYS, "severity"),
        ("wehn", KEYS, "when"),
        ("tmep", ["time", "temp", "stamp"], "temp"),
        ("temperature", ["temp", "temperatures"], "temperatures"),
        ("from", KEYS, "from"),
        ("zzz", KEYS, None),
        ("", KEYS, None),
        ("x" * 500, ["x" * 61], "x" * 59 + "…"),
    ],
)
def test_the_nearest_name(name: str, valid: list[str], meant: str | None) -> None:
    assert nearest(name, valid) == ("" if meant is None else f': did you mean "{meant}"?')


@pytest.mark.parametrize(
    ("condition", "place", "hint"),
    [
        ("temp % 2 == 0", "%", "mod(x, n)"),
        ("temp > load %", "%", "mod(x, n)"),
        ("temp <> 3", "<>", "write !="),
        ("temp ≥ 3", "≥", "write >="),
        ("temp ≤ 3", "≤", "write <="),
        ("temp ≠ 3", "≠", "write !="),
        ("temp > 85,5", ",5", "write 85.5"),
        ("temp > 85,5 degC", ",5", "85.5 degC"),
        ("temp > 85 ℃", "℃", "write degC"),
        ("fan == “running”", "“", "straight"),
        ("fan == ‘running’", "‘", "straight"),
        ("temp > −3", "−", "write -"),
        ("agv(temp, 1m) > 3", "agv", 'did you mean "avg"'),
        ("temp > 85 degX", "85 degX", "degC"),
    ],
)
def test_how_others_write(condition: str, place: str, hint: str) -> None:
    (problem,) = rule_problems(f"from: env, when: '{condition}'")
    assert problem.source[problem.column - 1 :].startswith(place)
    assert hint in f"{problem.message} {problem.hint}"


def test_a_level_that_is_none_is_told_at_its_name() -> None:
    (problem,) = rule_problems("from: env, levels: {warn: {when: door}}")
    assert problem.message == '"warn" must be one of info, minor, major, critical'
    assert problem.source[problem.column - 1 :].startswith("warn")


def test_one_problem_is_one(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"{HEAD}rules:\n  r: {{from: env, when: tmp > 3}}\n")
    result = CliRunner().invoke(command, ["--rules", str(tmp_path), "--store", str(tmp_path / "store.db")])
    assert result.exit_code == 3
    assert "1 problem; nothing was started" in result.output
