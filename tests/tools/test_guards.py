"""Schedules, muting and stops as their author tests them: `iotrules test` on a file beside the rules."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from iotrules.cli.test import command

RULES = """\
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms}
    interval: 10s
    fields: {temp: {unit: degC}}
rules:
  by-day: {from: env, when: temp > 85, for: 1m, only: {between: ["09:00", "17:00"], zone: Europe/Berlin}}
  calm: {from: env, when: temp > 85, cooldown: 5m}
  cause: {from: env, by: [site], when: temp > 95, inhibit: {rules: [effect], same: [site]}}
  effect: {from: env, when: temp > 85}
  paused: {from: env, when: temp > 85, for: 1m, downtime: pause}
"""

CASES = """\
start: "2026-03-29T06:58:00Z"       # two minutes before nine in Berlin, on the day when its clocks change
cases:
  - name: the schedule opens while it is hot
    key: {site: A, device: b1}
    send: {env.temp: 90x30, every: 10s}
    expect:
      - {at: 1m59s, rule: by-day, state: pending, held: 1m59s}
      - {at: 2m, rule: by-day, state: firing}
  - name: twice hot within five minutes is told once, and again if it stays
    key: {site: A, device: b1}
    send: {env.temp: 90 60 90x40, every: 10s}
    expect:
      - {at: 0s, rule: calm, state: firing, muted: false}
      - {at: 10s, rule: calm, state: resolved, muted: false}
      - {at: 20s, rule: calm, state: firing, muted: "cooldown until 2026-03-29T07:03:10Z"}
      - {at: 5m10s, rule: calm, state: firing, muted: false, because: the cooldown is over, held: 4m50s}
  - name: the cause is told, its effect is not
    key: {site: A, device: b1}
    send: {env.temp: 99x3 90x3, every: 10s}
    expect:
      - {at: 0s, rule: cause, state: firing, muted: false}
      - {at: 20s, rule: effect, state: firing, muted: true}
      - {at: 30s, rule: effect, state: firing, muted: false, because: no longer inhibited by cause site=A}
  - name: a stop does not count, though devices went on
    key: {site: A, device: b1}
    send: {env.temp: 90x30, every: 10s}
    restart_at: [{at: 35s, down: 2m}, 2m55s]
    expect:
      - {at: 2m59s, rule: paused, state: pending}
      - {at: 3m, rule: paused, state: firing}
"""


def _run(folder: Path, cases: str, *options: str) -> Result:
    (folder / "plant.yaml").write_text(RULES)
    (folder / "plant.test.yaml").write_text(cases)
    return CliRunner().invoke(command, [str(folder), *options])


def test_what_holds_a_rule_back_can_be_tested(tmp_path: Path) -> None:
    result = _run(tmp_path, CASES)
    assert result.exit_code == 0, result.output
    assert "4 cases, 0 failed" in result.output


def test_a_wrong_expectation_says_why_it_was_muted(tmp_path: Path) -> None:
    text = CASES.replace('muted: "cooldown until 2026-03-29T07:03:10Z"', "muted: false")
    text = text.replace("muted: true", "muted: cold")
    result = _run(tmp_path, text)
    assert result.exit_code == 1
    assert "firing, not muted" in result.output
    assert "muted: cold" in result.output
    assert "muted: inhibited by cause site=A" in result.output


def test_a_level_has_no_notifications_of_its_own(tmp_path: Path) -> None:
    rules = RULES.replace("calm: {from: env, when: temp > 85,", "calm: {from: env, levels: {major: {when: temp > 85}},")
    (tmp_path / "plant.yaml").write_text(rules)
    expected = "{at: 0s, rule: calm, level: major, state: firing, muted: false}"
    case = f"cases: [{{name: a, key: {{site: A, device: b1}}, send: {{env.temp: 90}}, expect: [{expected}]}}]\n"
    (tmp_path / "plant.test.yaml").write_text(case)
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert result.exit_code == 3
    assert "muted is of the alert, not of one of its levels" in result.output
