"""What goes wrong around the engine: it says so, counts it, and the rest goes on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.processes import PLANT, Running, engine_arguments, journal, query, running, total, wait_until
from tests.mosquitto import Mosquitto, free_port, running_mosquitto

HANDLERS = """
import time

def raises(event, context):
    raise ValueError("no such valve")

def hangs(event, context):
    time.sleep(3600)  # hanging is the case

def grows(event, context):
    return {"state": {"size": len(bytearray(b"x" * (1 << 30)))}}

def works(event, context):
    return {"state": {"times": event["state"].get("times", 0) + 1}}
"""

NAMES = ("raises", "hangs", "grows", "works")


def _fleet(broker: str, *more: str) -> list[str]:
    return ["sim", str(PLANT / "fleet.yaml"), "--broker", broker, "--no-host", *more]


@contextmanager
def _ready(starting: AbstractContextManager[Running]) -> Iterator[Running]:
    """An engine once it has subscribed: what was sent before is nobody's."""
    with starting as engine:
        engine.wait_for('"event": "ready"')
        yield engine


def _write_functions(directory: Path) -> Path:
    """A template of handlers that misbehave, each in its own way, and one that doesn't."""
    (directory / "handlers.py").write_text(HANDLERS)
    functions = "".join(
        f"""
  {name.title()}:
    Type: AWS::Serverless::Function
    Properties: {{FunctionName: {name}, CodeUri: ., Handler: handlers.{name}, Runtime: python3.12, Timeout: 1}}"""
        for name in NAMES
    )
    template = directory / "template.yaml"
    template.write_text(f"Transform: AWS::Serverless-2016-10-31\nResources:{functions}\n")
    return template


def _write_rules(directory: Path) -> Path:
    text = (PLANT / "rules.yaml").read_text()
    head = text[: text.index("rules:\n")]
    steps = "\n".join(f"      - invoke: {name}" for name in NAMES)
    rules = directory / "rules.yaml"
    rules.write_text(f"{head}rules:\n  overheat:\n    from: env\n    when: temp > 85\n    do:\n{steps}\n")
    return rules


