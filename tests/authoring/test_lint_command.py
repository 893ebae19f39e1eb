"""`iotrules lint`, as a person and a program run it; and the estimate of what rules keep in memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iotrules.cli import main
from iotrules.engine.windows import MAX_SAMPLES, SampleWindow
from iotrules.language import load_files
from iotrules.language.linting import KINDS, estimate_state
from iotrules.model.expression import WindowKind
from iotrules.model.times import SECOND
from tests.language.rule_files import HEAD


def test_state_is_estimated_from_windows() -> None:
    when = "avg(temp, 10m) > min(temp, 10m) + 1 or slope(inlet, 1h) > 2"
    files = {
        "r.yaml": f"""{HEAD}rules:
  r: {{from: env, when: '{when}', clear: 'count(fan, 7d) < 3'}}
  s: {{absent: env, for: 1m}}
  p: {{from: env, when: 'prev(temp) > 3'}}
"""
    }
    estimates = {estimate.rule: estimate for estimate in estimate_state(load_files(files), MAX_SAMPLES)}
    windows = [(window.text, window.samples, window.bound) for window in estimates["r"].windows]
    assert windows == [("temp, 10m", 60, False), ("inlet, 1h", 360, False), ("fan, 7d", MAX_SAMPLES, True)]
    assert estimates["r"].bytes > estimates["p"].bytes > estimates["s"].bytes > 0


def test_without_an_interval_the_estimate_is_a_bound() -> None:
    files = {"r.yaml": "streams: {a: {topic: a, fields: {t: }}}\nrules: {r: {from: a, when: 'max(t, 1m) > 3'}}\n"}
    (estimate,) = estimate_state(load_files(files), MAX_SAMPLES)
    assert [(window.samples, window.bound) for window in estimate.windows] == [(MAX_SAMPLES, True)]


def test_the_estimate_of_a_window_is_about_what_it_takes() -> None:
    files = {"r.yaml": f"{HEAD}rules:\n  r: {{from: env, when: 'avg(temp, 3h) > 3'}}\n"}
    (estimate,) = estimate_state(load_files(files), MAX_SAMPLES)
    (window,) = estimate.windows
    tracemalloc.start()
    kept = SampleWindow(10_800 * SECOND)
    for number in range(window.samples * 5 // 2):
        at = 1_790_000_000 * SECOND + number * 10 * SECOND
        kept.add(at, number + 0.5)
        kept.value(WindowKind.AVG, at, 1)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == window.samples
    assert 0.6 < window.bytes / taken < 1.7


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["lint", *(str(argument) for argument in arguments)])


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    text = f"{HEAD}rules:\n  r: {{from: env, when: temp > 3, for: 5s}}\n"
    (tmp_path / "r.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return Path("r.yaml")


def test_findings_are_shown_with_caret_and_remedy(rules: Path) -> None:
    result = run(rules)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("r.yaml:26:39: L003 the alert fires after one message: for is 5s, and env reports")
    assert lines[2].index("^") == lines[1].index("5s")
    assert lines[3].startswith("    hint: ")
    assert lines[4] == "1 finding in 1 rule"


def test_infos_are_shown_on_request_and_are_no_failure(rules: Path) -> None:
    assert "L002" in run(rules, "--info").stdout
    rules.write_text(f"{HEAD}rules:\n  r: {{from: env, when: temp > 3}}\n")
    result = run(rules, "--info")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 finding in 1 rule")
    assert run(rules).stdout == "0 findings in 1 rule\n"


def test_findings_for_programs(rules: Path) -> None:
    result = run(rules, "--format", "json")
    assert (result.exit_code, result.stderr) == (1, "1 finding in 1 rule\n")
    document = json.loads(result.stdout)
    assert (document["version"], document["rules"], document["streams"], document["files"]) == (1, 1, 1, 1)
    (problem,) = document["problems"]
    assert (problem["code"], problem["level"], problem["line"]) == ("L003", "warning", 26)
    assert run(rules, "--format", "github").stdout.startswith("::warning file=r.yaml,line=26,col=39,title=L003::")
    (sarif,) = json.loads(run(rules, "--format", "sarif", "--info").stdout)["runs"]
    assert [rule["id"] for rule in sarif["tool"]["driver"]["rules"]] == list(KINDS)
    assert [(one["ruleId"], one["level"]) for one in sarif["results"]] == [("L002", "note"), ("L003", "warning")]


def test_files_that_do_not_load_are_another_exit_code(rules: Path) -> None:
    rules.write_text("rules: {r: {from: env}}\n")
    result = run(rules)
    assert (result.exit_code, "unknown stream" in result.stdout) == (3, True)
    assert json.loads(run(rules, "--format", "json").stdout)["rules"] is None
    assert run("none").exit_code == 3


def test_state_is_printed(rules: Path) -> None:
    rules.write_text(f"{HEAD}rules:\n  r: {{from: env, when: 'avg(temp, 10m) > 3'}}\n")
    result = run(rules, "--state")
    assert result.exit_code == 0
    assert " bytes for each site, device: r\n" in result.stdout
    assert " temp, 10m: 60 samples\n" in result.stdout
    (state,) = json.loads(run(rules, "--state", "--format", "json").stdout)["state"]
    assert (state["rule"], state["by"], state["windows"][0]["samples"]) == ("r", ["site", "device"], 60)
    assert run(rules, "--state", "--format", "sarif").exit_code == 2
