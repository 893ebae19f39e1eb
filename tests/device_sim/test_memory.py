"""Commands that come again, are old, or were retained: a device does each once, over its own restart too."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import paho.mqtt.publish as publishing
import pytest

from device_sim.commands import REMEMBERED, CommandMessage, Memory, RunState, obey
from tests.end_to_end.processes import REPOSITORY, environment, wait_until
from tests.mosquitto import Mosquitto, running_mosquitto

FLEET = """
fleet:
  boilers:
    count: 1
    sites: [A]
    id: "b{n}"
    topic: site/{site}/dev/{device}/env
    commands: site/{site}/dev/{device}/cmd
    ack: site/{site}/dev/{device}/cmd/ack
    interval: 50ms
"""
TOPIC = "site/A/dev/b1/cmd"


def _message(id: str, expires: int | None) -> CommandMessage:
    return CommandMessage(id, "restart", {}, expires)


def test_ten_thousand_old_commands_make_a_device_forget_none_that_it_did() -> None:
    memory = Memory()
    assert obey(memory, RunState.RUNNING, _message("mine", 10_000), 0).answer.status == "succeeded"
    for number in range(10_000):
        assert obey(memory, RunState.RUNNING, _message(f"old-{number}", 5), 6).answer.detail == "expired"
    assert obey(memory, RunState.RUNNING, _message("mine", 10_000), 7).repeated


def test_with_no_room_for_one_more_nothing_is_done_until_some_have_expired() -> None:
    memory = Memory()
    for number in range(REMEMBERED):
        obey(memory, RunState.RUNNING, _message(f"c{number}", 100), 0)
    refused = obey(memory, RunState.RUNNING, _message("one more", 300), 1)
    assert (refused.answer.status, refused.repeated) == ("rejected", False)
    assert obey(memory, RunState.RUNNING, _message("one more", 300), 100).answer.status == "succeeded"
    assert len(memory.answers) == len(memory.expiries) == 1


def _simulator(broker: Mosquitto, folder: Path) -> subprocess.Popen[bytes]:
    (folder / "fleet.yaml").write_text(FLEET)
    journal = folder / "journal"
    before = journal.read_bytes().count(b"published") if journal.exists() else 0
    arguments = ["sim", str(folder / "fleet.yaml"), "--broker", broker.url, "--no-host", "--quiet"]
    arguments += ["--journal", str(journal), "--memory", str(folder / "memory")]
    process = subprocess.Popen([sys.executable, "-m", "iotrules", *arguments], cwd=REPOSITORY, env=environment())
    wait_until(
        lambda: journal.exists() and journal.read_bytes().count(b"published") > before, 30, lambda: "it reports nothing"
    )
    return process


def _executed(folder: Path) -> list[str]:
    lines = [json.loads(line) for line in (folder / "journal").read_bytes().split(b"\n")[:-1]]
    return [line["id"] for line in lines if line["event"] == "executed"]


def _command(id: str, expires_in: float) -> bytes:
    now = time.time()
    return json.dumps({"id": id, "command": "restart", "expires": round((now + expires_in) * 1000)}).encode()


def _send(broker: Mosquitto, *payloads: bytes, retain: bool = False) -> None:
    messages: list[Any] = [{"topic": TOPIC, "payload": one, "qos": 1, "retain": retain} for one in payloads]
    publishing.multiple(messages, hostname="127.0.0.1", port=broker.port)


@pytest.mark.timeout(180)
async def test_retained_old_and_repeated_commands_are_not_done_over_a_kill_of_the_device(tmp_path: Path) -> None:
    with running_mosquitto("allow_anonymous true\nmax_queued_messages 0\n") as broker:
        _send(broker, _command("retained", 3600), retain=True)
        process = _simulator(broker, tmp_path)
        try:
            mine = _command("mine", 3600)
            _send(broker, mine, mine)
            wait_until(lambda: _executed(tmp_path) == ["mine"], 30, lambda: str(_executed(tmp_path)))
        finally:
            process.kill()
            process.wait(10)
        process = _simulator(broker, tmp_path)
        try:
            old = [_command(f"old-{number}", -1) for number in range(10_000)]
            await asyncio.to_thread(_send, broker, mine, *old, mine, _command("last", 3600))
            wait_until(lambda: "last" in _executed(tmp_path), 90, lambda: str(_executed(tmp_path)))
        finally:
            process.terminate()
            process.wait(20)
    assert _executed(tmp_path) == ["mine", "last"]
