"""SQLite's write-ahead log as a file: what of it counts, and whether it is damaged.

SQLite itself takes a damaged frame for the end of the log and says nothing of what it drops. House rule: a frame
that is no good is a torn write only if nothing was written after the transaction that it belongs to; else that
transaction was durable, and the log is damaged. Source: sqlite.org/fileformat2.html, "The Write-Ahead Log".
"""

from __future__ import annotations

import os
import struct
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from operator import mul
from pathlib import Path
from typing import NamedTuple

HEADER, FRAME_HEADER = 32, 24
SECTOR = 512
"""Bytes that a disk writes all of, or none."""

_LEADING = struct.Struct(">II8s")
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


class Follower:
    """What the transactions of a log change, while it is written to by this process: nothing is checked.

    Look only while no transaction is under way.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.salts = b""
        """Of the newest filling; empty: there is no log."""
        self._frames = 0
        """Of that filling, looked at."""
        self._page_size = 0
        self._newest: dict[int, int] = {}
        """Page → its newest frame, of those that were looked at and are not `done`."""
        self.size = 0
        """The database's, in pages, after the newest transaction that was looked at."""

    def look(self, at_least: int = 1) -> None:
        """Look at the frames that are new, if there are so many. OSError."""
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self.salts, self._frames = b"", 0
            return
        try:
            header = os.pread(handle, HEADER, 0)
            salts = salts_of(header)
            if salts != self.salts:
                self.salts, self._frames, self._page_size = salts, 0, int.from_bytes(header[8:12], "big")
                self._newest.clear()
            if salts:
                self._follow(handle, at_least)
        finally:
            os.close(handle)

    def waiting(self) -> dict[int, int]:
        """What the transactions that were looked at have changed, and nobody has `done` yet: page → newest frame."""
        return dict(self._newest)

    def contents(self, frames: Mapping[int, int]) -> Iterator[tuple[int, bytes]]:
        """What the pages of `waiting` are going to be; in any thread, for the frames stay as they are. OSError."""
        handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for page, frame in frames.items():
                yield page, os.pread(handle, self._page_size, self._at(frame) + FRAME_HEADER)
        finally:
            os.close(handle)

    def done(self, frames: Mapping[int, int]) -> dict[int, int]:
        """These have been taken in; which of them no later transaction has changed."""
        last = {page: frame for page, frame in frames.items() if self._newest.get(page) == frame}
        for page in last:
            del self._newest[page]
        return last

    def _follow(self, handle: int, at_least: int) -> None:
        whole = FRAME_HEADER + self._page_size
        room = (os.fstat(handle).st_size - HEADER) // whole
        if (
            room < self._frames + at_least
            or os.pread(handle, 8, self._at(self._frames + at_least - 1) + 8) != self.salts
        ):
            return
        fresh: dict[int, int] = {}
        for number in range(self._frames, room):
            page, size, salts = _LEADING.unpack(os.pread(handle, 16, self._at(number)))
            if salts != self.salts:
                break
            fresh[page] = number
            if size:  # the end of a transaction; behind the last one may lie frames of one that was given up
                self._newest |= fresh
                self.size, self._frames = size, number + 1
                fresh.clear()

    def _at(self, frame: int) -> int:
        return HEADER + frame * (FRAME_HEADER + self._page_size)


def filled(path: Path) -> tuple[bytes, int]:
    """The salts of a log's filling, and how many frames it has so far; nothing is checked. OSError if it can't be read.

    The file itself keeps the length of the longest filling, whose old frames lie behind those of the newest.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b"", 0
    try:
        header = os.pread(handle, HEADER, 0)
        salts = salts_of(header)
        if not salts:
            return salts, 0
        frame = FRAME_HEADER + int.from_bytes(header[8:12], "big")
        frames = range((os.fstat(handle).st_size - HEADER) // frame)
        return salts, bisect(frames, 0, key=lambda number: os.pread(handle, 8, HEADER + number * frame + 8) != salts)
    finally:
        os.close(handle)


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
