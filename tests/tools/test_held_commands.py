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
