"""A broker of a few lines that does what real ones refuse to do: answer wrongly, late, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE = 0x10, 0x20, 0x30, 0x40, 0x80
WELCOME = b"\x20\x03\x00\x00\x00"

Answer: TypeAlias = Callable[[int, bytes], bytes]
"""Takes the kind and the body of a packet, and gives the bytes to send."""


def welcome_and_subscribe(kind: int, body: bytes) -> bytes:
    """Answer as a broker should, but take no publishes."""
    if kind == CONNECT:
        return WELCOME
    if kind == SUBSCRIBE:
        return b"\x90\x04" + body[:2] + b"\x00\x01"
    return b""


def publish(topic: bytes, packet_id: int, payload: bytes = b"") -> bytes:
    """A PUBLISH packet at QoS 1."""
    body = len(topic).to_bytes(2, "big") + topic + packet_id.to_bytes(2, "big") + b"\x00" + payload
    return bytes((0x32, len(body))) + body


class ScriptedBroker:
    """Listens on a loopback port while entered, answers by `answer`, and remembers the packets."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.packets: list[tuple[int, bytes]] = []
        self.port = 0

    async def __aenter__(self) -> ScriptedBroker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def count(self, kind: int) -> int:
        """How many packets of a kind have come."""
        return sum(1 for seen, _ in self.packets if seen == kind)

    async def until(self, kind: int, count: int) -> list[bytes]:
        """Wait for so many packets of a kind, and give their bodies."""
        async with asyncio.timeout(20):
            while self.count(kind) < count:
                self._changed.clear()
                await self._changed.wait()
        return [body for seen, body in self.packets if seen == kind]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                first, length = await reader.readexactly(2)
                if length > 127:
                    length = length - 128 + 128 * (await reader.readexactly(1))[0]
                body = await reader.readexactly(length)
                self.packets.append((first & 0xF0, body))
                self._changed.set()
                writer.write(self._answer(first & 0xF0, body))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()
        finally:
            self._tasks.discard(task)
