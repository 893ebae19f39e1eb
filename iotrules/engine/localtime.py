"""The hour and weekday of an event time in a time zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from iotrules.model.expression import Clock
from iotrules.model.times import SECOND


def local(clock: Clock, at: int) -> float | None:
    """0..23, or 1 (Monday) .. 7; None for a time that no calendar has."""
    try:
        moment = datetime.fromtimestamp(at // SECOND, ZoneInfo(clock.zone))
    except (OverflowError, ValueError, OSError):
        return None
    return float(moment.hour if clock.value == "hour" else moment.isoweekday())
