"""The mosquitto.conf that we print: killed at any time, the broker still has all but what it acknowledged last."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from iotrules.cli.broker import command
from iotrules.model.errors import UnavailableError
from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken
from iotrules.transports.address import BrokerAddress
from iotrules.transports.durable_broker import durable_configuration
from iotrules.transports.mqtt import MqttTransport
from tests.mosquitto import free_port, mosquitto_program

PATIENCE = 30.0
MESSAGES = 300
TOPIC = "site/A/dev/b1/env"


class Killed:
    """A mosquitto with the printed file, on the same directory each time that it is started."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._file = directory / "mosquitto.conf"
        user = "user root\n" if os.geteuid() == 0 else ""
        self._file.write_text(durable_configuration(directory, self.port) + user)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [mosquitto_program(), "-c", str(self._file)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)

    def client(self, name: str) -> MqttTransport:
        return MqttTransport(BrokerAddress("127.0.0.1", self.port), client_id=name, publish_timeout=PATIENCE)


class _Heard:
    """What a client was sent, acknowledged; `enough` is set with so many different messages."""

    def __init__(self, transport: MqttTransport, wanted: int) -> None:
        self._transport = transport
        self._wanted = wanted
        self.payloads: set[bytes] = set()
        self.enough = asyncio.Event()

    def __call__(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        self.payloads.update(arrival.payload for arrival, _ in batch)
        self._transport.acknowledge([token for _, token in batch])
        if len(self.payloads) >= self._wanted:
            self.enough.set()


async def _started(transport: MqttTransport, heard: _Heard, filters: Sequence[str] = (TOPIC,)) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await transport.start(filters, heard)
                return
            except UnavailableError:
                await asyncio.sleep(0.02)  # between two looks: a broker that starts tells nobody


@pytest.mark.timeout(120)
async def test_killed_as_a_message_is_acknowledged_it_keeps_every_one_before(tmp_path: Path) -> None:
    broker = Killed(tmp_path)
    broker.start()
    try:
        engine = broker.client("engine")
        await _started(engine, _Heard(engine, 0))
        await engine.stop()
        device = broker.client("device")
        await _started(device, _Heard(device, 0), filters=())
        for number in range(MESSAGES):
            await device.publish(TOPIC, b"%d" % number)
        broker.kill()
        await device.stop()
        broker.start()
        engine = broker.client("engine")
        heard = _Heard(engine, MESSAGES - 1)
        await _started(engine, heard)
        async with asyncio.timeout(PATIENCE):
            await heard.enough.wait()
        assert {b"%d" % number for number in range(MESSAGES - 1)} <= heard.payloads
        await engine.stop()
    finally:
        broker.kill()


def test_the_command_prints_it() -> None:
    result = CliRunner().invoke(command, ["--mosquitto-conf", "--port", "1884", "--directory", "/var/lib/mosquitto"])
    assert result.exit_code == 0
    assert result.output == durable_configuration(Path("/var/lib/mosquitto"), 1884)
