"""The tools around rule files know templates: lint, `check --functions`, `test --coverage` and `--mutate`."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from iotrules.cli import main
from iotrules.language import load_files
from iotrules.language.linting import Finding, lint
from tests.language.rule_files import HEAD

SAM = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  stop: {Type: "AWS::Serverless::Function"}
  cool: {Type: "AWS::Serverless::Function"}
"""
LIMIT = """\
  limit:%s
    params: {max: {type: number}, hold: {type: duration, default: 1m}}
    from: env
    when: temp > max
    for: hold
"""
CASES = """\
cases:
  - name: hot for a while
    key: {site: A, device: %s}
    send: {env.temp: "80x2 90x8 60x3", every: 10s}
    expect:
      - %s
"""


def findings(rules: str) -> list[Finding]:
    files = {"r.yaml": f"{HEAD}rules:\n{rules}"}
    return [finding for finding in lint(files, load_files(files)) if not finding.kind.info]


def check(folder: Path, rules: str) -> list[str]:
    """What is wrong with the functions of these rules."""
    (folder / "r.yaml").write_text(f"{HEAD}rules:\n{rules}")
    (folder / "functions").mkdir()
    (folder / "functions" / "template.yaml").write_text(SAM)
    arguments = ["check", str(folder / "r.yaml"), "--functions", str(folder / "functions")]
    output = CliRunner().invoke(main, arguments).output
    return [line.partition(".yaml:")[2] for line in output.splitlines() if "declares no function" in line]


def play(folder: Path, *arguments: str, device: str = "b1", expect: str) -> str:
    uses = "  hot: {use: limit, with: {max: 85}, only_keys: {device: [b1]}}\n"
    (folder / "r.yaml").write_text(f"{HEAD}rules:\n{LIMIT % ''}{uses}")
    (folder / "r.test.yaml").write_text(CASES % (device, expect))
    return CliRunner().invoke(main, ["test", str(folder), *arguments], catch_exceptions=False).output


def test_a_finding_is_told_at_the_rule_with_the_place_of_its_template() -> None:
    (found,) = findings(LIMIT % "" + "  r: {use: limit, with: {max: 80, hold: 5s}}\n")
    assert (found.code, found.anchor, found.problem.line) == ("L003", HEAD.count("\n") + 7, HEAD.count("\n") + 7)
    assert "(as its template says, r.yaml:" in found.problem.message


def test_what_a_template_does_is_allowed_at_its_name_for_all_its_rules() -> None:
    uses = "  r: {use: limit, with: {max: 80, hold: 5s}}\n  s: {use: limit, with: {max: 90, hold: 5s}}\n"
    assert [found.code for found in findings(LIMIT % "" + uses)] == ["L003", "L003"]
    assert findings(LIMIT % "  # lint: allow L003 because one message is enough" + uses) == []


def test_rules_over_other_keys_are_no_twins() -> None:
    use = "  %s: {use: limit, with: {max: 80}, only_keys: {site: [%s]}}\n"
    assert findings(LIMIT % "" + use % ("r", "a") + use % ("s", "b")) == []
    assert [found.code for found in findings(LIMIT % "" + use % ("r", "a") + use % ("s", "a"))] == ["L005"]


def test_functions_that_are_given_are_looked_up(tmp_path: Path) -> None:
    template = (
        "  t: {params: {run: {type: function}, also: {type: function, default: coool}}, from: env, when: door,\n"
        "    do: [{invoke: run}, {invoke: also}, {invoke: stop}]}\n"
    )
    uses = "  r: {use: t, with: {run: stop}}\n  s: {use: t, with: {run: stopp, also: cool}}\n"
    told = check(tmp_path, template + uses)
    assert [line.split(": ", 1)[0].split(":")[0] for line in told] == ["26", "29"]
    assert ['"coool": did you mean "cool"' in told[0], '"stopp": did you mean "stop"' in told[1]] == [True, True]


def test_a_rule_of_a_template_is_tested_and_covered_like_any_other(tmp_path: Path) -> None:
    output = play(tmp_path, "--coverage", expect="{at: 1m30s, rule: hot, state: firing, because: temp 90 > 85 for 1m}")
    assert output.endswith("1 case, 0 failed\n")
    assert "limit" not in output


def test_a_mutant_looks_at_every_key(tmp_path: Path) -> None:
    dropped = "hot: only_keys: dropped: it looks at every key"
    assert dropped in play(tmp_path, "--mutate", expect="{at: 1m30s, rule: hot, state: firing}")
    assert dropped not in play(tmp_path, "--mutate", device="b2", expect="{alerts: none}")
