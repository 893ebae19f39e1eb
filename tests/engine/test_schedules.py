"""Schedules on the clocks of time zones: by the table, on both days of a change of clocks, and by their definition."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.schedules import first_open, is_open, next_change
from iotrules.model.guards import Opening, Schedule
from iotrules.model.times import DAY, MINUTE, SECOND

ALL = frozenset(range(7))
WEEKDAYS = frozenset(range(5))
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def opening(begins: str, ends: str, zone: str = BERLIN, days: frozenset[int] = ALL) -> Opening:
    first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (begins, ends))
    return Opening(days, first, last, zone)


def instant(text: str) -> int:
    """UTC, ns."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def changes(schedule: Schedule, begin: str, end: str) -> list[str]:
    """Every change in (begin, end], in UTC."""
    found, at = [], instant(begin)
    while (after := next_change(schedule, at)) is not None and after <= instant(end):
        word = "open" if is_open(schedule, after) else "closed"
        found.append(f"{datetime.fromtimestamp(after // SECOND, UTC):%d %H:%M} {word}")
        at = after
    return found


@pytest.mark.parametrize(
    ("schedule", "open_at", "closed_at"),
    [
        # Monday 2026-01-05; Berlin is an hour ahead of UTC
        (opening("08:00", "18:00", days=WEEKDAYS), ["2026-01-05T07:00", "2026-01-09T16:59"], ["2026-01-05T06:59"]),
        (opening("08:00", "18:00", days=WEEKDAYS), [], ["2026-01-05T17:00", "2026-01-10T12:00", "2026-01-11T12:00"]),
        (opening("00:00", "24:00", days=frozenset({5})), ["2026-01-09T23:00", "2026-01-10T22:59"], []),
        (opening("00:00", "24:00", days=frozenset({5})), [], ["2026-01-09T22:59", "2026-01-10T23:00"]),
        # Friday night goes into Saturday, Saturday night does not exist
        (opening("22:00", "06:00", days=WEEKDAYS), ["2026-01-09T21:00", "2026-01-10T04:59"], []),
        (opening("22:00", "06:00", days=WEEKDAYS), [], ["2026-01-10T05:00", "2026-01-10T21:00", "2026-01-12T03:00"]),
        (opening("18:00", "00:00"), ["2026-01-05T22:59"], ["2026-01-05T23:00"]),
    ],
)
def test_when_it_is_open(schedule: Opening, open_at: list[str], closed_at: list[str]) -> None:
    assert [is_open((schedule,), instant(at)) for at in open_at] == [True] * len(open_at)
    assert [is_open((schedule,), instant(at)) for at in closed_at] == [False] * len(closed_at)


def test_without_openings_it_is_always_open() -> None:
    assert is_open((), 5)
    assert next_change((), 5) is None
    assert first_open((), 5) == 5


def test_one_that_is_always_open_never_changes() -> None:
    assert next_change((opening("00:00", "24:00"),), instant("2026-03-29T00:00")) is None


