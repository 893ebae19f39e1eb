"""Every kind of expectation: met, and failed with its place, what was expected and what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.rules import HANDLERS, HOT, RULES, run, write, write_functions

STATE = "{at: 1m, rule: hot, state: pending"


@pytest.mark.parametrize(
    "expectation",
    [
        "{at: 19s, rule: hot, state: inactive}",
        STATE + ", held: 40s, severity: critical, because: temp 90 > 85}",
        "{at: 1m19s, rule: hot, state: pending}",
        "{at: 1m20s, rule: hot, level: critical, state: firing, summary: b1 is at 90.0}",
        "{at: 2m, rule: hot, state: resolved, because: temp 60 < 70 for 20s}",
        "{at: 2m, rule: hot, key: {device: b2}, state: inactive}",
        "{commands: [{name: fan_on, outcome: succeeded}, {name: fan_on, outcome: failed, times: 0}]}",
        "{invocations: [{function: decide, times: 1}]}",
    ],
)
def test_what_is_so_passes(tmp_path: Path, expectation: str) -> None:
    result = run(write(tmp_path, HOT + f"      - {expectation}\n"))
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [f"✔ {tmp_path}/plant.test.yaml: it gets hot", "1 case, 0 failed"]


@pytest.mark.parametrize(
    ("expectation", "what", "expected", "seen"),
    [
        (
            "{at: 1m, rule: hot, state: firing}",
            "hot, site=A device=b1, at 1m",
            "firing",
            "pending, since 20s: temp 90 > 85",
        ),
        (
            "{at: 10s, rule: hot, state: pending}",
            "hot, site=A device=b1, at 10s",
            "pending",
            "inactive; the rule never moved for this key before then",
        ),
        (
            STATE + ", held: 1m}",
            "hot, site=A device=b1, at 1m",
            "pending, for 1m",
            "pending, for 40s, since 20s: temp 90 > 85",
        ),
        (
            STATE + ", because: it is warm}",
            "hot, site=A device=b1, at 1m",
            "pending, because it is warm",
            "pending, because temp 90 > 85, since 20s",
        ),
        (
            STATE + ", summary: b1}",
            "hot, site=A device=b1, at 1m",
            'pending, summary "b1"',
            'pending, summary "b1 is at 90.0", since 20s: temp 90 > 85',
        ),
        (
            STATE + ", severity: info}",
            "hot, site=A device=b1, at 1m",
            "pending, info",
            "pending, critical, since 20s: temp 90 > 85",
        ),
        ("{commands: [{name: fan_on, times: 3}]}", "commands", "fan_on: 3 times", "fan_on: once"),
        (
            "{commands: [{name: fan_on, outcome: failed}]}",
            "commands",
            "fan_on, failed: once",
            "fan_on: once (1 succeeded)",
        ),
        (
            "{commands: [{name: fan_on, state: held}]}",
            "commands",
            "fan_on, held: once",
            "fan_on: once (1 sent → acknowledged → succeeded)",
        ),
        ("{commands: none}", "commands", "none", "fan_on: once"),
        ("{invocations: [{function: decide, times: 0}]}", "invocations", "decide: never", "decide: once"),
        (
            "{alerts: none}",
            "alerts",
            "none",
            "hot, site=A device=b1, fired at 1m20s: temp 90 > 85 for 1m",
        ),
    ],
)
def test_what_is_not_so_fails_at_its_place(
    tmp_path: Path, expectation: str, what: str, expected: str, seen: str
) -> None:
    file = write(tmp_path, HOT + f"      - {expectation}\n")
    result = run(file)
    assert result.exit_code == 1
    assert result.output.splitlines()[:4] == [
        f"✘ {file}: it gets hot",
        f"  {file}:7:9: {what}",
        f"      expected  {expected}",
        f"      seen      {seen}",
    ]
    assert result.output.splitlines()[-1] == "1 case, 1 failed"


def test_the_timeline_shows_what_the_rule_did_around_it(tmp_path: Path) -> None:
    cases = HOT.replace("    expect", "    restart_at: [{at: 30s, down: 5s}]\n    expect")
    file = write(tmp_path, cases + f"      - {STATE}, held: 1s}}\n")
    assert run(file).output.splitlines()[4:-1] == [
        "             20s  pending   temp 90 > 85",
        "             30s  restart, 5s down",
        "              1m  ←",
        "           1m20s  firing    temp 90 > 85 for 1m",
        "              2m  resolved  temp 60 < 70 for 20s",
    ]


def test_nothing_more_wants_every_alert_command_and_function_named(tmp_path: Path) -> None:
    named = "      - {at: 1m20s, rule: hot, state: firing}\n      - {nothing_more: true}\n"
    lines = run(write(tmp_path, HOT + named)).output.splitlines()
    assert [line.strip() for line in lines if line.strip().startswith("seen")] == [
        "seen      hot, site=A device=b1, resolved at 2m: temp 60 < 70 for 20s",
        "seen      commands: fan_on: once",
        "seen      invocations: decide: once",
    ]
    more = (
        "      - {at: 2m, rule: hot, state: resolved}\n      - {commands: [{name: fan_on}]}\n"
        "      - {invocations: [{function: decide}]}\n"
    )
    assert run(write(tmp_path, HOT + more + named)).exit_code == 0


def test_a_case_is_about_the_rules_of_its_file_and_those_it_names(tmp_path: Path) -> None:
    other = (
        RULES.split("rules:\n")[1]
        .replace("  hot:", "  other:")
        .replace("temp > 85", "temp > 80")
        .replace("clear: {when: temp < 70, for: 20s}", "clear: temp < 70")
    )
    (tmp_path / "other.yaml").write_text(f"rules:\n{other}")
    mine = """\
      - {at: 2m, rule: hot, state: resolved}
      - {at: 1m20s, rule: hot, state: firing}
      - {commands: [{name: fan_on}]}
      - {invocations: [{function: decide}]}
      - {nothing_more: true}
