"""The adapters under the transport contract: each with its broker and the faults that a test may ask for."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken, Transport
from iotrules.transports.address import BrokerAddress
from iotrules.transports.broker import LocalBroker
from iotrules.transports.memory import MemoryBroker, MemoryTransport
from iotrules.transports.mqtt import MqttTransport
from tests.mosquitto import Mosquitto, running_mosquitto
from tests.transports.proxy import Proxy

PATIENCE = 20.0
"""Seconds that a test waits for what must come; the machine may be busy."""


class World(Protocol):
    """A broker and its clients."""

    def client(self, client_id: str, *, persistent: bool = True, receive_maximum: int = 1000) -> Transport:
        """A transport that is not started yet."""
        ...

    def cut(self) -> None:
        """Drop every connection; the broker stays."""
        ...

    async def saved(self, payload: bytes) -> None:
        """Wait until the broker has a message on its disk, if it has one."""
        ...

    async def kill(self) -> None:
        """End the broker as by a power cut."""
        ...

    async def revive(self) -> None:
        """Start it again with what is on its disk."""
        ...


class Inbox:
    """Collects what a transport hands over; acknowledges at once if told to."""

    def __init__(self, transport: Transport, *, acknowledge: bool = True) -> None:
        self._transport = transport
        self._acknowledge = acknowledge
        self._changed = asyncio.Event()
        self.items: list[tuple[Arrival, AckToken]] = []

    def __call__(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        self.items.extend(batch)
        if self._acknowledge:
            self._transport.acknowledge([token for _, token in batch])
        self._changed.set()

    @property
    def topics(self) -> list[str]:
        return [arrival.topic for arrival, _ in self.items]

    @property
    def payloads(self) -> list[bytes]:
        return [arrival.payload for arrival, _ in self.items]

    def tokens(self) -> list[AckToken]:
        return [token for _, token in self.items]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is looked at after each batch."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_more_or_all(self, wanted: set[bytes]) -> None:
        """Wait for another message, unless all payloads that are wanted have come."""
        seen = len(self.items)
        await self.until(lambda: len(self.items) > seen or set(self.payloads) == wanted)

    async def have(self, count: int) -> None:
        """Wait until `count` messages have come."""
        await self.until(lambda: len(self.items) >= count)


class MemoryWorld:
    def __init__(self) -> None:
        self._broker = MemoryBroker()
        self._clients: list[str] = []

    def client(self, client_id: str, *, persistent: bool = True, receive_maximum: int = 1000) -> Transport:
        self._clients.append(client_id)
        return MemoryTransport(self._broker, client_id, persistent=persistent, receive_maximum=receive_maximum)

    def cut(self) -> None:
        for client_id in self._clients:
            self._broker.drop_connection(client_id)

    async def saved(self, payload: bytes) -> None:
        """Nothing is saved here; its sessions stay."""

    async def kill(self) -> None:
        self._broker.available = False
        self.cut()

    async def revive(self) -> None:
        self._broker.available = True


class MqttWorld:
    """Clients reach the broker through a proxy, so that their connections can be cut."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def client(self, client_id: str, *, persistent: bool = True, receive_maximum: int = 1000) -> Transport:
        return MqttTransport(
            BrokerAddress("127.0.0.1", self._proxy.port),
            client_id=client_id,
            persistent=persistent,
            receive_maximum=receive_maximum,
            publish_timeout=PATIENCE,
        )

    def cut(self) -> None:
        self._proxy.cut()


class MosquittoWorld(MqttWorld):
    def __init__(self, proxy: Proxy, broker: Mosquitto) -> None:
        super().__init__(proxy)
        self._broker = broker

    async def saved(self, payload: bytes) -> None:
        file = self._broker.database
        async with asyncio.timeout(PATIENCE):
            while not (file.exists() and payload in file.read_bytes()):  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        self._broker.stop(signal.SIGKILL)

    async def revive(self) -> None:
        self._broker.start()


class EmbeddedWorld(MqttWorld):
    def __init__(self, proxy: Proxy, broker: LocalBroker) -> None:
        super().__init__(proxy)
        self._broker = broker

    async def saved(self, payload: bytes) -> None:
        """It saves nothing."""

    async def kill(self) -> None:
        pid = self._broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def revive(self) -> None:
        """Its supervisor does it."""


@asynccontextmanager
async def memory() -> AsyncIterator[World]:
    yield MemoryWorld()


@asynccontextmanager
async def mosquitto() -> AsyncIterator[World]:
    with running_mosquitto() as broker:
        async with Proxy(broker.port) as proxy:
            yield MosquittoWorld(proxy, broker)


@asynccontextmanager
async def iotcore() -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory() as directory:
        async with (
            LocalBroker("iotcore", directory=Path(directory)) as broker,
            Proxy(broker.address.port) as proxy,
        ):
            yield EmbeddedWorld(proxy, broker)


WORLDS = {"memory": memory, "mosquitto": mosquitto, "iotcore": iotcore}
