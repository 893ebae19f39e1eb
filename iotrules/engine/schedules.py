"""When a schedule is open, in a time zone's own clock; pure, and remembered by the day.

House rule: a schedule is open at an instant exactly if a clock on the wall there shows a time that is inside. So a time
that the clocks skip is not there that day, and an hour that they show twice is open twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from iotrules.model.guards import MINUTES_OF_DAY, Opening, Schedule
from iotrules.model.times import DAY, SECOND

HORIZON = 22
"""Days to look ahead: a weekly opening may be skipped by a change of clocks."""

_SECONDS = DAY // SECOND
_LAST_DAY = (datetime.max.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days - HORIZON - 2
_EPOCH = date(1970, 1, 1)
_NAIVE_EPOCH = datetime(1970, 1, 1)


def is_open(schedule: Schedule, at: int) -> bool:
    """Is it open at event time `at` (ns)? An empty schedule is; none is outside the years of the calendar."""
    if not schedule:
        return True
    instants, opened = _day(schedule, at // DAY)
    return opened[bisect_right(instants, at // SECOND) - 1]


def next_change(schedule: Schedule, at: int) -> int | None:
    """The first instant after `at` (ns) at which it opens or closes; None if it does not."""
    if not schedule:
        return None
    day, second = at // DAY, at // SECOND
    instants, opened = _day(schedule, day)
    here = bisect_right(instants, second) - 1
    for instant, value in zip(instants[here:], opened[here:], strict=True):
        if value != opened[here]:
            return instant * SECOND
    return _later(schedule, day, opened[here])


def first_open(schedule: Schedule, at: int) -> int | None:
    """`at` itself if it is open then, else the instant at which it opens next; None if it does not."""
    return at if is_open(schedule, at) else next_change(schedule, at)


@lru_cache(maxsize=512)
def _later(schedule: Schedule, day: int, now: bool) -> int | None:
    """The first instant (ns) after a day at which it is not as it is `now`."""
    for later in range(day + 1, day + HORIZON):
        for instant, value in zip(*_day(schedule, later), strict=True):
            if value != now:
                return instant * SECOND
    return None


@lru_cache(maxsize=512)
def _day(schedule: Schedule, day: int) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """For one UTC day: the seconds at which it may change, the day's first among them, and whether it is open then."""
    begin = day * _SECONDS
    if not 0 <= day < _LAST_DAY:
        return (begin,), (False,)
    found = {instant for opening in schedule for instant in _candidates(opening, begin)}
    instants = (begin, *sorted(instant for instant in found if begin < instant < begin + _SECONDS))
    return instants, tuple(any(_shows(opening, instant) for opening in schedule) for instant in instants)


def _candidates(opening: Opening, begin: int) -> Iterator[int]:
    """All instants about a UTC day at which this opening may open or close."""
    zone = ZoneInfo(opening.zone)
    today = _EPOCH + timedelta(days=begin // _SECONDS)
    for local in (today - timedelta(days=1), today, today + timedelta(days=1)):
        midnight = datetime(local.year, local.month, local.day)
        for minute in (opening.begins, opening.ends, 0):
            wall = midnight + timedelta(minutes=minute)
            yield from (_instant(wall, fold, zone) for fold in (0, 1))
    jump = _jump(zone, begin, begin + _SECONDS)
    if jump is not None:
        yield jump


def _instant(wall: datetime, fold: int, zone: ZoneInfo) -> int:
    """Seconds since the epoch of the first or second time that a clock shows this."""
    offset = wall.replace(fold=fold, tzinfo=zone).utcoffset() or timedelta()
    return (wall - _NAIVE_EPOCH - offset) // timedelta(seconds=1)


def _jump(zone: ZoneInfo, begin: int, end: int) -> int | None:
    """The second in (begin, end] at which the clocks are changed, if they are."""
    before = _offset(zone, begin)
    if _offset(zone, end) == before:
        return None
    while end - begin > 1:
        middle = (begin + end) // 2
        begin, end = (middle, end) if _offset(zone, middle) == before else (begin, middle)
    return end


def _offset(zone: ZoneInfo, instant: int) -> timedelta | None:
    return datetime.fromtimestamp(instant, zone).utcoffset()


def _shows(opening: Opening, instant: int) -> bool:
    """Does a clock there show a time that is inside?"""
    wall = datetime.fromtimestamp(instant, ZoneInfo(opening.zone))
    minute, today = wall.hour * 60 + wall.minute, wall.weekday()
    if opening.ends > opening.begins:
        return today in opening.days and opening.begins <= minute < opening.ends
    begun_today = today in opening.days and opening.begins <= minute < MINUTES_OF_DAY
    return begun_today or ((today - 1) % 7 in opening.days and minute < opening.ends)
