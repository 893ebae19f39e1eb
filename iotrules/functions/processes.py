"""Process trees, by Linux's /proc: the memory of a process and those below it, and their end."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(pid: int) -> list[int]:
    """`pid` and its descendants, parents first; those that end meanwhile may be missing."""
    found = [pid]
    for parent in found:
        found += [child for child in _children(parent) if child not in found]
    return found


def tree_memory(pid: int) -> int:
    """Resident bytes of `pid` and its descendants; pages that they share count for each."""
    return sum(_resident(member) for member in tree(pid))


def peak_memory(pid: int) -> int:
    """The most bytes that `pid` itself ever had resident, kept by the kernel; 0 when it is gone."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def kill_tree(pid: int) -> None:
    """SIGKILL to the process group that `pid` leads and to descendants that left the group.

    `pid` must not have been waited for yet: then its number can't belong to somebody else.
    """
    members = tree(pid)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for member in members[1:]:
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()]


def _resident(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):  # the process ended between two looks
        return b""
