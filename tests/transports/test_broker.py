"""The broker that we start beside us: its port, its death, its deafness, and its end with ours."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from iotrules.model.errors import ConfigError, UnavailableError
from iotrules.transports.broker import Kind, LocalBroker
from iotrules.transports.mqtt import MqttTransport
from tests.mosquitto import mosquitto_program
from tests.transports.worlds import PATIENCE, Inbox


@pytest.fixture(params=["mosquitto", "iotcore"])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    if chosen == "mosquitto":
        mosquitto_program()
    return chosen


class Statuses:
    """Collects statuses, and waits for one that contains a text."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.texts: list[str] = []

    def __call__(self, text: str) -> None:
        self.texts.append(text)
        self._changed.set()

    async def have(self, part: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not any(part in text for text in self.texts):
                self._changed.clear()
                await self._changed.wait()


async def until_it_answers(broker: LocalBroker) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await broker.probe():
            pass


async def test_it_listens_on_loopback_only_and_is_gone_afterwards(kind: Kind, tmp_path: Path) -> None:
    async with LocalBroker(kind, directory=tmp_path / "a b") as broker:
        assert await broker.probe()
        process = psutil.Process(broker.pid)
        listening = [c.laddr for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert listening == [("127.0.0.1", broker.address.port)]
    assert not process.is_running()
    assert not await broker.probe()


async def test_a_port_in_use_is_named_with_what_to_do(kind: Kind, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"port {port} on 127.0.0.1 is in use: .*--broker mqtt://127.0.0.1:{port}"
        ):
            await LocalBroker(kind, port, directory=tmp_path).__aenter__()


async def test_a_dead_broker_is_started_again_on_its_port(kind: Kind, tmp_path: Path) -> None:
    statuses = Statuses()
    async with LocalBroker(kind, directory=tmp_path, on_status=statuses) as broker:
        assert broker.pid is not None
        client = MqttTransport(broker.address, client_id="engine", publish_timeout=PATIENCE)
        await client.start([], Inbox(client))
        os.kill(broker.pid, signal.SIGKILL)
        await statuses.have("ended with code -9")
        await client.publish("t", b"after")
        await client.stop()
        assert broker.restarts == 1


async def test_a_broker_that_hangs_is_started_again(kind: Kind, tmp_path: Path) -> None:
    statuses = Statuses()
    async with LocalBroker(kind, directory=tmp_path, on_status=statuses, probe_every=0.05) as broker:
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        await statuses.have("does not answer any more")
        await until_it_answers(broker)


async def test_leaving_while_a_hanging_broker_is_being_stopped_leaves_no_process(tmp_path: Path) -> None:
    statuses = Statuses()
    async with LocalBroker("iotcore", directory=tmp_path, on_status=statuses, probe_every=0.05) as broker:
        process = psutil.Process(broker.pid)
        process.suspend()
        await statuses.have("does not answer any more")
    assert not process.is_running()


async def test_the_embedded_broker_made_deaf_by_a_refused_client_id_is_started_again(tmp_path: Path) -> None:
    statuses = Statuses()
    async with LocalBroker("iotcore", directory=tmp_path, on_status=statuses, probe_every=0.05) as broker:
        for _ in range(2):
            intruder = MqttTransport(broker.address, client_id="a/b", persistent=False)
            with pytest.raises(UnavailableError):
                await intruder.start([], Inbox(intruder))
        await statuses.have("does not answer any more")
        await until_it_answers(broker)


RUN_AND_WAIT = """
import asyncio, sys, pathlib
from iotrules.transports.broker import LocalBroker
async def main():
    async with LocalBroker(sys.argv[1], directory=pathlib.Path(sys.argv[2])) as broker:
        print(broker.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_a_broker_does_not_outlive_a_killed_parent(kind: Kind, tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN_AND_WAIT, kind, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    broker = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    assert await asyncio.to_thread(psutil.wait_procs, [broker], PATIENCE) == ([broker], [])


def test_auto_takes_mosquitto_where_it_is_installed(tmp_path: Path) -> None:
    mosquitto_program()
    assert LocalBroker("auto", directory=tmp_path).kind == "mosquitto"


def test_auto_takes_the_embedded_broker_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert LocalBroker("auto", directory=tmp_path).kind == "iotcore"


async def test_a_directory_that_can_not_be_made_is_named(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="directory"):
        await LocalBroker(kind, directory=tmp_path / "file" / "x").__aenter__()
