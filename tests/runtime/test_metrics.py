"""The engine's metrics after a run: right numbers, names and types that Prometheus' own linter accepts, few series."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from iotrules.language import load_files
from iotrules.runtime.metrics import EngineMetrics
from tests.engine.world import STREAM
from tests.runtime.world import World

RULES = """
  overheat: {from: env, when: temp > 85, severity: critical, do: [{invoke: trip}, {invoke: fail}]}
  held: {from: env, when: temp > 80, for: 1h}
  ratio: {from: env, when: 1 / pressure > 2}
  quiet: {sequence: [{first: env}, {without: env where temp > 99}], within: 8s, clear: temp > 99, alert: false}
"""
FUNCTIONS = frozenset({"trip", "fail"})
DEVICE, SITE = "pump-73", "A"
EXPECTED = {
    "iotrules_messages_received_total": {"source"},
    "iotrules_messages_applied_total": {"stream"},
    "iotrules_messages_dropped_total": {"reason"},
    "iotrules_messages_amended_total": {"stream"},
    "iotrules_messages_missing_total": {"stream"},
    "iotrules_messages_shed_total": {"stream"},
    "iotrules_messages_unaccounted_total": set(),
    "iotrules_messages_early_total": {"stream"},
    "iotrules_clock_ahead_total": {"stream"},
    "iotrules_messages_rejected_total": {"reason"},
    "iotrules_rule_evaluations_total": {"rule"},
    "iotrules_rule_unknown_total": {"rule"},
    "iotrules_rule_errors_total": {"rule"},
    "iotrules_sequence_events_total": {"rule", "event"},
    "iotrules_beyond_bounds_total": {"what"},
    "iotrules_alert_transitions_total": {"rule", "severity", "to"},
    "iotrules_alerts_active": {"severity", "state"},
    "iotrules_function_invocations_total": {"function", "outcome"},
    "iotrules_function_cold_starts_total": {"function"},
    "iotrules_function_duration_seconds": set(),
    "iotrules_commands_total": {"status"},
    "iotrules_commit_seconds": set(),
    "iotrules_event_to_alert_seconds": set(),
    "iotrules_queue_depth": set(),
    "iotrules_store_unavailable": set(),
    "iotrules_active": set(),
    "iotrules_epoch": set(),
    "iotrules_takeovers_total": {"how"},
    "iotrules_rule_reloads_total": {"outcome"},
    "iotrules_build_info": {"version"},
}


def _metrics() -> EngineMetrics:
    metrics = EngineMetrics()
    metrics.know(load_files({"rules.yaml": STREAM + RULES}), FUNCTIONS)
    return metrics


def _value(metrics: EngineMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"iotrules_{name}", labels)


def _promtool() -> str:
    program = shutil.which("promtool")
    if program is None:
        reason = "promtool is not installed (Debian: apt-get install prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def _check_metrics(program: str, exposition: bytes) -> tuple[int, str]:
    """What `promtool check metrics` says."""
    command = [program, "check", "metrics"]
    checked = subprocess.run(command, input=exposition, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return checked.returncode, checked.stdout.decode()


async def _run(folder: Path) -> EngineMetrics:
    """A device that trips twice, a function that fails, and messages of each kind that can't be used."""
    metrics = _metrics()
    world = World(folder, RULES)
    world.observers.append(metrics)
    await world.listen()
    async with world.engine():
        world.send(0, DEVICE, temp=90, pressure=0)
        await world.until(lambda: world.commands)
        world.answer(world.commands[0]["id"], "succeeded", DEVICE)
        world.send(10, DEVICE, temp=20)
        world.repeat()
        world.send(5, DEVICE, temp=20)
        world.broker.publish(f"site/{SITE}/dev/{DEVICE}/env", b"{")
        world.answer("nobody", "succeeded", DEVICE)
        world.send(20, DEVICE, temp=90)
        await world.until(lambda: len(world.commands) == 2)
        await world.until(lambda: [state for target, state in world.ledger() if target == "fail"] == ["failed"] * 2)
    return metrics