def test_any_of_several_openings_may_be_open() -> None:
    schedule = (opening("08:00", "12:00"), opening("11:00", "13:00"), opening("20:00", "21:00"))
    assert changes(schedule, "2026-01-05T00:00", "2026-01-05T23:00") == [
        "05 07:00 open", "05 12:00 closed", "05 19:00 open", "05 20:00 closed"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("begins", "ends", "zone", "day", "expected"),
    [
        # Berlin, 2026-03-29: 02:00 is 03:00 at 01:00 UTC
        ("02:15", "02:45", BERLIN, "2026-03-29", []),
        ("01:30", "02:30", BERLIN, "2026-03-29", ["29 00:30 open", "29 01:00 closed"]),
        ("02:30", "03:30", BERLIN, "2026-03-29", ["29 01:00 open", "29 01:30 closed"]),
        ("08:00", "18:00", BERLIN, "2026-03-29", ["29 06:00 open", "29 16:00 closed"]),
        ("22:00", "02:30", BERLIN, "2026-03-29", ["29 01:00 closed", "29 20:00 open"]),
        # Berlin, 2026-10-25: 03:00 is 02:00 again at 01:00 UTC
        ("02:15", "02:45", BERLIN, "2026-10-25",
         ["25 00:15 open", "25 00:45 closed", "25 01:15 open", "25 01:45 closed"]),
        ("01:30", "02:30", BERLIN, "2026-10-25", ["25 00:30 closed", "25 01:00 open", "25 01:30 closed"]),
        ("02:00", "03:00", BERLIN, "2026-10-25", ["25 02:00 closed"]),
        ("08:00", "18:00", BERLIN, "2026-10-25", ["25 07:00 open", "25 17:00 closed"]),
        # New York, 2026-03-08 (02:00 is 03:00 at 07:00 UTC) and 2026-11-01 (02:00 is 01:00 again at 06:00 UTC)
        ("02:15", "02:45", NEW_YORK, "2026-03-08", []),
        ("01:00", "05:00", NEW_YORK, "2026-03-08", ["08 06:00 open", "08 09:00 closed"]),
        ("01:15", "01:45", NEW_YORK, "2026-11-01",
         ["01 05:15 open", "01 05:45 closed", "01 06:15 open", "01 06:45 closed"]),
        ("22:00", "06:00", NEW_YORK, "2026-11-01", ["01 02:00 open", "01 11:00 closed"]),
        # Lord Howe shifts by half an hour: 2026-10-04 02:00 is 02:30 (15:30 UTC), 2026-04-05 02:00 is 01:30 again
        ("02:05", "02:25", LORD_HOWE, "2026-10-03", []),
        ("01:45", "02:45", LORD_HOWE, "2026-10-03", ["03 15:15 open", "03 15:45 closed"]),
        ("01:40", "01:50", LORD_HOWE, "2026-04-04",
         ["04 14:40 open", "04 14:50 closed", "04 15:10 open", "04 15:20 closed"]),
    ],
)  # fmt: skip
def test_the_days_on_which_the_clocks_change(begins: str, ends: str, zone: str, day: str, expected: list[str]) -> None:
    assert changes((opening(begins, ends, zone),), f"{day}T00:00", f"{day}T22:30") == expected


def test_a_weekly_opening_that_the_clocks_skip_opens_a_week_later() -> None:
    schedule = (opening("02:15", "02:45", days=frozenset({6})),)
    assert next_change(schedule, instant("2026-03-22T02:00")) == instant("2026-04-05T00:15")


def test_outside_the_years_of_the_calendar_it_is_closed() -> None:
    schedule = (opening("08:00", "18:00"),)
    assert not is_open(schedule, -DAY * 40)
    assert not is_open(schedule, 300_000 * 366 * DAY)
    assert next_change(schedule, 300_000 * 366 * DAY) is None


_minute = st.integers(0, 24 * 60 - 1)
_opening = st.builds(
    Opening,
    st.frozensets(st.integers(0, 6), min_size=1),
    _minute,
    _minute,
    st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, "UTC", "Asia/Beirut", "America/St_Johns", "Pacific/Apia"]),
).filter(lambda one: one.begins != one.ends)
_about_changes = st.sampled_from([
    "2026-03-08T07:00", "2026-03-29T01:00", "2026-10-25T01:00", "2026-11-01T06:00", "2026-04-04T15:00",
    "2026-10-03T15:30", "2026-03-28T22:00", "2011-12-30T10:00", "2026-07-01T00:00",
]).map(instant)  # fmt: skip


def _shown(one: Opening, at: int) -> bool:
    """The definition: minutes since the Monday of the week as a clock there shows them."""
    wall = datetime.fromtimestamp(at // SECOND, ZoneInfo(one.zone))
    minute = wall.weekday() * 1440 + wall.hour * 60 + wall.minute
    long = (one.ends - one.begins) % 1440
    return any((minute - day * 1440 - one.begins) % (7 * 1440) < long for day in one.days)


@settings(max_examples=300, deadline=None)
@given(st.lists(_opening, min_size=1, max_size=3), _about_changes, st.integers(-2000, 2000))
def test_it_is_open_exactly_while_a_clock_shows_a_time_inside(openings: list[Opening], about: int, off: int) -> None:
    at = about + off * MINUTE
    assert is_open(tuple(openings), at) == any(_shown(one, at) for one in openings)


@settings(max_examples=200, deadline=None)
@given(st.lists(_opening, min_size=1, max_size=3), _about_changes, st.integers(-90_000, 90_000))
def test_until_the_next_change_nothing_changes(openings: list[Opening], about: int, off: int) -> None:
    schedule, at = tuple(openings), about + off * SECOND
    after = next_change(schedule, at)
    now = any(_shown(one, at) for one in openings)
    end = min(at + 3 * DAY, after or at + 3 * DAY)
    for step in range(at, end, 7 * MINUTE):
        assert any(_shown(one, step) for one in openings) == now
    if after is not None:
        assert any(_shown(one, after) for one in openings) != now
        assert any(_shown(one, after - SECOND) for one in openings) == now
