"""Instants as people write and read them on a command line: local time in, local time out."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from iotrules.language.durations import duration
from iotrules.model.errors import ConfigError
from iotrules.model.times import MILLISECOND, SECOND
from iotrules.yamlfile import quoted


def read_instant(text: str, now: int) -> int:
    """ns of `2026-11-25T14:05:30`, `14:05` (the last time it was that), `10m ago` or just `10m`. ConfigError else."""
    local = _local(now)
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        clock = None
    if clock is not None and "-" not in text and ":" in text:
        today = local.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=clock.microsecond)
        return _nanoseconds(today if today <= local else today - timedelta(days=1))
    try:
        return now - duration(text.strip().removesuffix("ago").rstrip())
    except ValueError:
        pass
    try:
        return _nanoseconds(datetime.fromisoformat(text).astimezone())
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"{quoted(text)} is no instant: write 2026-11-25T14:05:30, 14:05, or 10m ago") from None


def clock_words(at: int, now: int) -> str:
    """Local time; with the date if it is another day than `now`."""
    local = _local(at)
    return f"{local:%H:%M:%S}" if local.date() == _local(now).date() else f"{local:%Y-%m-%d %H:%M:%S}"


def instant_text(at: int) -> str:
    """ISO 8601 in UTC with ms, for programs."""
    found = datetime.fromtimestamp(at // SECOND, UTC) + timedelta(milliseconds=at % SECOND // MILLISECOND)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone()


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000) * MILLISECOND
