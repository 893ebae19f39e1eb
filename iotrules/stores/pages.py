"""A checksum for each page of the database file: SQLite has none, and reads what a flipped bit has made of a page.

House rule: only a checkpoint writes to the file, and what it will write stands in the log before. So the sums are
stored first, then the checkpoint runs; a page that the log has is not looked at, for it is the log's that counts.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Mapping
from hashlib import blake2b
from pathlib import Path

from iotrules.model.errors import StateError
from iotrules.stores.disk import Disk

_HEAD = struct.Struct(">18sHI")  # what it is, the page's size / 256, how many
_MAGIC = b"iotrules pages 01\n"
_SUM, _SEAL = 8, 16
_UNKNOWN = bytes(_SUM)
"""Of a page that was never written, only set aside: what it holds means nothing."""


def pages_path(store: Path) -> Path:
    return Path(f"{store}.pages")


class PageSums:
    """The sums of one database file."""

    def __init__(self, page_size: int = 4096, sums: bytes = b"") -> None:
        self.page_size = page_size
        self._sums = bytearray(sums)
        self.changed = False
        """Since they were stored, or read."""

    @property
    def count(self) -> int:
        """Pages that it knows of."""
        return len(self._sums) // _SUM

    def put(self, sums: Mapping[int, bytes], size: int) -> None:
        """These pages (from 1) are going to have these sums, and the file to be that many pages long."""
        self.changed = True
        wanted = size * _SUM
        self._sums.extend(bytes(max(0, wanted - len(self._sums))))
        del self._sums[wanted:]
        for number, found in sums.items():
            if number <= size:
                self._sums[(number - 1) * _SUM : number * _SUM] = found

    def forget(self, number: int) -> None:
        """Nothing is known of this page any more."""
        self._sums[(number - 1) * _SUM : number * _SUM] = _UNKNOWN if number <= self.count else b""

    def save(self, store: Path, disk: Disk) -> None:
        """Durable, all of it or what was there before. OSError."""
        body = _HEAD.pack(_MAGIC, self.page_size // 256, self.count) + self._sums
        disk.replace(pages_path(store), body + _seal(body))
        self.changed = False

    def damaged(self, store: Path, but: Container[int]) -> list[int]:
        """The pages of the file that are not what was written; those in `but` are not looked at. OSError."""
        found = []
        with store.open("rb") as file:
            for number in range(1, self.count + 1):
                content = file.read(self.page_size)
                known = bytes(self._sums[(number - 1) * _SUM : number * _SUM])
                if number not in but and known not in (_UNKNOWN, sum_of(content)):
                    found.append(number)
        return found


def read_sums(store: Path) -> PageSums | None:
    """What was stored; None if there is nothing. StateError if it is damaged, OSError if it can't be read."""
    path = pages_path(store)
    if not path.exists():
        return None
    data = path.read_bytes()
    body, seal = data[:-_SEAL], data[-_SEAL:]
    if len(data) < _HEAD.size + _SEAL or seal != _seal(body) or not body.startswith(_MAGIC):
        raise StateError(f"{path} is damaged: `iotrules store verify {store}` says whether the store itself is whole")
    _, size, _ = _HEAD.unpack_from(body)
    return PageSums(size * 256, body[_HEAD.size :])


def sums_of(store: Path) -> PageSums:
    """The sums of a file as it is now. OSError."""
    with store.open("rb") as file:
        head = file.read(18)
        size = int.from_bytes(head[16:18], "big") if len(head) == 18 else 4096
        sums = PageSums(65536 if size == 1 else size)
        file.seek(0)
        number = 0
        while content := file.read(sums.page_size):
            number += 1
            sums.put({number: sum_of(content)}, number)
    return sums


def sum_of(content: bytes) -> bytes:
    """A page's."""
    return blake2b(content, digest_size=_SUM).digest()


def _seal(body: bytes) -> bytes:
    return blake2b(body, digest_size=_SEAL).digest()