"""
    assert run(write(tmp_path, HOT + mine)).exit_code == 0
    result = run(write(tmp_path, HOT + mine + "      - {at: 1m20s, rule: other, state: firing}\n"))
    assert result.exit_code == 1
    assert "other, site=A device=b1, resolved" in result.output
    assert "fan_on: twice" in result.output


def test_a_function_that_fails_fails_the_case(tmp_path: Path) -> None:
    template = write_functions(tmp_path, HANDLERS.replace('event["state"]', 'event["stat"]'))
    file = write(tmp_path, HOT.replace("    answers: {decide: {}}\n", "") + f"      - {STATE}}}\n")
    result = run(file, "--functions", template)
    assert result.exit_code == 1
    assert "seen      decide failed at 1m20s: KeyError: 'stat'" in result.output
    assert "not for the report" not in result.output
    answered = write(tmp_path, HOT.replace("{decide: {}}", "{decide: {comands: []}}") + f"      - {STATE}}}\n")
    assert "bad answer: the function's answer can't be used" in run(answered).output


def test_levels_of_a_ladder_are_looked_at_one_by_one(tmp_path: Path) -> None:
    rules = RULES.replace(
        "    when: temp > 85\n    for: 1m\n",
        "    levels:\n      major: {when: temp > 75, for: 30s}\n      critical: {when: temp > 85, for: 1m}\n",
    ).replace("    severity: critical\n", "")
    expected = (
        "      - {at: 30s, rule: hot, level: critical, state: pending, held: 10s}\n"
        "      - {at: 30s, rule: hot, level: major, state: firing}\n"
        "      - {at: 30s, rule: hot, state: firing, severity: major}\n"
        "      - {at: 1m20s, rule: hot, state: firing, severity: critical}\n"
    )
    file = write(tmp_path, HOT + expected, rules)
    assert run(file).exit_code == 0, run(file).output
    wrong = write(tmp_path, HOT + "      - {at: 1m, rule: hot, level: critical, state: firing}\n", rules)
    assert "hot@critical, site=A device=b1, at 1m\n" in run(wrong).output
