"""SQLite's write-ahead log as a file: what of it counts, and whether it is damaged.

SQLite itself takes a damaged frame for the end of the log and says nothing of what it drops. House rule: a frame
that is no good is a torn write only if nothing was written after the transaction that it belongs to; else that
transaction was durable, and the log is damaged. Source: sqlite.org/fileformat2.html, "The Write-Ahead Log".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from operator import mul
from pathlib import Path
from typing import NamedTuple

HEADER, FRAME_HEADER = 32, 24
SECTOR = 512
"""Bytes that a disk writes all of, or none."""

_MAGIC = 0x377F0682  # the last bit: the words that are added up are big-endian
_MASK = 0xFFFFFFFF
_SHIFT = 96
"""Two sums are carried in one number, this many bits apart: neither can reach that far."""

Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Log:
    """What a log holds. `salts` tell one filling of the file from the next; empty: there is no log."""

    salts: bytes = b""
    page_size: int = 0
    commits: int = 0
    """Transactions that count."""
    frames: int = 0
    """Frames that count: all up to the end of the last of those transactions."""
    pages: dict[int, int] = field(default_factory=dict)
    """Page number → its newest frame that counts, from 0."""
    size: int = 0
    """The database's pages after the last transaction that counts."""
    torn: int = 0
    """Frames of the same filling after those that count: a transaction that never ended."""
    damage: str = ""
    """Where it is damaged, in words; empty: it is not."""


class _Frame(NamedTuple):
    number: int
    page: int
    size: int
    salts: bytes
    sums: Sums
    begin: int

    @property
    def commits(self) -> bool:
        return self.size != 0

    @property
    def may_mix(self) -> bool:
        """Can its first two words be of an older filling, for a sector ends behind them?"""
        return self.begin % SECTOR == SECTOR - 8


def read_log(path: Path) -> Log:
    """Read and check the log beside a database; OSError if it can't be read."""
    data = path.read_bytes() if path.exists() else b""
    if len(data) < HEADER:
        return Log()
    magic, _, page_size = struct.unpack(">III", data[:12])
    usable = magic | 1 == _MAGIC | 1 and page_size.bit_count() == 1 and 512 <= page_size <= 65536
    found = tuple(_frames(data, page_size)) if usable else ()
    order = ">" if magic & 1 else "<"
    sums = _add(data[:24], (0, 0), order)
    if not usable or sums != struct.unpack(">II", data[24:32]):
        return Log(damage=_of_header(data, found, order, path.name))
    return _follow(data, page_size, found, sums, order, path.name)


def changed_pages(path: Path, done: tuple[bytes, int]) -> tuple[tuple[bytes, int], dict[int, bytes], int]:
    """What the transactions of a log changed that this process wrote: nothing is checked.

    `done`: the salts and frames up to which this was asked before. Where it is now, the pages with their newest
    content, and the database's size in pages (0: nothing is new).
    """
    data = path.read_bytes() if path.exists() else b""
    if len(data) < HEADER:
        return done, {}, 0
    salts, (page_size,) = data[16:24], struct.unpack(">I", data[8:12])
    begin = done[1] if done[0] == salts else 0
    fresh: dict[int, bytes] = {}
    pages: dict[int, bytes] = {}
    size, end = 0, begin
    for frame in _frames(data, page_size, begin):
        if frame.salts != salts:
            break
        fresh[frame.page] = data[frame.begin + FRAME_HEADER : frame.begin + FRAME_HEADER + page_size]
        if frame.commits:
            pages |= fresh
            fresh.clear()
            size, end = frame.size, frame.number + 1
    return (salts, end), pages, size


def salts_of(header: bytes) -> bytes:
    """The salts in the first bytes of a log; empty if that is none."""
    return header[16:24] if len(header) >= HEADER else b""


