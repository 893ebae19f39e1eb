"""Real data beside the simulated: this computer's own metrics, and recorded series replayed from CSV."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import msgspec
import psutil

from device_sim.device import Publication
from iotrules.model.errors import ConfigError

_TIME_NAMES = frozenset({"timestamp", "time", "ts", "date", "datetime"})
_VALUE_NAMES = frozenset({"value", "val", "v"})
_MS_FROM = 1e11
"""A unix time from here on (the year 5138 in seconds) is meant in milliseconds."""
_LARGEST_MS = 2**53


def topic_level(name: str) -> str:
    """A name made safe as one level of a topic: letters, digits and `_.-` stay."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")[:64] or "unnamed"


@dataclass(slots=True)
class HostSource:
    """This computer's metrics: what it sent last, to turn counters into rates."""

    host: str
    boot: str
    seq: int = 0
    received: int = 0
    sent: int = 0
    at_ms: int = 0


def open_host(host: str, boot: str, now_ms: int) -> HostSource:
    """Begin to measure; the first message can be taken from about 100 ms later on."""
    psutil.cpu_percent(interval=None)
    received, sent = _network()
    return HostSource(host=topic_level(host), boot=boot, received=received, sent=sent, at_ms=now_ms)


def read_host(source: HostSource, now_ms: int) -> Publication:
    """One message: shares in percent, the network in bytes per second since the last."""
    received, sent = _network()
    seconds = max(0.001, (now_ms - source.at_ms) / 1000)
    source.seq += 1
    body = {
        "ts": now_ms,
        "boot": source.boot,
        "seq": source.seq,
        "cpu": psutil.cpu_percent(interval=None),
        "memory": psutil.virtual_memory().percent,
        "disk": psutil.disk_usage(Path.home().anchor).percent,
        "net_rx": round(max(0, received - source.received) / seconds, 1),
        "net_tx": round(max(0, sent - source.sent) / seconds, 1),
        "load1": round(os.getloadavg()[0], 2),
    }
    source.received, source.sent, source.at_ms = received, sent, now_ms
    return Publication(f"host/{source.host}/system", msgspec.json.encode(body), source.boot, source.seq)


def _network() -> tuple[int, int]:
    """Bytes received and sent since the computer started; zeros without a network interface."""
    counters = psutil.net_io_counters()
    return (counters.bytes_recv, counters.bytes_sent) if counters else (0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded value; `at_ms` since the Unix epoch."""

    at_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that can't be used; `line` counts from 1."""

    line: int
    reason: str


ReplayItem: TypeAlias = Row | BadRow
Columns: TypeAlias = tuple[int, int]


def replay_topic(file: Path) -> str:
    return f"replay/{topic_level(file.stem)}/value"


def replay_message(topic: str, seq: int, row: Row) -> Publication:
    """The message of a row, with its original time."""
    body = {"ts": row.at_ms, "seq": seq, "value": row.value}
    return Publication(topic, msgspec.json.encode(body), "", seq)


def read_file(file: Path, names: tuple[str, str] | None) -> Iterator[ReplayItem]:
    """The rows of a CSV file, one at a time; ConfigError if it can't be read or lacks the named columns."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline=None) as lines:
            yield from read_rows(lines, names, str(file))
    except OSError as error:
        raise ConfigError(f"the replay file {file} can't be read: {error.strerror}") from error


def read_rows(lines: Iterable[str], names: tuple[str, str] | None, file: str) -> Iterator[ReplayItem]:
    """Rows of `timestamp,value`, found by the header's names, or else the first two columns."""
    columns: Columns | None = None
    for number, line in enumerate(lines, start=1):
        cells = _cells(line)
        if not any(cells):
            continue
        if columns is None:
            columns, is_header = _layout(cells, names, file)
            if is_header:
                continue
        yield _row(cells, columns, number)


def _cells(line: str) -> list[str]:
    """One line is one row always, so that a stray quote can't swallow the rest of the file."""
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error:
        return [line.strip()]


def _layout(cells: list[str], names: tuple[str, str] | None, file: str) -> tuple[Columns, bool]:
    """Which columns hold time and value, and whether this first row is a header."""
    if names is not None:
        missing = [name for name in names if name not in cells]
        if missing:
            raise ConfigError(f"{file} has no column {missing[0]!r}: its first row is {', '.join(cells)}")
        return (cells.index(names[0]), cells.index(names[1])), True
    lower = [cell.lower() for cell in cells]
    time = next((i for i, cell in enumerate(lower) if cell in _TIME_NAMES), None)
    value = next((i for i, cell in enumerate(lower) if cell in _VALUE_NAMES), None)
    if time is not None and value is not None:
        return (time, value), True
    return (0, 1), isinstance(parse_time(cells[0]), str) and isinstance(_number(cells[-1]), str)


def _row(cells: list[str], columns: Columns, line: int) -> ReplayItem:
    if len(cells) <= max(columns):
        return BadRow(line, f"expected at least {max(columns) + 1} columns, found {len(cells)}")
    at = parse_time(cells[columns[0]])
    value = _number(cells[columns[1]])
    if isinstance(at, str):
        return BadRow(line, at)
    if isinstance(value, str):
        return BadRow(line, value)
    return Row(at, value)


def parse_time(text: str) -> int | str:
    """ms since the Unix epoch, of a unix time (s or ms) or an ISO date and time (without a zone: UTC).

    Text instead of a number says what is wrong.
    """
    try:
        number = float(text)
    except ValueError:
        return _parse_iso(text)
    ms = number if abs(number) >= _MS_FROM else number * 1000
    if not math.isfinite(ms) or abs(ms) > _LARGEST_MS:
        return f"not a time: {_short(text)}"
    return round(ms)


def _parse_iso(text: str) -> int | str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return f"not a time: {_short(text)}, expected such as 2013-07-04 00:00:00 or a unix time"
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _number(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return f"not a number: {_short(text)}"
    return value if math.isfinite(value) else f"not a finite number: {_short(text)}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
