"""Histories: what each process of a run saw, one JSON object a line, only ever added to.

House rule: a line is on its way to the file before what it tells of can have consequences; a line that a kill cut
in two is no line.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class History:
    """One writer's file. `t` is the machine's monotonic clock in ns, the same in all of its processes."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, kind: str, *, durable: bool = False, **fields: object) -> None:
        """Append an event in one write, which outlives a kill; `durable`: not before it is on the disk."""
        line = json.dumps({"t": time.monotonic_ns(), "e": kind, **fields}, separators=(",", ":"))
        os.write(self._file, line.encode() + b"\n")
        if durable:
            os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def events(path: Path) -> Iterator[Event]:
    """The events of a history, in order."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def message_id(topic: bytes, payload: bytes) -> str:
    """What a message is called in all histories: the same topic and bytes are the same message."""
    return hashlib.blake2b(topic + b"\0" + payload, digest_size=8).hexdigest()
