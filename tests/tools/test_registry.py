"""Cases over a registry: the directory's, the one given, or the one that the test file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from iotrules.tools.testing import LocalHandlers, judge, mutate, play, read_suites
from tests.tools.rules import run

RULES = """\
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms}
    id: [seq]
    interval: 10s
    fields: {temp: {unit: degC}}
rules:
  too-hot: {from: env, when: temp > attr.limit, clear: temp < attr.limit - 5, summary: "{attr.limit:.0f} is too much"}
  silent: {absent: env, for: 1m}
"""
CASES = """\
cases:
  - name: each by its own limit
    key: {site: A, device: b1}
    send:
      - {env.temp: "84 86 80 79.9", every: 10s}
      - {key: {device: b2}, env.temp: "59 61 55 54", every: 10s}
    restart_at: [15s]
    expect:
      - {at: 10s, rule: too-hot, state: firing, summary: 85 is too much}
      - {at: 10s, rule: too-hot, key: {device: b2}, state: firing, because: temp 61 > attr.limit 60}
      - {at: 20s, rule: too-hot, state: firing}
      - {at: 30s, rule: too-hot, state: resolved, because: temp 79.9 < attr.limit - 5 80}
      - {at: 20s, rule: too-hot, key: {device: b2}, state: firing}
      - {at: 30s, rule: too-hot, key: {device: b2}, state: resolved}
      - {nothing_more: true}
  - name: a machine that was never connected
    key: {site: B, device: b3}
    restart_at: [20s, {at: 30s, down: 10s}]
    expect:
      - {at: 59s, rule: silent, state: inactive}
      - {at: 1m, rule: silent, state: firing, because: "in the registry, and never heard for 1m"}
      - {nothing_more: true}
"""
DEVICES = "site,device,limit [degC]\nA,b1,85\nA,b2,60\nB,b3,\nB,b4,\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "plant.yaml").write_text(RULES)
    (rules / "plant.test.yaml").write_text(CASES)
    return rules


def test_the_directorys_registry_is_used(folder: Path) -> None:
    (folder / "registry.csv").write_text(DEVICES)
    for path in (folder, folder / "plant.yaml", folder / "plant.test.yaml"):
        result = run(path)
        assert result.exit_code == 0, result.output


def test_a_registry_is_given_by_an_option(folder: Path) -> None:
    assert "there is no registry" in run(folder).output
    (folder.parent / "devices.csv").write_text(DEVICES)
    assert run(folder, "--registry", folder.parent / "devices.csv").exit_code == 0


def test_a_test_file_names_a_registry_of_its_own(folder: Path) -> None:
    (folder / "registry.csv").write_text(DEVICES.replace("85", "20"))
    assert run(folder).exit_code == 1
    (folder.parent / "devices.csv").write_text(DEVICES)
    (folder / "plant.test.yaml").write_text("registry: ../devices.csv\n" + CASES)
    result = run(folder)
    assert result.exit_code == 0, result.output


def test_a_registry_that_is_not_there_is_told_at_its_place(folder: Path) -> None:
    (folder / "registry.csv").write_text(DEVICES)
    (folder / "plant.test.yaml").write_text("registry: devices.csv\n" + CASES)
    result = run(folder)
    assert result.exit_code == 3
    assert "plant.test.yaml:1:11: " in result.output
    assert "devices.csv does not exist" in result.output


def test_a_restart_anywhere_changes_nothing_and_mutants_are_noticed(folder: Path) -> None:
    (folder / "registry.csv").write_text(DEVICES)
    (suite,) = read_suites([folder])
    handlers = LocalHandlers(None)
    for case in suite.cases:
        assert judge(case, play(case, suite.rules, suite.texts, handlers)) == []
    assert mutate(suite, handlers).survivors == ()
