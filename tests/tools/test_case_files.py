"""Test files that can't be used: every problem at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.rules import HOT, run, write

HEAD = "cases:\n  - name: n\n    key: {site: A, device: b1}\n"
EXPECT = "    expect: [{alerts: none}]\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + "    expct: []\n" + EXPECT, '4:5: unknown key "expct": did you mean "expect"?'),
        (HEAD, '2:5: the key "expect" is missing'),
        (HEAD + "    expect: []\n", "4:5: the case expects nothing"),
        (HEAD + "    send: {env.tmp: '80'}\n" + EXPECT, '4:12: unknown field "env.tmp": did you mean "env.temp"?'),
        (HEAD + "    send: {env.temp: '80 hot', every: 1s}\n" + EXPECT, '4:26: "hot" is not a number'),
        (HEAD + "    send: {env.temp: [80]}\n" + EXPECT, '4:12: "env.temp" must be a series of values, not a list'),
        (HEAD + "    send: {env.temp: 80x2}\n" + EXPECT, "4:11: several values need every"),
        (HEAD + "    send: {every: 1s}\n" + EXPECT, "4:11: send has no series"),
        (
            HEAD + "    send: {env.temp: 80x4, env.rpm: 1x3, every: 1s}\n" + EXPECT,
            "4:37: 3 values where the longest series of this send has 4",
        ),
        (
            HEAD + "    send: {env.temp: 80x4, every: 10s, drop: [15s]}\n" + EXPECT,
            "4:47: no message of this send is at 15s",
        ),
        (HEAD + "    send: {env.temp: 80, at: 5}\n" + EXPECT, '4:30: "at" must be text, not the number 5'),
        ("cases:\n  - name: n\n    send: {env.temp: 80}\n" + EXPECT, "3:11: the key has no site, device"),
        (HEAD.replace("site: A", "sit: A") + EXPECT, '3:16: no topic has {sit}: did you mean "site"?'),
        (HEAD.replace("b1", "b/1") + EXPECT, '3:28: "b/1": a / in a topic level'),
        (HEAD + "    restart_at: [10m, 5m]\n" + EXPECT, "4:23: restarts are in order of time"),
        (HEAD + "    restart_at: [{at: 1m, dwn: 5s}]\n" + EXPECT, '4:27: unknown key "dwn": did you mean "down"?'),
        (
            HEAD + "    expect: [{at: 1m, rule: hit, state: firing}]\n",
            '4:29: there is no rule "hit": did you mean "hot"?',
        ),
        (HEAD + "    expect: [{at: 1m, rule: hot, state: fired}]\n", '4:41: "state" must be one of inactive'),
        (HEAD + "    expect: [{at: 1x, rule: hot, state: firing}]\n", '4:19: "at": not a duration'),
        (
            HEAD + "    expect: [{at: 1m, rule: hot, level: info, state: firing}]\n",
            "4:41: hot has no level info",
        ),
        (HEAD + "    expect: [{alarms: none}]\n", "4:14: an expectation has one of the keys rule, commands"),
        (
            HEAD + "    answers: {decide: {}}\n    expect: [{commands: [{name: fanon, times: 0}]}]\n",
            '5:33: nothing in this case sends a command "fanon": did you mean "fan_on"?',
        ),
        (
            HEAD + "    expect: [{invocations: [{function: decid, times: 0}]}]\n",
            '4:40: no rule of this case invokes "decid": did you mean "decide"?',
        ),
        (
            HEAD + "    expect: [{commands: [{name: lok, times: 0}]}]\n"
            "  - {name: m, key: {site: A, device: b1}, expect: [{commands: [{name: lock}]}]}\n",
            '4:33: nothing in this case sends a command "lok": did you mean "lock"?',
        ),
        (HEAD + EXPECT + HEAD.removeprefix("cases:\n") + EXPECT, '5:11: a case is called "n" already, in line 2'),
        ("start: today\n" + HEAD + EXPECT, '1:8: "start" is not an instant: "today"'),
        ("start: 9999-01-01\n" + HEAD + EXPECT, '1:8: "start" is not from 1970 to 2200'),
        ("cases: [5]\n", "1:9: a case must be a mapping of keys, not the number 5"),
        (HEAD + "    send: [5]\n" + EXPECT, "4:12: send must be a mapping of keys, not the number 5"),
        (HEAD + "    restart_at: [5]\n" + EXPECT, '4:18: "restart_at": not a duration'),
        (HEAD + "    expect: [5]\n", "4:14: an expectation has one of the keys"),
        ("", "1:1: the file must be a mapping of keys, not nothing"),
        ("cases: {}\n", '1:1: "cases" must be a list, not a mapping'),
        ("cases: [\n", "2:1: not valid YAML"),
    ],
)
def test_problems_are_told_with_their_place(tmp_path: Path, text: str, problem: str) -> None:
    file = write(tmp_path, text)
    result = run(file)
    assert result.exit_code == 3
    assert f"{file}:{problem}" in result.stderr


def test_rule_files_with_problems_can_t_be_tested(tmp_path: Path) -> None:
    result = run(write(tmp_path, HOT, "rules: {a: {from: nothing, when: x > 1}}\n"))
    assert result.exit_code == 3
    assert 'unknown stream "nothing"' in result.stderr


def test_a_test_file_needs_its_rule_file(tmp_path: Path) -> None:
    file = write(tmp_path, HOT + "      - {alerts: none}\n")
    file.rename(tmp_path / "other.test.yaml")
    result = run(tmp_path)
    assert result.exit_code == 3
    assert f"there is no rule file {tmp_path}/other.yaml beside this" in result.stderr


def test_nothing_to_run_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, HOT + "      - {alerts: none}\n").unlink()
    assert "has no test file" in run(tmp_path).stderr
    assert "has no test file" in run(tmp_path / "plant.yaml").stderr
    assert "does not exist" in run(tmp_path / "none").stderr
    assert run().exit_code == 2


def test_the_rule_file_stands_for_the_test_file_beside_it(tmp_path: Path) -> None:
    write(tmp_path, HOT + "      - {commands: [{name: fan_on}]}\n")
    assert run(tmp_path / "plant.yaml").output == run(tmp_path / "plant.test.yaml").output
    assert run(tmp_path / "plant.yaml", tmp_path).output.endswith("1 case, 0 failed\n")
    assert 'no case has "cold" in its name' in run(tmp_path, "-k", "cold").stderr


@pytest.mark.parametrize(
    ("answers", "expect", "known"),
    [
        ("{}", "{name: lock, times: 0}", True),  # of the handler: another case expects it
        ("{}", "{name: nosuch, times: 0}", False),
        ("{}", "{name: anything}", True),  # it may come from the handler: whether it does is seen by playing
        ("{decide: {}}", "{name: lock, times: 0}", False),
        ("{decide: {}}", "{name: lock}", False),
        ("{decide: {commands: [{name: lock}]}}", "{name: lock, times: 0}", True),
        ("{other: {commands: [{name: lock}]}}", "{name: lok, times: 0}", False),
    ],
)
def test_commands_that_a_handler_may_send_are_known_where_something_proves_it(
    tmp_path: Path, answers: str, expect: str, known: bool
) -> None:
    first = HEAD + f"    answers: {answers}\n    expect: [{{commands: [{expect}]}}]\n"
    result = run(write(tmp_path, first + "  - {name: m, expect: [{commands: [{name: lock}]}]}\n"))
    assert ("nothing in this case sends a command" not in result.stderr) is known
    assert (result.exit_code == 3) is not known


def test_a_command_of_a_rule_that_the_case_is_not_about_is_refused_with_that_rule(tmp_path: Path) -> None:
    other = "rules:\n  cold: {from: env, when: temp < -10, do: [{command: heat}]}\n"
    (tmp_path / "cold.yaml").write_text(other)
    refused = run(write(tmp_path, HEAD + "    expect: [{commands: [{name: heat, times: 0}]}]\n"))
    assert refused.exit_code == 3
    assert "hint: rule cold does: write this beside its rule file, or expect a state of cold here" in refused.stderr
    state = "{at: 1m, rule: cold, state: inactive}"
    assert (
        run(write(tmp_path, HEAD + f"    expect: [{state}, {{commands: [{{name: heat, times: 0}}]}}]\n")).exit_code == 0
    )
