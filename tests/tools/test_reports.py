"""JUnit, coverage, mutation; the example of docs/testing-rules.md and the cases of the shipped rules."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from pydantic import BaseModel

from iotrules.language import load_files
from iotrules.tools.testing import documents, read_suites
from iotrules.tools.testing.focus import focused, narrowed
from iotrules.tools.testing.mutants import mutants_of
from tests.end_to_end.processes import REPOSITORY
from tests.tools.rules import HOT, RULES, run, write

EXACT = """\
cases:
  - name: to the second and the degree
    key: {site: A, device: b1}
    send: {env.temp: "84x8 86x9 71x4 69x4", every: 10s}
    answers: {decide: {}}
    expect:
      - {at: 1m10s, rule: hot, state: inactive}
      - {at: 2m19s, rule: hot, state: pending}
      - {at: 2m20s, rule: hot, state: firing}
      - {at: 3m49s, rule: hot, state: firing}
      - {at: 3m50s, rule: hot, state: resolved}
"""

LEVELS = """\
    levels:
      major:
        when: temp > 0 and fan == "stopped" and avg(temp - 20, 1m) > 5
        for: 2 * interval
"""


def test_junit_is_xml_with_every_case_and_failure(tmp_path: Path) -> None:
    cases = HOT.replace("it gets hot", '"<&\\x01>"') + "      - {alerts: none}\n"
    more = HOT.removeprefix("cases:\n") + "      - {commands: [{name: fan_on}]}\n"
    file = write(tmp_path, cases + more)
    assert run(file, "--junit", tmp_path / "out.xml").exit_code == 1
    root = ElementTree.fromstring((tmp_path / "out.xml").read_bytes())
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("2", "1")
    failed, passed = suite
    assert (failed.attrib["name"], failed.attrib["line"]) == ("<&\ufffd>", "2")
    assert failed[0].attrib["message"].startswith("alerts: expected none; seen hot, site=A device=b1, fired at 1m20s")
    assert f"{file}:7:9: alerts" in str(failed[0].text)
    assert list(passed) == []
    assert run(file, "--junit", tmp_path / "none" / "out.xml").exit_code == 3


def test_coverage_tells_what_no_case_saw(tmp_path: Path) -> None:
    rules = RULES + "  silent: {absent: env, for: 5m}\n"
    result = run(write(tmp_path, EXACT, rules), "--coverage")
    assert result.exit_code == 1
    assert result.output.splitlines()[-3:] == [
        "no case sees: hot: drops a pending, meets missing data, restarts while pending, restarts while firing",
        "no case sees: silent: fires, clears, restarts while firing",
        "1 case, 0 failed, 1 rule not covered",
    ]
    more = EXACT.replace('"84x8', '"90 84 90 _ 84x4')
    restarted = more.replace("    expect:", "    restart_at: [1m30s, 2m30s]\n    expect:")
    full = run(write(tmp_path, restarted), "--coverage")
    assert full.exit_code == 0, full.output
    assert "no case sees" not in full.output


def test_cases_that_are_exact_notice_every_change(tmp_path: Path) -> None:
    result = run(write(tmp_path, EXACT), "--mutate")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-2:] == [f"{tmp_path}/plant.yaml: 11 changes, 11 noticed", "1 case, 0 failed"]


def test_a_change_that_no_case_notices_is_told_with_its_line(tmp_path: Path) -> None:
    loose = EXACT.replace("84x8", "79x8").replace("      - {at: 2m19s, rule: hot, state: pending}\n", "")
    result = run(write(tmp_path, loose), "--mutate")
    assert result.exit_code == 1
    place = f"{tmp_path}/plant.yaml"
    assert result.output.splitlines()[1:] == [
        f"{place}:18: no case notices: hot: when: 85 lowered by 5 %",
        f"{place}:19: no case notices: hot: for: 1m → 30s",
        f"{place}: 11 changes, 9 noticed",
        "1 case, 0 failed, 2 changes not noticed",
    ]


def test_words_alone_notice_no_change(tmp_path: Path) -> None:
    wordy = HOT + "      - {at: 2m, rule: hot, state: resolved, because: temp 60 < 70 for 20s}\n"
    output = run(write(tmp_path, wordy), "--mutate").output
    assert "no case notices: hot: clear.when: 70 lowered by 5 %" in output


def test_logic_levels_and_intervals_are_changed_too(tmp_path: Path) -> None:
    rules = RULES.replace("    when: temp > 85\n    for: 1m\n", LEVELS).replace("    severity: critical\n", "")
    cases = HOT.replace("80x2 90x8 60x3", "90x2") + "      - {commands: none}\n"
    output = run(write(tmp_path, cases, rules), "--mutate").output
    place = f"{tmp_path}/plant.yaml:"
    for found in (
        "20: no case notices: hot: levels.major.when: temp > 0 → temp < 0",
        "20: no case notices: hot: levels.major.when: 0 raised by 1",
        "20: no case notices: hot: levels.major.when: 20 raised by 5 %",
        "21: no case notices: hot: levels.major.for: 2 * interval → 1 * interval",
        "22: no case notices: hot: clear: dropped: it ends with its last level",
    ):
        assert f"{place}{found}\n" in output
    assert ": and → or\n" in output


def test_sequences_are_changed_and_covered_too(tmp_path: Path) -> None:
    rules = (
        RULES[: RULES.index("  hot:")]
        + """\
  pair:
    sequence:
      - first: env where temp > 80
      - without: {stream: env, where: fan == "stopped", before: 10s}
      - then: env where open
    within: 30s
    clear: env where not open and temp < 60