async def test_the_numbers_are_those_of_the_run(tmp_path: Path) -> None:
    metrics = await _run(tmp_path)
    assert _value(metrics, "messages_received_total", source="mqtt") == 8
    assert _value(metrics, "messages_applied_total", stream="env") == 3
    assert _value(metrics, "messages_dropped_total", reason="duplicate") == 1
    assert _value(metrics, "messages_dropped_total", reason="late") == 1
    assert _value(metrics, "messages_rejected_total", reason="not JSON") == 1
    assert _value(metrics, "messages_rejected_total", reason="unknown command") == 1
    assert _value(metrics, "rule_errors_total", rule="ratio") == 1
    assert _value(metrics, "rule_unknown_total", rule="ratio") == 3
    assert _value(metrics, "rule_evaluations_total", rule="overheat") == 3
    assert _value(metrics, "sequence_events_total", rule="quiet", event="repeated") == 1
    assert _value(metrics, "alert_transitions_total", rule="overheat", severity="critical", to="firing") == 2
    assert _value(metrics, "alert_transitions_total", rule="overheat", severity="critical", to="resolved") == 1
    assert _value(metrics, "alerts_active", severity="critical", state="firing") == 1
    assert _value(metrics, "alerts_active", severity="minor", state="pending") == 1
    assert _value(metrics, "function_invocations_total", function="trip", outcome="done") == 2
    assert _value(metrics, "function_invocations_total", function="fail", outcome="retry") == 4
    assert _value(metrics, "function_invocations_total", function="fail", outcome="failed") == 2
    assert _value(metrics, "function_cold_starts_total", function="trip") == 1
    assert _value(metrics, "function_duration_seconds_count") == 8
    assert _value(metrics, "commands_total", status="requested") == 2
    assert _value(metrics, "commands_total", status="succeeded") == 1
    assert _value(metrics, "event_to_alert_seconds_count") == 2
    assert _value(metrics, "queue_depth") == 0
    assert (_value(metrics, "commit_seconds_count") or 0) > 0


async def test_effects_that_wait_are_counted_by_the_next_engine_too(tmp_path: Path) -> None:
    world = World(tmp_path, "  overheat: {from: env, when: temp > 85, do: [{invoke: record}]}\n")
    async with world.engine():
        world.send(0, temp=90)
        await world.until(world.ledger)
    metrics = EngineMetrics()
    world.observers.append(metrics)
    async with world.engine():
        assert _value(metrics, "queue_depth") == 1
        assert _value(metrics, "alerts_active", severity="minor", state="firing") == 1  # since the run before
        world.let_go()
        await world.until(lambda: world.all_done(2))
    assert _value(metrics, "queue_depth") == 0


def test_names_and_labels_are_these() -> None:
    found: dict[str, set[str]] = {}
    for family in _metrics().registry.collect():
        for sample in family.samples:
            name = sample.name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            found.setdefault(name, set()).update(set(sample.labels) - {"le"})
    found.setdefault("iotrules_messages_rejected_total", {"reason"})  # its reasons come with the first of each
    assert found == EXPECTED


def test_known_series_exist_at_zero() -> None:
    metrics = _metrics()
    for labels in (
        {"rule": "overheat", "severity": "critical", "to": "firing"},
        {"rule": "held", "severity": "minor", "to": "resolved"},
    ):
        assert _value(metrics, "alert_transitions_total", **labels) == 0
    for rule in ("overheat", "held", "ratio"):
        for name in ("rule_evaluations_total", "rule_unknown_total", "rule_errors_total"):
            assert _value(metrics, name, rule=rule) == 0
    assert _value(metrics, "messages_received_total", source="mqtt") == 0
    assert _value(metrics, "messages_applied_total", stream="env") == 0
    assert _value(metrics, "messages_dropped_total", reason="late") == 0
    assert _value(metrics, "function_invocations_total", function="fail", outcome="retry") == 0
    assert _value(metrics, "function_cold_starts_total", function="trip") == 0
    assert _value(metrics, "commands_total", status="timed out") == 0
    assert _value(metrics, "alerts_active", severity="info", state="pending") == 0
    assert _value(metrics, "queue_depth") == 0


async def test_no_label_names_a_device_and_no_series_comes_with_one(tmp_path: Path) -> None:
    text = generate_latest((await _run(tmp_path)).registry).decode()
    assert DEVICE not in text
    assert f'"{SITE}"' not in text


async def test_promtool_has_nothing_to_say(tmp_path: Path) -> None:
    program = _promtool()
    exposition = generate_latest((await _run(tmp_path)).registry)
    assert await asyncio.to_thread(_check_metrics, program, exposition) == (0, "")


def test_metrics_are_served_over_http() -> None:
    metrics = _metrics()
    port = metrics.serve("127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert b"iotrules_build_info" in answer.read()
    with pytest.raises(OSError, match="in use"):
        metrics.serve("127.0.0.1", port)
