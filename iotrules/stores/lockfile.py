"""STORE.lock: the lock by which a process has a store, and in it who that is and its pulse.

House rule: the file at the path is its holder's. Another file put in its place takes the store away from a holder who
has stopped; whatever he does to his own file then is seen by nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path

import msgspec

SIZE = 512
"""Bytes of the file, always: who writes them again needs no room on the disk."""

_MAX_WORD = 64


class Holder(msgspec.Struct, frozen=True):
    """Who has a store. `since` is ns of wall clock, `started` the system's ticks at the start of the process.

    `pulse` goes up as long as the holder runs; `epoch` is 0 until the store has given it one; `ended`: left by itself.
    """

    owner: str
    name: str
    pid: int
    started: int
    host: str
    boot: str
    since: int
    epoch: int = 0
    pulse: int = 0
    ended: bool = False

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{self.name} (pid {self.pid} on {self.host}, since {since})"


def this_process(name: str, since: int) -> Holder:
    """Us, with an owner's id that nobody had before."""
    pid = os.getpid()
    _, started = process_state(pid)
    return Holder(uuid.uuid4().hex, name[:_MAX_WORD], pid, started, socket.gethostname()[:_MAX_WORD], _boot(), since)


def process_state(pid: int) -> tuple[str, int]:
    """The state's letter (T: stopped) and the ticks at the start of a process here; ("", 0) where nobody says."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return words[0], int(words[19])
    except (OSError, IndexError, ValueError):
        return "", 0


def _boot() -> str:
    """Which run of which kernel this is; processes of all its containers share it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


class LockFile:
    """An open file with our lock on it, until it is closed or the process ends, however it does."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def is_at(self, path: Path) -> bool:
        """Is it still the one that everybody looks at?"""
        try:
            there = os.stat(path)
        except FileNotFoundError:
            return False
        ours = os.fstat(self._handle)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def write(self, holder: Holder) -> None:
        """Say who has it. OSError: the disk takes nothing."""
        os.pwrite(self._handle, msgspec.json.encode(holder).ljust(SIZE - 1) + b"\n", 0)

    def close(self) -> None:
        os.close(self._handle)


def lock(path: Path) -> LockFile | None:
    """Lock the file at the path, which is made if need be; None if another has it. OSError: it can't be opened."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:
            os.close(handle)
            raise
        file = LockFile(handle)
        if file.is_at(path):
            return file
        file.close()  # it was replaced meanwhile


def replace(path: Path) -> LockFile:
    """Put another file, with our lock on it, in the place of one that a stopped process has locked."""
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.replace(new, path)
    except OSError:
        os.close(handle)
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    return LockFile(handle)


def read(path: Path) -> bytes:
    """What stands in it; nothing, if nobody has written yet or there is no file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def holder_in(content: bytes) -> Holder | None:
    """Who wrote it; None where it is not a holder's: a program before there were leases writes nothing."""
    try:
        return msgspec.json.decode(content, type=Holder)
    except msgspec.MsgspecError:
        return None
