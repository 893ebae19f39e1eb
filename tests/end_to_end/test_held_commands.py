"""A guard in a real engine: what it holds is there after a kill, and people decide about it from another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.processes import (
    PLANT,
    REPOSITORY,
    Running,
    engine_arguments,
    environment,
    journal,
    query,
    running,
    wait_until,
)
from tests.mosquitto import running_mosquitto

READY = '"event": "ready"'
RULE = """rules:
  overheat:
    from: env
    when: temp > 85 degC
    severity: critical
    do:
      - command: shutdown
        args: {mode: safe}
        expires: 5m
        retry: 2
        guard: {max_share: 10%, of: site, per: 10m}
      - publish: {topic: "alerts/{site}/{device}", payload: {temp: "{temp}"}}
"""


def _write_rules(directory: Path) -> Path:
    text = (PLANT / "rules.yaml").read_text()
    rules = directory / "rules.yaml"
    rules.write_text(text[: text.index("rules:\n")] + RULE)
    return rules


def _commands(store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`iotrules commands …`, as a person types it."""
    return subprocess.run(
        [sys.executable, "-m", "iotrules", "commands", *arguments, "--store", str(store)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=environment(),
        timeout=60,
        check=False,
    )


def _held(store: Path) -> list[dict[str, Any]]:
    result = _commands(store, "ls", "--state", "held", "--json")
    assert result.returncode == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)["commands"]
    return found


@pytest.mark.timeout(180)
def test_held_over_a_kill_then_approved_and_rejected_by_people(tmp_path: Path) -> None:
    store, record = tmp_path / "store.db", tmp_path / "fleet.jsonl"
    fleet_arguments = ["sim", str(PLANT / "fleet.yaml"), "--no-host", "--journal", str(record)]
    with running_mosquitto() as broker:
        arguments = engine_arguments(broker.url, store, rules=_write_rules(tmp_path))
        engine = Running(arguments, tmp_path / "engine.log")
        try:
            engine.wait_for(READY)
            with running([*fleet_arguments, "--broker", broker.url], tmp_path / "fleet.log"):
                count = "SELECT count(*) FROM commands WHERE state = 'held'"
                wait_until(lambda: query(store, count) >= [(3,)], 60, engine.said)
                engine.kill()
                refused = _commands(store, "approve", _held(store)[0]["id"], "--by", "anna")
                assert (refused.returncode, "no engine is running on the store" in refused.stderr) == (4, True)
                engine = Running(arguments, engine.log)
                engine.wait_for(READY)
                first, second, *_ = _held(store)
                assert _commands(store, "reject", first["id"], "--by", "bob", "--why", "in service").returncode == 0
                done = _commands(store, "approve", second["id"], "no such", "--by", "anna", "--why", "ok")
                assert done.returncode == 1  # of two, one was refused
                assert f"approved: {second['id']}" in done.stderr
                assert 'there is no command "no such" under way' in done.stderr
                wait_until(lambda: second["id"] in _executed(record), 60, engine.said)
                state = "SELECT state FROM commands WHERE id = ?"
                wait_until(lambda: query(store, state, second["id"]) == [("succeeded",)], 60, engine.said)
            assert engine.end() == 0, engine.said()
        finally:
            engine.kill()
    assert first["id"] not in _executed(record)
    assert query(store, "SELECT state, detail FROM commands WHERE id = ?", first["id"]) == [
        ("rejected", "rejected by bob: in service")
    ]
    assert query(store, "SELECT state, detail FROM commands WHERE id = ?", second["id"]) == [
        ("succeeded", "approved by anna: ok; shut down")
    ]
    ended = query(
        store, "SELECT device, state, severity FROM alerts WHERE rule = 'overheat/held' AND state = 'resolved'"
    )
    assert sorted(ended) == sorted((one["device"], "resolved", "critical") for one in (first, second))
    assert query(store, "SELECT count(*) > 0 FROM ledger WHERE kind = 'publish' AND target LIKE 'alerts/%'") == [(1,)]
    assert not Path(f"{store}.sock").exists()


def _executed(record: Path) -> list[str]:
    return [line["id"] for line in journal(record) if line["event"] == "executed"]
