"""Compare the brokers that can run beside us, through our own MqttTransport: speed, and what survives.

    python benchmarks/brokers.py [--messages 5000] [--rounds 3]

Rates are wall clock on a loopback, publisher and subscriber in one process: they compare brokers within one run.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from iotrules.model.errors import IotrulesError
from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken
from iotrules.transports.address import BrokerAddress
from iotrules.transports.broker import Kind, LocalBroker, mosquitto_program
from iotrules.transports.embedded import embedded_available
from iotrules.transports.mqtt import MqttTransport

PATIENCE = 60.0
PAYLOAD = b'{"device":"b1","temp":71.25}'.ljust(150)

_AMQTT = """
import asyncio, sys
from amqtt.broker import Broker
async def main():
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:" + sys.argv[1]}}})
    await broker.start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A broker that answers, and how to kill it and have it back (None: it has no supervisor)."""

    address: BrokerAddress
    kill_and_wait: Callable[[], AbstractAsyncContextManager[None]] | None = None


Contestant: TypeAlias = Callable[[], AbstractAsyncContextManager[Running]]


def local(kind: Kind) -> Contestant:
    """One of the two that LocalBroker starts, configured as it configures them."""

    @asynccontextmanager
    async def run() -> AsyncIterator[Running]:
        with tempfile.TemporaryDirectory() as directory:
            died = asyncio.Event()
            async with LocalBroker(
                kind,
                directory=Path(directory),
                on_status=lambda _: died.set(),
            ) as broker:

                @asynccontextmanager
                async def kill_and_wait() -> AsyncIterator[None]:
                    assert broker.pid is not None
                    died.clear()
                    os.kill(broker.pid, signal.SIGKILL)
                    async with asyncio.timeout(PATIENCE):
                        await died.wait()
                        while not await broker.probe():
                            pass
                    yield

                yield Running(broker.address, kill_and_wait)

    return run


def command(make: Callable[[Path, int], Sequence[str]]) -> Contestant:
    """Any other broker: a command that listens on the port it is given."""

    @asynccontextmanager
    async def run() -> AsyncIterator[Running]:
        with socket.socket() as probe, tempfile.TemporaryDirectory() as directory:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            probe.close()
            quiet = asyncio.subprocess.DEVNULL
            process = await asyncio.create_subprocess_exec(*make(Path(directory), port), stdout=quiet, stderr=quiet)
            try:
                await listening(port)
                yield Running(BrokerAddress("127.0.0.1", port))
            finally:
                process.kill()
                await process.wait()

    return run


async def listening(port: int) -> None:
    """Wait until something listens."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def mosquitto_saving(how: str) -> Callable[[Path, int], list[str]]:
    """mosquitto with another way of saving than ours: what saving costs."""

    def make(directory: Path, port: int) -> list[str]:
        user = "user root\n" if os.geteuid() == 0 else ""
        tuning = "set_tcp_nodelay true\nmax_inflight_messages 1000\n"
        place = f"persistence true\npersistence_location {directory}/\n" if "autosave" in how else ""
        file = directory / "mosquitto.conf"
        file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{user}{tuning}{place}{how}\n")
        return [mosquitto_program() or "mosquitto", "-c", str(file)]

    return make


def contestants() -> dict[str, Contestant]:
    """Those that are installed here."""
    found: dict[str, Contestant] = {}
    if mosquitto_program():
        found["mosquitto"] = local("mosquitto")
        found["mosquitto, each change"] = command(mosquitto_saving("autosave_on_changes true\nautosave_interval 1"))
        found["mosquitto, unsaved"] = command(mosquitto_saving("persistence false"))
    if embedded_available():
        found["iotcore"] = local("iotcore")
    if importlib.util.find_spec("amqtt"):
        found["amqtt"] = command(lambda _directory, port: [sys.executable, "-c", _AMQTT, str(port)])
    return found