"""
    )
    cases = HOT.replace("80x2 90x8 60x3", "90x2") + "      - {commands: none}\n"
    result = run(write(tmp_path, cases, rules), "--mutate", "--coverage")
    assert "no case sees: pair: fires, clears, restarts while firing\n" in result.output
    place = f"{tmp_path}/plant.yaml"
    told = [line.removeprefix(f"{place}:") for line in result.output.splitlines() if "no case notices" in line]
    assert told == [
        "18: no case notices: pair: sequence.0: temp > 80 → temp < 80",
        "18: no case notices: pair: sequence.0: 80 raised by 5 %",
        "18: no case notices: pair: sequence.0: 80 lowered by 5 %",
        "19: no case notices: pair: sequence.1: dropped: it may come",
        '19: no case notices: pair: sequence.1: fan == "stopped" → fan != "stopped"',
        "19: no case notices: pair: sequence.1: before: 10s → 5s",
        "19: no case notices: pair: sequence.1: before: 10s → 20s",
        "21: no case notices: pair: within: 30s → 15s",
        "21: no case notices: pair: within: 30s → 1m",
        "22: no case notices: pair: clear: not open and temp < 60: and → or",
        "22: no case notices: pair: clear: temp < 60 → temp > 60",
        "22: no case notices: pair: clear: 60 raised by 5 %",
        "22: no case notices: pair: clear: 60 lowered by 5 %",
    ]


def test_equivalent_changes_are_excused_only_while_they_are(tmp_path: Path) -> None:
    loose = EXACT.replace("84x8", "79x8")
    entry = "equivalent:\n  - {change: 'hot: when: 85 lowered by 5 %', because: of physics}\n"
    result = run(write(tmp_path, loose + entry), "--mutate")
    assert result.exit_code == 0, result.output
    assert "11 changes, 10 noticed, 1 declared equivalent" in result.output
    noticed = run(write(tmp_path, EXACT + entry), "--mutate")
    assert noticed.exit_code == 1
    assert "plant.test.yaml:13:5: hot: when: 85 lowered by 5 %: this change is noticed by a case" in noticed.output
    unknown = run(write(tmp_path, EXACT + entry.replace("85", "86")), "--mutate")
    assert "no such change is made" in unknown.output


def test_beside_whole_numbers_a_threshold_moves_by_a_whole_one() -> None:
    """5 % of 6 o'clock would change nothing that anybody could see."""
    head = "streams: {env: {topic: 'dev/{device}/env', fields: {temp: }}}\nrules:\n"
    when = '(hour("Europe/Berlin") < 6 or times(temp > 3, 1h) >= 100) and round(temp) > 0 and temp > 20'
    rule = load_files({"r.yaml": f"{head}  r: {{from: env, when: '{when}'}}\n"}).rules["r"]
    moved = [mutant.change for mutant in mutants_of(rule) if "raised" in mutant.change]
    assert moved == ["6 raised by 1", "3 raised by 5 %", "100 raised by 5", "0 raised by 1", "20 raised by 5 %"]


def test_a_change_in_a_window_that_two_conditions_share_is_a_change_of_one(tmp_path: Path) -> None:
    rules = """\
streams: {env: {topic: "dev/{device}/env", time: {field: ts, format: unix_ms}, interval: 10s, fields: {temp: }}}
rules:
  r: {from: env, when: "times(temp > 80, 1m) >= 3", clear: "times(temp > 80, 1m) == 0"}
"""
    cases = """\
cases:
  - name: what counts is above 80
    key: {device: a}
    send: {env.temp: "78x3 82x2 78x6 82x3 78x4 82 78x6", every: 10s}
    expect:
      - {at: 2m10s, rule: r, state: firing}
      - {at: 3m50s, rule: r, state: firing}
      - {at: 4m, rule: r, state: resolved}
      - {nothing_more: true}
"""
    result = run(write(tmp_path, cases, rules), "--mutate")
    assert "clear.when: 80 raised" not in result.output