def _frames(data: bytes, page_size: int, begin: int = 0) -> Iterator[_Frame]:
    whole = FRAME_HEADER + page_size
    for number in range(begin, (len(data) - HEADER) // whole):
        at = HEADER + number * whole
        page, size, salts, one, two = struct.unpack_from(">II8sII", data, at)
        yield _Frame(number, page, size, salts, (one, two), at)


def _follow(data: bytes, page_size: int, found: tuple[_Frame, ...], sums: Sums, order: str, name: str) -> Log:
    """The frames that count, in order, and what comes after them."""
    salts = data[16:24]
    pages: dict[int, int] = {}
    fresh: dict[int, int] = {}
    commits = frames = size = good = 0
    for frame in found:
        after = _sums_after(data, frame, page_size, sums, order)
        if frame.salts != salts or not frame.page or after != frame.sums:
            break
        sums, good = after, frame.number + 1
        fresh[frame.page] = frame.number
        if frame.commits:
            pages |= fresh
            fresh.clear()
            commits, frames, size = commits + 1, good, frame.size
    rest = found[good:]
    damage = _damage(data, page_size, rest, sums, order, salts)
    torn = sum(frame.salts == salts for frame in rest) + good - frames
    where = f"{name}: frame {good + 1} of {len(found)} is damaged, and {damage} after it" if damage else ""
    return Log(salts, page_size, commits, frames, pages, size, torn, where)


def _damage(data: bytes, page_size: int, rest: tuple[_Frame, ...], sums: Sums, order: str, salts: bytes) -> str:
    """What follows the first frame that is no good, if its transaction was durable: SQLite goes on after that only."""
    follow, stored = 0, sums
    for place, frame in enumerate(rest):
        ours = frame.salts == salts
        sums = _sums_after(data, frame, page_size, sums, order) if ours or not place else sums
        if not place:
            ended = frame.commits and (sums == frame.sums or (ours and not frame.may_mix))
        else:
            good = ours and frame.sums in (sums, _sums_after(data, frame, page_size, stored, order))
            follow += good and ended
            ended = ended or (good and frame.commits)
        stored = frame.sums
    return f"{follow} good ones of later transactions come" if follow else ""


def _of_header(data: bytes, found: tuple[_Frame, ...], order: str, name: str) -> str:
    """A log whose header is no good: a filling that never began, unless its frames follow on one another."""
    page_size = struct.unpack(">I", data[8:12])[0]
    for before, frame in pairwise(found):
        if _sums_after(data, frame, page_size, before.sums, order) == frame.sums:
            return f"{name}: its header is damaged, and good frames come after it"
    return ""


def _sums_after(data: bytes, frame: _Frame, page_size: int, sums: Sums, order: str) -> Sums:
    content = frame.begin + FRAME_HEADER
    return _add(data[frame.begin : frame.begin + 8] + data[content : content + page_size], sums, order)


def _add(text: bytes, sums: Sums, order: str) -> Sums:
    """SQLite's checksum, carried on: for each two words x, y: s0 += x + s1; s1 += y + s0.

    That is linear in all of it, so each word counts with a fixed weight: a frame takes one pass instead of a thousand
    steps.
    """
    count = len(text) // 4
    weights, ((a, b), (c, d)) = _weights(count)
    total = sum(map(mul, weights, struct.unpack(f"{order}{count}I", text)))
    one, two = sums
    return (
        ((total & ((1 << _SHIFT) - 1)) + a * one + b * two) & _MASK,
        ((total >> _SHIFT) + c * one + d * two) & _MASK,
    )


@cache
def _weights(count: int) -> tuple[tuple[int, ...], tuple[Sums, Sums]]:
    """Of each word in both sums; and of the sums before, a matrix. They are Fibonacci numbers."""
    numbers = [0, 1]
    while len(numbers) < count + 2:
        numbers.append((numbers[-1] + numbers[-2]) & _MASK)
    weights = tuple(numbers[count - place - 1] | numbers[count - place] << _SHIFT for place in range(count))
    before = (numbers[count - 1], numbers[count]), (numbers[count], numbers[count + 1])
    return weights, before