@dataclass(slots=True)
class Counter:
    """Counts and acknowledges what a transport hands over; `keep` leaves it unacknowledged."""

    transport: MqttTransport
    keep: bool = False
    count: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        self.count += len(batch)
        if not self.keep:
            self.transport.acknowledge([token for _, token in batch])
        self._changed.set()

    async def reaches(self, wanted: int, seconds: float = PATIENCE) -> bool:
        """Whether so many come in time."""
        try:
            async with asyncio.timeout(seconds):
                while self.count < wanted:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def client(
    running: Running, name: str, *filters: str, keep: bool = False
) -> AsyncIterator[tuple[MqttTransport, Counter]]:
    """A started transport with its counter."""
    transport = MqttTransport(running.address, client_id=name, publish_timeout=PATIENCE)
    counter = Counter(transport, keep)
    await transport.start(filters, counter)
    try:
        yield transport, counter
    finally:
        await transport.stop()


async def rate(running: Running, messages: int) -> float:
    """Round trips a second at QoS 1, published as fast as the broker's window lets us."""
    async with client(running, "engine", "speed") as (_, counter), client(running, "device") as (device, _):
        start = time.perf_counter()
        await asyncio.gather(*(device.publish("speed", PAYLOAD) for _ in range(messages)))
        if not await counter.reaches(messages):
            return 0.0
        return messages / (time.perf_counter() - start)


async def latency(running: Running, messages: int = 200) -> float:
    """Median milliseconds of one publish at a time, until its acknowledgement."""
    async with client(running, "device") as (device, _):
        times = []
        for _ in range(messages):
            start = time.perf_counter()
            await device.publish("idle", PAYLOAD)
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


async def keeps_for_absent(running: Running) -> bool:
    """Whether a persistent session gets what was sent while it was away."""
    async with client(running, "absent", "absent"):
        pass
    async with client(running, "device") as (device, _):
        for _ in range(5):
            await device.publish("absent", PAYLOAD)
    async with client(running, "absent", "absent") as (_, counter):
        return await counter.reaches(5, 3.0)


async def redelivers(running: Running) -> bool:
    """Whether what was not acknowledged comes again on the next connection."""
    async with client(running, "slow", "slow", keep=True) as (slow, counter):
        for _ in range(5):
            await slow.publish("slow", PAYLOAD)
        await counter.reaches(5)
    async with client(running, "slow", "slow") as (_, counter):
        return await counter.reaches(5, 3.0)


async def survives_kill(running: Running, after: float) -> bool | None:
    """Whether what the broker acknowledged is there after its kill -9, so many seconds later."""
    if running.kill_and_wait is None:
        return None
    async with client(running, "sleeper", "sleeper"):
        pass
    async with client(running, "device") as (device, _):
        for _ in range(5):
            await device.publish("sleeper", PAYLOAD)
    await asyncio.sleep(after)
    async with running.kill_and_wait(), client(running, "sleeper", "sleeper") as (_, counter):
        return await counter.reaches(5, 3.0)


def shown(value: bool | None) -> str:
    """A cell."""
    return {True: "yes", False: "NO", None: "-"}[value]


async def main(messages: int, rounds: int) -> None:
    """Measure in alternation, then look at the behaviours, and print a table."""
    rates: dict[str, list[float]] = {name: [] for name in contestants()}
    failures: dict[str, str] = {}
    for _ in range(rounds):
        for name, contestant in contestants().items():
            if name in failures:
                continue
            try:
                async with contestant() as running:
                    rates[name].append(await rate(running, messages))
            except IotrulesError as error:
                failures[name] = str(error)
    print(
        f"{'broker':24} {'QoS 1 msg/s':>12} {'ack ms':>7} {'absent':>7} {'resends':>8} {'kill -9':>8} {'3 s later':>10}"
    )
    for name, contestant in contestants().items():
        if name in failures:
            print(f"{name:24} {failures[name]}")
            continue
        async with contestant() as running:
            cells: list[bool | None] = [await keeps_for_absent(running), await redelivers(running)]
            speed = f"{statistics.median(rates[name]):12,.0f} {await latency(running):7.2f}"
            cells += [await survives_kill(running, 0), await survives_kill(running, 3)]
            absent, again, kill, later = map(shown, cells)
        print(f"{name:24} {speed} {absent:>7} {again:>8} {kill:>8} {later:>10}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(main(options.messages, options.rounds))
