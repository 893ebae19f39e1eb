"""Readings of one device on one stream as one row: names once, then times and values (msgpack).

House rule: what the writer makes, the reader reads back alike, but for values that were missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from iotrules.model.decisions import Reading
from iotrules.model.expression import Value

LONGEST = 100
"""Readings in a chunk: the grain in which the oldest go."""


class Chunk(NamedTuple):
    """A row of the table `chunks`."""

    key: str
    stream: str
    first: int
    last: int
    size: int
    body: bytes


class _Body(msgspec.Struct, array_like=True):
    names: list[str]
    times: list[int]
    rows: list[list[Value | None]]


_decode = msgspec.msgpack.Decoder(_Body).decode
_encode = msgspec.msgpack.Encoder().encode


def chunks_of(readings: Iterable[Reading]) -> list[Chunk]:
    """The readings, by device, stream and the fields that they have."""
    grouped: dict[tuple[int | str, ...], list[Reading]] = {}
    for reading in readings:
        if reading.values:  # a device's readings share their key; where they don't, they only make more chunks
            grouped.setdefault((id(reading.key), reading.stream, *reading.values), []).append(reading)
    return [
        _chunk(group[begin : begin + LONGEST]) for group in grouped.values() for begin in range(0, len(group), LONGEST)
    ]


def _chunk(group: Sequence[Reading]) -> Chunk:
    times = [reading.at for reading in group]
    body = _Body(list(group[0].values), times, [list(reading.values.values()) for reading in group])
    return Chunk(group[0].key.text, group[0].stream, min(times), max(times), len(group), _encode(body))


def read_chunk(body: bytes) -> Iterator[tuple[int, dict[str, Value]]]:
    """(event time ns, the values that were there) of each reading. msgspec.MsgspecError for what is no chunk."""
    found = _decode(body)
    for at, row in zip(found.times, found.rows, strict=False):
        yield at, {name: value for name, value in zip(found.names, row, strict=False) if value is not None}
