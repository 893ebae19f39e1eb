"""What is written about one invocation: its log lines in Lambda's form, and what it cost."""

from __future__ import annotations

import math
import os
from asyncio import AbstractEventLoop
from dataclasses import dataclass

from iotrules.model.inputs import FunctionUsage

TAIL_BYTES = 4096
MEGABYTE = 1024 * 1024
_CHUNK = 65_536  # what a pipe holds
_READS = 16  # a process that never stops printing can't keep us reading


class LogTail:
    """Reads all that an environment prints, at once, and keeps the last 4 KB. Owns the pipe's read end."""

    def __init__(self, loop: AbstractEventLoop, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._loop = loop
        self._descriptor = descriptor
        self._tail = bytearray()
        self._open = True
        loop.add_reader(descriptor, self._read)

    def write(self, line: str) -> None:
        """Put a line of ours between those of the process."""
        self.drain()
        self._keep(line.encode())

    def take(self) -> bytes:
        """What was printed since the last take, the last 4 KB of it."""
        self.drain()
        taken = bytes(self._tail)
        self._tail.clear()
        return taken

    def drain(self) -> None:
        """Read what the pipe holds now."""
        for _ in range(_READS):
            if not self._open or not self._read():
                return

    def close(self) -> None:
        """Stop reading; what was kept can still be taken."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.close()
        self._keep(data)
        return bool(data)

    def _keep(self, data: bytes) -> None:
        self._tail += data
        del self._tail[:-TAIL_BYTES]


@dataclass(frozen=True, slots=True)
class Account:
    """The figures of one invocation; `status` is `timeout` or `error` where it did not end well."""

    request_id: str
    """As the caller named it."""
    wire_id: str
    """As the handler saw it."""
    cold: bool
    init_ms: float
    duration_ms: float
    memory_mb: int
    peak_bytes: int
    status: str = ""
    error_type: str = ""

    @property
    def billed_ms(self) -> int:
        """Rounded up to a whole millisecond; the init phase is billed to the invocation that caused it."""
        return math.ceil(self.duration_ms + (self.init_ms if self.cold else 0))

    @property
    def max_memory_mb(self) -> int:
        return math.ceil(self.peak_bytes / MEGABYTE)


def start_line(wire_id: str) -> str:
    """The line before what a handler prints."""
    return f"START RequestId: {wire_id} Version: $LATEST\n"


def end_lines(account: Account) -> str:
    """The lines after what a handler printed."""
    fields = [
        f"REPORT RequestId: {account.wire_id}",
        f"Duration: {account.duration_ms:.2f} ms",
        f"Billed Duration: {account.billed_ms} ms",
        f"Memory Size: {account.memory_mb} MB",
        f"Max Memory Used: {account.max_memory_mb} MB",
    ]
    if account.cold:
        fields.append(f"Init Duration: {account.init_ms:.2f} ms")
    if account.status:
        fields.append(f"Status: {account.status}")
    if account.error_type and account.status == "error":
        fields.append(f"Error Type: {account.error_type}")
    tail = "\t".join(fields)
    return f"END RequestId: {account.wire_id}\n{tail}\t\n"


def usage(account: Account, printed: bytes) -> FunctionUsage:
    """The account as it is journaled, with at most 4 KB of log, END and REPORT always whole."""
    end = end_lines(account)
    room = max(0, TAIL_BYTES - len(end) - 1)  # one for a missing line end
    text = printed[-room:].decode(errors="replace") if room else ""
    if text and not text.endswith("\n"):
        text += "\n"
    return FunctionUsage(
        request_id=account.request_id,
        cold=account.cold,
        init_ms=account.init_ms if account.cold else 0.0,
        duration_ms=account.duration_ms,
        billed_ms=account.billed_ms,
        memory_mb=account.memory_mb,
        max_memory_mb=account.max_memory_mb,
        log_tail=text + end,
    )
