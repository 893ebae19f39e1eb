"""A running engine takes changed rule files and a changed registry: on SIGHUP, or by itself with --watch."""

from __future__ import annotations

import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.processes import PLANT, Running, engine_arguments, query, running, wait_until
from tests.mosquitto import running_mosquitto

SILENT = "  silent: {absent: env, for: 500ms}\n"


@contextmanager
def _engine(tmp_path: Path, *more: str, more_rules: str = "") -> Iterator[tuple[Running, Path]]:
    """An engine that is ready, and its rule file."""
    rules = tmp_path / "rules.yaml"
    rules.write_text((PLANT / "rules.yaml").read_text() + more_rules)
    with running_mosquitto() as broker:
        arguments = [*engine_arguments(broker.url, tmp_path / "store.db", rules=rules), *more]
        with running(arguments, tmp_path / "engine.log") as engine:
            engine.wait_for('"event": "ready"')
            yield engine, rules
            assert engine.end() == 0, engine.said()


def _metric(engine: Running, outcome: str) -> float:
    found = re.search(r'"metrics": "([^"]+)"', engine.said())
    assert found is not None
    with urllib.request.urlopen(found[1], timeout=10) as answer:
        text = answer.read().decode()
    value = re.search(rf'^iotrules_rule_reloads_total{{outcome="{outcome}"}} (\S+)', text, re.MULTILINE)
    assert value is not None, text
    return float(value[1])


@pytest.mark.timeout(90)
def test_sighup_takes_changed_files_and_refuses_bad_ones(tmp_path: Path) -> None:
    with _engine(tmp_path) as (engine, rules):
        good = rules.read_text().replace("temp > 85 degC", "temp > 88 degC")
        rules.write_text(good)
        engine.process.send_signal(signal.SIGHUP)
        said = engine.wait_for('"event": "rules reloaded"')
        assert "temp > 88 degC" in said
        conditions = "SELECT count(*) FROM rules WHERE condition LIKE '%temp > 88 degC%'"
        assert query(tmp_path / "store.db", conditions) == [(1,)]
        rules.write_text(good.replace("temp > 88 degC", "tmp > 88 degC"))
        engine.process.send_signal(signal.SIGHUP)
        said = engine.wait_for("rules not reloaded: the old ones stay")
        assert f"{rules}:" in said
        assert 'did you mean \\"temp\\"?' in said
        assert query(tmp_path / "store.db", conditions) == [(1,)]
        assert (_metric(engine, "applied"), _metric(engine, "refused")) == (1, 1)


@pytest.mark.timeout(90)
def test_with_watch_nobody_has_to_ask(tmp_path: Path) -> None:
    with _engine(tmp_path, "--watch") as (engine, rules):
        rules.write_text(rules.read_text().replace("temp > 85 degC", "temp > 88 degC"))
        engine.wait_for('"event": "rules reloaded"')
        condition = "SELECT count(*) FROM rules WHERE condition LIKE '%temp > 88 degC%'"
        wait_until(lambda: query(tmp_path / "store.db", condition) == [(1,)], 10, engine.said)


def _firing(tmp_path: Path) -> set[str]:
    """The keys of the plant's alerts that fire for `silent`."""
    found = query(tmp_path / "store.db", "SELECT key FROM alerts WHERE rule = 'silent' AND state = 'firing'")
    return {key for (key,) in found}


@pytest.mark.timeout(90)
def test_with_watch_a_device_taken_out_of_the_registry_is_not_expected_any_more(tmp_path: Path) -> None:
    registry = tmp_path / "devices.csv"
    registry.write_text("site,device\nA,b1\nA,b2\n")
    with _engine(tmp_path, "--watch", "--registry", str(registry), more_rules=SILENT) as (engine, _):
        wait_until(lambda: len(_firing(tmp_path)) == 2, 20, engine.said)
        registry.write_text("site,device\nA,b1\n")
        said = engine.wait_for('"event": "rules reloaded"')
        assert '"devices": 1' in said
        wait_until(lambda: len(_firing(tmp_path)) == 1, 10, engine.said)
        assert "b1" in _firing(tmp_path).pop()
        registry.write_text("site,device\nA,b1\nA,b1\n")
        engine.wait_for("rules not reloaded: the old ones stay")
        assert f"{registry}:3" in engine.said()
        assert len(_firing(tmp_path)) == 1
