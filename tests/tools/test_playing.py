"""What happens in a case: time, messages, functions, commands and restarts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from iotrules.model.decisions import CommandState
from iotrules.model.times import SECOND, duration_words
from iotrules.tools.testing import Case, LocalHandlers, Run, Suite, play, read_suites
from iotrules.tools.testing.cases import Restart
from tests.end_to_end.processes import REPOSITORY
from tests.tools.rules import HANDLERS, HOT, run, write, write_functions


def suite_of(folder: Path, cases: str) -> Suite:
    (suite,) = read_suites([write(folder, cases)])
    return suite


def played(folder: Path, cases: str, template: Path | None = None) -> tuple[Case, Run]:
    suite = suite_of(folder, cases)
    (case,) = suite.cases
    return case, play(case, suite.rules, suite.texts, LocalHandlers(template))


def moves(run: Run) -> list[str]:
    return [f"{duration_words(one.at - run.start)} {one.after.value}" for one in run.transitions]


def test_messages_carry_time_ids_and_nested_fields(tmp_path: Path) -> None:
    send = (
        "send: {env.temp: '80 _', env.rpm: 900, env.fan: running, env.open: true, every: 10s, at: 5s, key: {device: c}}"
    )
    text = (
        "start: 2026-02-03T04:05:06Z\ncases:\n  - name: n\n    key: {site: A}\n    "
        f"{send}\n    expect: [{{alerts: none}}]\n"
    )
    (case,) = suite_of(tmp_path, text).cases
    first, second = case.sent
    assert (first.at, first.topic) == (5 * SECOND, "site/A/dev/c/env")
    ts = 1770091511000
    body = {"ts": ts, "boot": 1, "seq": 1, "fan": "running", "open": True, "motor": {"rpm": 900}}
    assert json.loads(first.payload) == body | {"temp": 80}
    assert json.loads(second.payload) == body | {"ts": ts + 10_000, "boot": 2, "seq": 2}


def test_a_delay_has_messages_come_later_than_they_were_measured(tmp_path: Path) -> None:
    text = """
cases:
  - name: n
    key: {site: A, device: c}
    send:
      - {env.temp: "80 81", every: 10s, delay: 25s}
      - {env.temp: 82, at: 30s}
    expect: [{alerts: none}]
"""
    (case,) = suite_of(tmp_path, text).cases
    start = json.loads(case.sent[0].payload)["ts"]
    found = [(one.at // SECOND, (json.loads(one.payload)["ts"] - start) // 1000) for one in case.sent]
    assert found == [(25, 0), (30, 30), (35, 10)]


def test_timers_fire_in_virtual_time(tmp_path: Path) -> None:
    _, run = played(tmp_path, HOT + "      - {alerts: none}\n")
    assert moves(run) == ["20s pending", "1m20s firing", "2m resolved"]


def test_a_restart_anywhere_changes_nothing_that_happens(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, HOT + "      - {alerts: none}\n")
    (case,) = suite.cases
    whole = play(case, suite.rules, suite.texts, LocalHandlers(None))
    for at in range(0, 125, 5):
        for down in (0, 7, 30):
            cut = replace(case, restarts=(Restart(at * SECOND, down * SECOND),), end=case.end + 60 * SECOND)
            run = play(cut, suite.rules, suite.texts, LocalHandlers(None))
            assert moves(run) == moves(whole), (at, down)
            assert [changes[-1].state for changes in run.commands.values()] == [CommandState.SUCCEEDED], (at, down)


def test_functions_run_with_their_state_and_variables_and_leave_nothing_behind(tmp_path: Path) -> None:
    template = write_functions(tmp_path, HANDLERS.replace("== 1", "<= 2"))
    twice = HOT.replace("60x3", "60x3 90x8").replace("    answers: {decide: {}}\n", "")
    suite = suite_of(tmp_path, twice + "      - {alerts: none}\n")
    handlers = LocalHandlers(template)
    for _ in range(2):
        run = play(suite.cases[0], suite.rules, suite.texts, handlers)
        assert run.faults == []
        names = [changes[-1].name for changes in run.commands.values()]
        assert names == ["fan_on", "stop", "fan_on", "lock"]


def test_devices_answer_commands_as_the_case_says(tmp_path: Path) -> None:
    for replies, state in (
        ("succeeded", CommandState.SUCCEEDED),
        ("failed", CommandState.FAILED),
        ("rejected", CommandState.REJECTED),
        ("none", CommandState.TIMED_OUT),
    ):
        _, run = played(tmp_path, HOT + f"      - {{alerts: none}}\n    replies: {replies}\n    until: 10m\n")
        ((*_, last),) = run.commands.values()
        assert last.state is state


def test_the_rules_of_a_plant_load_and_play() -> None:
    """A ladder with a guarded shutdown, a window over thin data, silence, a group, a sequence, a template."""
    plant = REPOSITORY / "tests" / "data" / "plant"
    result = run(plant, "--functions", REPOSITORY / "lambdas" / "template.yaml")
    assert result.exit_code == 0, result.output