@pytest.mark.timeout(180)
def test_handlers_that_raise_hang_or_grow_hold_nobody_up(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with running_mosquitto() as broker:
        arguments = engine_arguments(
            broker.url, store, rules=_write_rules(tmp_path), functions=_write_functions(tmp_path)
        )
        with running(arguments, tmp_path / "engine.log") as engine:
            engine.wait_for('"event": "ready"')
            with running(_fleet(broker.url), tmp_path / "fleet.log"):
                failed = "SELECT count(DISTINCT target) FROM ledger WHERE state = 'failed'"
                wait_until(lambda: query(store, failed) == [(3,)], 120, engine.said)
                before = total(store, "applied", "env")
                wait_until(lambda: total(store, "applied", "env") > before + 50, 20, engine.said)
            assert engine.end() == 0, engine.said()
    details = dict(query(store, "SELECT target, max(detail) FROM ledger WHERE state = 'failed' GROUP BY target"))
    assert "ValueError: no such valve" in details["raises"]
    assert "Task timed out after 1.00 seconds" in details["hangs"]
    assert "OutOfMemory" in details["grows"]
    assert all("gave up after 3 attempts" in detail for detail in details.values())
    ((done,),) = query(store, "SELECT count(*) FROM ledger WHERE target = 'works' AND state = 'done'")
    assert done > 0


@pytest.mark.timeout(120)
def test_a_broker_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    store, record = tmp_path / "store.db", tmp_path / "fleet.jsonl"
    with (
        running_mosquitto("allow_anonymous true\nautosave_interval 1\n") as broker,
        _ready(running(engine_arguments(broker.url, store), tmp_path / "engine.log")) as engine,
        running(_fleet(broker.url, "--journal", str(record)), tmp_path / "fleet.log") as fleet,
    ):
        wait_until(lambda: total(store, "applied", "env") > 50, 40, engine.said)
        broker.stop()
        engine.wait_for("not connected to the broker")
        before = total(store, "applied", "env")
        broker.start()
        wait_until(lambda: total(store, "applied", "env") > before + 100, 40, engine.said)
        assert fleet.end() == 0, fleet.said()
        sent = {(line["topic"], line["seq"]) for line in journal(record) if line["event"] == "published"}

        def all_seen() -> bool:
            seen = total(store, "applied", "env") + total(store, "late", "env") + total(store, "dead_letters")
            return seen >= len(sent)

        wait_until(all_seen, 20, lambda: f"{len(sent)} sent\n{query(store, 'SELECT * FROM counters')}")
        assert engine.end() == 0, engine.said()


@pytest.mark.timeout(90)
def test_a_broker_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with running_mosquitto() as broker:
        broker.stop()
        with running(engine_arguments(broker.url, store), tmp_path / "engine.log") as engine:
            said = engine.wait_for("can't reach the broker")
            assert broker.url.removeprefix("mqtt://") in said
            broker.start()
            engine.wait_for('"event": "ready"')
            assert engine.end() == 0


def test_three_errors_in_a_rule_file_are_all_named_and_nothing_starts(tmp_path: Path) -> None:
    rules = tmp_path / "bad.yaml"
    text = (PLANT / "rules.yaml").read_text()
    text = text.replace("severity: critical", "severity: crtical").replace("temp > 85 degC", "tmp > 85 degC")
    rules.write_text(text.replace("avg(temp, 2s, min_samples=5) > 75 degC", "avg(temp, 2s) > 75 bar"))
    with running(engine_arguments("mqtt://127.0.0.1:1", tmp_path / "s.db", rules=rules), tmp_path / "log") as engine:
        assert engine.process.wait(30) == 3
    said = engine.said()
    assert said.count(f"{rules}:") == 3
    for word in ("did you mean", "critical", "temp", "bar"):
        assert word in said
    assert not (tmp_path / "s.db").exists()


def test_a_rule_that_invokes_what_is_not_there_is_named(tmp_path: Path) -> None:
    arguments = engine_arguments(
        "mqtt://127.0.0.1:1", tmp_path / "s.db", rules=PLANT / "rules.yaml", functions=_write_functions(tmp_path)
    )
    with running(arguments, tmp_path / "log") as engine:
        assert engine.process.wait(30) == 3
    assert 'invokes "shutdown_machine"' in engine.said()
    assert "it has: grows, hangs, raises, works" in engine.said()


def test_rules_that_invoke_nothing_need_no_template(tmp_path: Path) -> None:
    head = (PLANT / "rules.yaml").read_text()
    rules = tmp_path / "rules.yaml"
    rules.write_text(head[: head.index("rules:\n")] + "rules: {hot: {from: env, when: temp > 85}}\n")
    with running_mosquitto() as broker:
        arguments = ["run", "--rules", str(rules), "--broker", broker.url, "--metrics-port", "0"]
        with running(arguments, tmp_path / "engine.log", cwd=tmp_path) as engine:
            assert '"functions": 0' in engine.wait_for('"event": "ready"')
            assert engine.end() == 0


def test_a_metrics_port_in_use_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = engine_arguments("mqtt://127.0.0.1:1", tmp_path / "s.db", metrics_port=str(port))
        with running(arguments, tmp_path / "log") as engine:
            assert engine.process.wait(30) != 0
    assert f"port {port} for /metrics" in engine.said()
    assert "--metrics-port" in engine.said()


def test_two_engines_on_one_store_are_one_too_many(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with running_mosquitto() as broker, running(engine_arguments(broker.url, store), tmp_path / "first.log") as first:
        first.wait_for('"event": "ready"')
        arguments = engine_arguments(broker.url, store, name="another")
        with running(arguments, tmp_path / "second.log") as second:
            assert second.process.wait(30) != 0
        assert "is in use by another engine" in second.said()
        assert first.end() == 0


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    """A file system of 2 MB; who may not mount one can't run this test."""
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode != 0:
        words = f"a small file system can't be mounted here: {mounted.stderr.decode().strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.timeout(120)
def test_a_disk_that_is_full_at_the_start_is_said_and_waited_for(tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk") as disk, running_mosquitto() as broker:
        filler = disk / "filler"
        with filler.open("wb") as file:
            _fill(file.fileno())
        store = disk / "store.db"
        with running(engine_arguments(broker.url, store), tmp_path / "engine.log") as engine:
            engine.wait_for("can't open the store")
            filler.unlink()
            engine.wait_for('"event": "ready"')
            _publish_one(broker)
            wait_until(lambda: total(store, "received") >= 1, 20, engine.said)
            assert engine.end() == 0, engine.said()


def _fill(handle: int) -> None:
    for size in (65_536, 512, 1):
        try:
            while os.write(handle, b"x" * size):
                pass
        except OSError:
            continue


def _publish_one(broker: Mosquitto) -> None:
    body = json.dumps({"ts": 0, "boot": "x", "seq": 1, "temp": 20})
    subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-t", "site/A/dev/b1/env", "-m", body],
        check=True,
    )


def test_an_engine_that_is_told_to_stop_while_it_waits_stops(tmp_path: Path) -> None:
    arguments = engine_arguments(f"mqtt://127.0.0.1:{free_port()}", tmp_path / "store.db")
    with running(arguments, tmp_path / "engine.log") as engine:
        engine.wait_for("can't reach the broker")
        assert engine.end(seconds=10) == 0
