"""A disk that fails to write: the engine ends at once and says so, and the next one recovers from the journal."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from iotrules.transports.address import BrokerAddress
from iotrules.transports.mqtt import MqttTransport
from tests.end_to_end.processes import engine_arguments, query, running, wait_until
from tests.mosquitto import running_mosquitto


def _strace() -> str:
    """Its path; without it, or the right to use it, the test is skipped, or fails where CI=true."""
    program = shutil.which("strace")
    reason = "a failing disk needs strace and the right to trace (Debian: apt-get install strace)"
    if program is not None and subprocess.run([program, "-qq", "-o", os.devnull, "true"]).returncode == 0:
        return program
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _publish(broker: str, first: int, count: int) -> None:
    async def publish() -> None:
        device = MqttTransport(BrokerAddress.parse(broker), client_id=f"device-{first}")
        await device.start([], lambda batch: None)
        for n in range(first, first + count):
            await device.publish("site/A/dev/b1/env", b'{"boot": "x", "seq": %d, "temp": 50}' % n)
        await device.stop()

    asyncio.run(publish())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("call", ["fsync,fdatasync", "pwrite64"])
def test_after_a_failed_write_or_fsync_the_engine_ends_and_the_next_one_recovers(tmp_path: Path, call: str) -> None:
    program, store = _strace(), tmp_path / "store.db"
    with running_mosquitto() as broker:
        arguments = engine_arguments(broker.url, store)
        with running(arguments, tmp_path / "engine.log") as engine:
            engine.wait_for('"event": "ready"')
            _publish(broker.url, 0, 5)
            wait_until(lambda: _taken(store) == 5, 20, engine.said)
            inject = [program, "-qq", "-f", "-o", str(tmp_path / "trace"), "-p", str(engine.process.pid)]
            options = ["-P", str(store), "-P", f"{store}-wal", "-e", f"inject={call}:error=EIO"]
            with subprocess.Popen([*inject, *options]) as tracer:
                wait_until(lambda: _is_traced(engine.process.pid), 20, engine.said)
                _publish(broker.url, 5, 5)
                assert engine.process.wait(30) == 4
                assert tracer.wait(20) is not None
            assert "disk I/O error" in engine.said()
            assert "start the engine again once the disk is sound" in engine.said()
        before = _taken(store)
        with running(arguments, tmp_path / "engine.log") as engine:
            engine.wait_for('"event": "ready"')
            wait_until(lambda: _taken(store) == 10, 20, engine.said)
        assert before >= 5


def _taken(store: Path) -> int:
    rows = query(store, "SELECT sum(total) FROM counters WHERE counter = 'applied'")
    return int(rows[0][0] or 0) if rows else 0


def _is_traced(process: int) -> bool:
    """Are all its threads?"""
    tasks = list(Path(f"/proc/{process}/task").iterdir())
    return all("TracerPid:\t0\n" not in (task / "status").read_text() for task in tasks)
