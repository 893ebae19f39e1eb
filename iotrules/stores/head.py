"""The journal's newest row, told a second time in a small file of its own: rows that a store has lost are missed.

House rule: it is written after the commit, so it may lag behind the store and is never ahead of what was durable. Each
write takes the other of two places, so that a torn one leaves the one before.
"""

from __future__ import annotations

import os
import struct
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from iotrules.model.errors import StateError

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
    path = head_path(store)
    if not path.exists():
        return None
    data = path.read_bytes()
    if not data.strip(b"\0"):
        return None  # room for it was made, and nothing said
    found = [one for place in (0, _PLACE) if (one := _decode(data[place : place + _BODY.size + _SEAL]))]
    if not found:
        raise StateError(f"{path} is damaged: `iotrules store verify {store}` says whether the store itself is whole")
    return max(found)[1]


class HeadFile:
    """The file of a store that is open. Writing to it needs no room on the disk."""

    def __init__(self, store: Path) -> None:
        """Open or make it, and begin with what it says. OSError, StateError."""
        before = read_head(store)
        self._handle = os.open(head_path(store), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if before is None:
            self._make_room()
        self._number = 0
        self.head = before
        self.synced = True
        if before is not None:
            self._number = max(self._numbers())

    def write(self, head: Head) -> None:
        """Say what is durable now. That it lasts over a power cut is `sync`'s matter."""
        self._number += 1
        body = _BODY.pack(_MAGIC, self._number, head.sequence, head.chain, head.salts)
        os.pwrite(self._handle, body + _seal(body), _PLACE * (self._number % 2))
        self.head, self.synced = head, False

    def sync(self) -> None:
        if not self.synced:
            os.fdatasync(self._handle)
            self.synced = True

    def close(self) -> None:
        os.close(self._handle)

    def _make_room(self) -> None:
        try:
            os.pwrite(self._handle, bytes(2 * _PLACE), 0)
        except OSError:
            self.close()
            raise

    def _numbers(self) -> list[int]:
        data = os.pread(self._handle, 2 * _PLACE, 0)
        places = (data[place : place + _BODY.size + _SEAL] for place in (0, _PLACE))
        return [found[0] for place in places if (found := _decode(place))]


def _decode(data: bytes) -> tuple[int, Head] | None:
    body, seal = data[: _BODY.size], data[_BODY.size :]
    if len(body) < _BODY.size or seal != _seal(body) or not body.startswith(_MAGIC):
        return None
    _, number, sequence, chain, salts = _BODY.unpack(body)
    return number, Head(sequence, chain if any(chain) else b"", salts if any(salts) else b"")


def _seal(body: bytes) -> bytes:
    return blake2b(body, digest_size=_SEAL).digest()
