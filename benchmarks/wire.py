"""The least of an MQTT 3.1.1 client, so that what is measured is the other side: packets in bulk, nothing kept.

It knows CONNECT, SUBSCRIBE, PUBLISH at QoS 1 and the answers, on a clean session. Source: MQTT 3.1.1, chapters 2 and 3.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

CONNACK, PUBLISH, PUBACK, SUBACK = 0x20, 0x30, 0x40, 0x90


def packet(head: int, body: bytes) -> bytes:
    """A control packet: its first byte, the length of the rest (section 2.2.3), the rest."""
    size, length = bytearray(), len(body)
    while True:
        length, low = divmod(length, 128)
        size.append(low | (128 if length else 0))
        if not length:
            return bytes([head]) + bytes(size) + body


def text(value: str) -> bytes:
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def publish(topic: str, payload: bytes, number: int) -> bytes:
    """A PUBLISH at QoS 1 with packet identifier `number` (1 to 65,535)."""
    return packet(PUBLISH | 2, text(topic) + number.to_bytes(2, "big") + payload)


class Wire(asyncio.Protocol):
    """One connection; `on_message(topic, payload)` gets what comes, which is acknowledged; `acknowledged` counts."""

    def __init__(self, client_id: str, on_message: Callable[[bytes, bytes], None] = lambda *_: None) -> None:
        self._client_id = client_id
        self._on_message = on_message
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self.answered = asyncio.Event()
        self.acknowledged = 0
        self.progress = asyncio.Event()

    @classmethod
    async def connected(
        cls, port: int, client_id: str, on_message: Callable[[bytes, bytes], None] = lambda *_: None
    ) -> Wire:
        """A client that the broker on a loopback port has welcomed."""
        _, wire = await asyncio.get_running_loop().create_connection(
            lambda: cls(client_id, on_message), "127.0.0.1", port
        )
        await wire.answered.wait()
        return wire

    async def subscribe(self, topic: str) -> None:
        self.answered.clear()
        self.write(packet(0x82, b"\0\1" + text(topic) + b"\1"))
        await self.answered.wait()

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        self.write(packet(0x10, text("MQTT") + b"\4\2\0\74" + text(self._client_id)))

    def data_received(self, data: bytes) -> None:
        data, at, answers = self._rest + data, 0, []
        while (ends := _end(data, at)) is not None:
            body, end = ends
            match data[at] & 0xF0:
                case 0x40:
                    self.acknowledged += 1
                case 0x30:
                    answers.append(self._message(data, at, body, end))
                case 0x20 | 0x90:
                    self.answered.set()
            at = end
        self._rest = data[at:]
        self.progress.set()
        if answers:
            self.write(b"".join(answers))

    def _message(self, data: bytes, head: int, body: int, end: int) -> bytes:
        """Hand a message over; what acknowledges it."""
        begin = body + 2 + int.from_bytes(data[body : body + 2], "big")
        quality = data[head] & 6
        self._on_message(data[body + 2 : begin], data[begin + (2 if quality else 0) : end])
        return b"\x40\2" + data[begin : begin + 2] if quality else b""


def _end(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` begins and ends; None if it is not all there."""
    length = shift = 0
    for place in range(at + 1, min(at + 5, len(data))):
        length |= (data[place] & 127) << shift
        shift += 7
        if data[place] < 128:
            return (place + 1, place + 1 + length) if place + 1 + length <= len(data) else None
    return None
