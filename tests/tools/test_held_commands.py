"""Cases about guards: which commands were held, and the alert that says so; as `iotrules test` plays them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.rules import RULES, run, write

GUARDED = RULES.replace(
    "      - {command: fan_on}\n      - {invoke: decide}\n",
    "      - {command: fan_on, retry: 1, guard: {max_share: 10%, of: site, per: 10m}}\n"
    '      - {publish: {topic: "hot/{site}/{device}", payload: {temp: "{temp}"}}}\n',
)
CASES = """\
cases:
  - name: two of a site get hot
    key: {site: A, device: b1}
    send:
      - {env.temp: "90x8 60x3", every: 10s}
      - {env.temp: "90x8 60x3", every: 10s, at: 5s, key: {device: b2}}
    until: 10m
    expect:
"""
STORY = """\
      - {at: 1m5s, rule: hot/held, key: {device: b2}, state: firing, severity: critical}
      - {at: 6m5s, rule: hot/held, key: {device: b2}, state: resolved, because: nobody approved it before it expired}
      - {at: 9m, rule: hot/held, state: inactive}
      - {at: 2m, rule: hot, state: resolved}
      - {at: 2m, rule: hot, key: {device: b2}, state: resolved}
      - commands:
          - {name: fan_on, times: 2}
          - {name: fan_on, state: held}
          - {name: fan_on, state: held, outcome: expired}
          - {name: fan_on, state: sent, outcome: succeeded}
"""


def test_a_case_sees_what_was_held(tmp_path: Path) -> None:
    result = run(write(tmp_path, CASES + STORY, GUARDED))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        ("{commands: [{name: fan_on, state: held, times: 2}]}", "fan_on, held: twice"),
        ("{commands: [{name: fan_on, state: held, outcome: succeeded}]}", "fan_on, held, succeeded: once"),
        ("{at: 1m, rule: hot/helt, state: firing}", 'there is no rule "hot/helt": did you mean "hot/held"?'),
    ],
)
def test_what_is_not_so_fails(tmp_path: Path, expectation: str, said: str) -> None:
    result = run(write(tmp_path, f"{CASES}      - {expectation}\n", GUARDED))
    assert result.exit_code != 0
    assert said in result.output


def test_a_rule_without_a_guard_has_no_such_alert(tmp_path: Path) -> None:
    result = run(write(tmp_path, f"{CASES}      - {{at: 1m, rule: hot/held, state: firing}}\n"))
    assert 'there is no rule "hot/held"' in result.output


def test_a_device_that_never_answers_is_told_twice(tmp_path: Path) -> None:
    cases = CASES.replace("    until: 10m\n", "    until: 10m\n    replies: none\n")
    expected = "      - {commands: [{name: fan_on, state: sent, outcome: timed out}]}\n"
    result = run(write(tmp_path, cases + expected, GUARDED))
    assert result.exit_code == 0, result.output


def test_somebody_approves_what_is_held_and_it_is_sent(tmp_path: Path) -> None:
    ruling = "    approve_at: [{at: 3m, command: fan_on, key: {device: b2}, by: anna, why: the fan is broken}]\n"
    story = """\
      - {at: 2m59s, rule: hot/held, key: {device: b2}, state: firing}
      - {at: 3m, rule: hot/held, key: {device: b2}, state: resolved, because: approved by anna}
      - {commands: [{name: fan_on, times: 2, outcome: succeeded}]}
"""
    for restarts in ("", "    restart_at: [2m, 3m, {at: 4m, down: 10s}]\n"):
        result = run(
            write(tmp_path, CASES.replace("    expect:\n", f"{ruling}{restarts}    expect:\n") + story, GUARDED)
        )
        assert result.exit_code == 0, result.output


def test_somebody_rejects_what_is_held_and_it_never_leaves(tmp_path: Path) -> None:
    ruling = "    reject_at: [{at: 3m, command: fan_on, key: {device: b2}}]\n"
    story = """\
      - {at: 3m, rule: hot/held, key: {device: b2}, state: resolved}
      - commands:
          - {name: fan_on, outcome: succeeded}
          - {name: fan_on, state: held, outcome: rejected}
          - {name: fan_on, state: sent}
"""
    result = run(write(tmp_path, CASES.replace("    expect:\n", f"{ruling}    expect:\n") + story, GUARDED))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("ruling", "said"),
    [
        ("approve_at: [{at: 1m, command: fan_on, key: {device: b2}}]", "approve_at 1m"),
        ("approve_at: [{at: 3m, command: fan_on}]", "expected  fan_on is held for site=A device=b1"),
        ("reject_at: [{at: 3m, command: fan_of, key: {device: b2}}]", "held in this case: fan_on for site=A device=b2"),
        ("approve_at: [{at: 3m, key: {device: b2}}]", '"command"'),
        ("approve_at: [{at: 3m, command: fan_on, key: {devise: b2}}]", 'no topic has {devise}: did you mean "device"?'),
        ("approve_at: [{at: 3x, command: fan_on}]", '"at"'),
        ("approve_at: [3m]", "must be a mapping"),
        (
            "approve_at: [{at: 3m, command: fan_on}]\n    restart_at: [{at: 2m, down: 2m}]",
            "the engine is down then: nobody can approve anything",
        ),
    ],
)
def test_what_nobody_could_decide_about_is_told(tmp_path: Path, ruling: str, said: str) -> None:
    keys = f"    {ruling}\n"
    result = run(write(tmp_path, CASES.replace("    expect:\n", f"{keys}    expect:\n") + STORY, GUARDED))
    assert result.exit_code != 0
    assert said in result.output, result.output
