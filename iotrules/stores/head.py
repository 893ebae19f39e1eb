"""The journal's newest row, told a second time in a small file of its own: rows that a store has lost are missed.

House rule: it is written after the commit, so it may lag behind the store and is never ahead of what was durable. Each
write takes the other of two places, so that a torn one leaves the one before.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from iotrules.model.errors import StateError
from iotrules.stores.disk import Disk

_MAGIC = b"iotrules head 1\n"
_BODY = struct.Struct(">16sQQ16s8s")
_SEAL = 16
_PLACE = 512
"""A sector each: one write never tears the other place."""


class Head(NamedTuple):
    """The newest journal row, its hash in the chain, and the salts of the write-ahead log then (empty: none)."""

    sequence: int
    chain: bytes
    salts: bytes


def head_path(store: Path) -> Path:
    return Path(f"{store}.head")


def read_head(store: Path) -> Head | None:
    """What the file says; None if there is none. StateError if both places are damaged, OSError if it can't be read."""
    newest = _newest(store)
    return newest[1] if newest is not None else None


class HeadFile:
    """The file of a store that is open. Writing to it needs no room on the disk."""

    def __init__(self, store: Path, disk: Disk) -> None:
        """Open or make it, and begin with what it says. OSError, StateError."""
        before = _newest(store)
        self._file = disk.open(head_path(store))
        if before is None:
            self._make_room()
        self._number = 0
        self.head: Head | None = None
        if before is not None:
            self._number, self.head = before
        self.synced = True

    def write(self, head: Head) -> None:
        """Say what is durable now. That it lasts over a power cut is `sync`'s matter."""
        self._number += 1
        body = _BODY.pack(_MAGIC, self._number, head.sequence, head.chain, head.salts)
        self._file.write(body + _seal(body), _PLACE * (self._number % 2))
        self.head, self.synced = head, False

    def sync(self) -> None:
        if not self.synced:
            self._file.sync()
            self.synced = True

    def close(self) -> None:
        self._file.close()

    def _make_room(self) -> None:
        try:
            self._file.write(bytes(2 * _PLACE), 0)
        except OSError:
            self.close()
            raise


def _newest(store: Path) -> tuple[int, Head] | None:
    """What was written last, and the number of that writing."""
    path = head_path(store)
    data = path.read_bytes() if path.exists() else b""
    if not data.strip(b"\0"):
        return None  # no file; or room for it was made, and nothing said
    found = [one for place in (0, _PLACE) if (one := _decode(data[place : place + _BODY.size + _SEAL]))]
    if not found:
        raise StateError(f"{path} is damaged: `iotrules store verify {store}` says whether the store itself is whole")
    return max(found)


def _decode(data: bytes) -> tuple[int, Head] | None:
    body, seal = data[: _BODY.size], data[_BODY.size :]
    if len(body) < _BODY.size or seal != _seal(body) or not body.startswith(_MAGIC):
        return None
    _, number, sequence, chain, salts = _BODY.unpack(body)
    return number, Head(sequence, chain if any(chain) else b"", salts if any(salts) else b"")


def _seal(body: bytes) -> bytes:
    return blake2b(body, digest_size=_SEAL).digest()
