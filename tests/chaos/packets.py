"""As much of MQTT 5 as a bystander reads: packets out of a stream, PUBLISH and PUBACK (OASIS 5.0 §2, §3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PUBLISH, PUBACK = 3, 4


@dataclass(frozen=True, slots=True)
class Publish:
    """A PUBLISH packet; `packet_id` is 0 at QoS 0."""

    topic: bytes
    payload: bytes
    packet_id: int
    duplicate: bool
    retain: bool


class Splitter:
    """Cuts a stream of bytes into packets: (type, flags, body)."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The packets that are whole now."""
        buffer = self._buffer
        buffer += data
        start = 0
        while (found := _whole(buffer, start)) is not None:
            begin, end = found
            yield buffer[start] >> 4, buffer[start] & 15, bytes(buffer[begin:end])
            start = end
        del buffer[:start]


def read_publish(flags: int, body: bytes) -> Publish:
    """The PUBLISH in a packet's body."""
    size = int.from_bytes(body[:2], "big")
    topic, at = body[2 : 2 + size], 2 + size
    packet_id = 0
    if flags >> 1 & 3:
        packet_id, at = int.from_bytes(body[at : at + 2], "big"), at + 2
    length, at = _variable(body, at)
    return Publish(topic, body[at + length :], packet_id, bool(flags & 8), bool(flags & 1))


def read_puback(body: bytes) -> int:
    """The packet identifier that is acknowledged."""
    return int.from_bytes(body[:2], "big")


def _whole(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Where the body of the packet at `start` begins and ends, if all of it is there."""
    shift = length = 0
    for at in range(start + 1, min(start + 5, len(buffer))):
        length |= (buffer[at] & 127) << shift
        shift += 7
        if not buffer[at] & 128:
            end = at + 1 + length
            return (at + 1, end) if end <= len(buffer) else None
    return None


def _variable(body: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer, and where it ends."""
    shift = value = 0
    while True:
        value |= (body[at] & 127) << shift
        shift += 7
        at += 1
        if not body[at - 1] & 128:
            return value, at