def test_windows_guards_and_cooldowns_are_changed(tmp_path: Path) -> None:
    rules = (
        RULES.split("  hot:")[0]
        + """\
  warm:
    from: env
    when: avg(temp, 1m, min_samples=3) > 50 and max(temp, 1m) < 90
    clear: avg(temp, 1m, min_samples=3) < 40
    cooldown: 5m
    do: [{command: fan_on, guard: {max_share: 40%, of: site, per: 10m}}]
  gone: {absent: env, for: 5m}
"""
    )
    cases = "cases:\n  - {name: n, key: {site: A, device: b1}, send: {env.temp: 20}, expect: [{alerts: none}]}\n"
    result = run(write(tmp_path, cases, rules), "--mutate")
    for change in (
        "warm: windows: 1m → 30s", "warm: windows: 1m → 2m", "warm: windows: min_samples 3 → 1",
        "warm: windows: min_samples 3 → 6", "warm: do.0.guard.max_share: 40% → 20%",
        "warm: do.0.guard.max_share: 40% → 80%", "warm: do.0.guard.per: 10m → 5m", "warm: do.0.guard.per: 10m → 20m",
        "warm: cooldown: 5m → 2m30s", "warm: cooldown: 5m → 10m", "gone: for: 5m → 2m30s", "gone: for: 5m → 10m",
    ):  # fmt: skip
        assert f"no case notices: {change}\n" in result.output, change
    guard = next(line for line in result.output.splitlines() if "guard.per" in line)
    assert guard.split(":")[1] == str(1 + rules.splitlines().index(next(x for x in rules.splitlines() if "guard" in x)))


def test_of_a_change_only_what_it_can_touch_is_played(tmp_path: Path) -> None:
    rules = (
        RULES.split("  hot:")[0]
        + """\
  cause: {from: env, when: temp > 50, alert: false}
  effect: {from: env, when: 'temp > 40 and firing("cause")'}
  other: {from: env, when: temp > 45, do: [{command: stop}]}
"""
    )
    cases = """\
cases:
  - name: n
    key: {site: A, device: b1}
    send: {env.temp: "20 47 48 49 51 55 20", every: 10s}
    expect:
      - {at: 30s, rule: effect, state: inactive}
      - {at: 40s, rule: effect, state: firing}
      - {commands: [{name: stop}]}
"""
    (suite,) = read_suites([write(tmp_path, cases, rules)])
    (case,) = suite.cases
    assert focused(suite.rules, replace(case, about=frozenset({"effect"}))).rules.keys() == {"cause", "effect"}
    assert narrowed(case, suite.rules, "cause") == case  # other sends commands, which are counted together
    silent = {name: replace(rule, steps=()) for name, rule in suite.rules.rules.items()}
    assert narrowed(case, replace(suite.rules, rules=silent), "cause").about == {"cause", "effect"}
    assert "cause: when: 50 raised" not in run(suite.file, "--mutate").output


def test_rules_whose_cases_fail_are_not_changed(tmp_path: Path) -> None:
    result = run(write(tmp_path, HOT + "      - {alerts: none}\n"), "--mutate")
    assert "not changed, since its cases fail as it is" in result.output


def test_the_example_of_the_documentation_runs(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / "testing-rules.md").read_text()
    rules, cases, several, guarded, _ = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    result = run(write(tmp_path, cases, rules))
    assert result.exit_code == 0, result.output
    (shown,) = re.findall(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    wrong = cases.replace("critical, state: inactive, because: temp 79 is not > 80}", "critical, state: pending}")
    output = run(write(tmp_path, wrong, rules)).output.replace(f"{tmp_path}/plant", "rules/boiler")
    assert output.startswith(shown)
    held = run(write(tmp_path, guarded, rules))
    assert held.exit_code == 0, held.output
    buildings = run(write(tmp_path, several, (REPOSITORY / "rules" / "entrances.yaml").read_text()))
    assert buildings.exit_code == 0, buildings.output


def test_every_key_is_documented() -> None:
    text = (REPOSITORY / "docs" / "testing-rules.md").read_text()
    for model in vars(documents).values():
        if isinstance(model, type) and issubclass(model, BaseModel):
            for key in model.model_fields:
                assert re.search(rf"\b{key}\b", text), key


def test_the_shipped_rules_are_covered() -> None:
    template = REPOSITORY / "lambdas" / "template.yaml"
    result = run(REPOSITORY / "rules", "--functions", template, "--coverage")
    assert result.exit_code == 0, result.output
    assert "no case sees" not in result.output


def test_every_change_of_the_shipped_machine_rules_is_noticed() -> None:
    """Of the others `make check` says it: all of them take a minute."""
    result = run(REPOSITORY / "rules" / "machines.test.yaml", "--mutate")
    assert result.exit_code == 0, result.output
    assert "equivalent" not in result.output
