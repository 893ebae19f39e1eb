"""The files that a run writes for those who check it: the journal of what happened, the labels of faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

import msgspec

from device_sim.device import Publication
from device_sim.faults import Label
from device_sim.fleet import Executed
from iotrules.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Lines:
    """JSON lines appended to a file, none held back in a buffer; without a file they go nowhere."""

    file: RawIOBase | None
    path: Path | None

    def write(self, line: dict[str, Any]) -> None:
        if self.file is None:
            return
        try:
            self.file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise ConfigError(f"{self.path} can't be written: {error.strerror}") from error


@contextmanager
def append_lines(path: Path | None) -> Iterator[Lines]:
    """Open `path` for appending; ConfigError if that is not possible."""
    if path is None:
        yield Lines(None, None)
        return
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise ConfigError(f"{path} can't be opened for writing: {error.strerror}") from error
    with file:
        yield Lines(file, path)


def published_line(publication: Publication) -> dict[str, Any]:
    """The broker has this message. `bad`: it can't be decoded, on purpose."""
    line = {
        "event": "published",
        "topic": publication.topic,
        "boot": publication.boot,
        "seq": publication.seq,
    }
    return {**line, "bad": True} if publication.bad else line


def executed_line(executed: Executed) -> dict[str, Any]:
    return {
        "event": "executed",
        "device": executed.device,
        "id": executed.id,
        "command": executed.command,
        "ts": executed.ts,
    }


def label_line(label: Label) -> dict[str, Any]:
    return {"device": label.device, "kind": label.kind, "onset_ms": label.onset_ms, "end_ms": label.end_ms}
