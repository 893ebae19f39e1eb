"""What devices remember of the commands they were given, in a file, so that a restart lets nothing be done twice.

House rule: a line is in the file before the command's answer leaves and before the broker may forget the command.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from device_sim.commands import REMEMBERED, Answer, Memory, remember
from iotrules.model.errors import ConfigError


class Known(msgspec.Struct, frozen=True):
    """A line: the device answered the command so; `expires` in ms since the Unix epoch."""

    device: str
    id: str
    status: Literal["succeeded", "failed", "rejected"]
    detail: str
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """Where it is kept; None: nowhere, and every run begins with devices that know no command."""

    path: Path | None

    def read(self, now_ms: int) -> list[Known]:
        """What is known and has not expired, oldest first; the file then holds only that. ConfigError."""
        if self.path is None or not self.path.exists():
            return []
        known = [one for one in self._lines() if one.expires is None or one.expires > now_ms]
        try:
            fresh = self.path.with_name(f"{self.path.name}.new")
            fresh.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in known))
            os.replace(fresh, self.path)
        except OSError as error:
            raise ConfigError(f"{self.path} can't be written: {error.strerror}") from error
        return known

    def _lines(self) -> list[Known]:
        """Its lines; one that a kill has cut off was not answered to."""
        assert self.path is not None  # noqa: S101 - read has looked
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]
            return [msgspec.json.decode(line, type=Known) for line in lines]
        except OSError as error:
            raise ConfigError(f"{self.path} can't be read: {error.strerror}") from error
        except msgspec.MsgspecError as error:
            raise ConfigError(f"{self.path} is no memory of devices: {error}; name another file") from error


def recall(memories: dict[str, Memory], known: Iterable[Known]) -> None:
    """Have each device remember what it knew; of commands that never expire the newest."""
    for one in known:
        memory = memories.get(one.device)
        if memory is not None:
            remember(memory, one.id, Answer(one.status, one.detail), one.expires)
            while len(memory.answers) > REMEMBERED:
                oldest = next((id for id in memory.answers if id not in memory.expiries), next(iter(memory.answers)))
                del memory.answers[oldest]
                memory.expiries.pop(oldest, None)


def known_line(known: Known) -> dict[str, Any]:
    """As it is written."""
    found: dict[str, Any] = msgspec.to_builtins(known)
    return found
