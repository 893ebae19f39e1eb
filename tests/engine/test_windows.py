"""What is worked out from a key's samples, against the definitions; and in timelines, as time passes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.newest import Newest
from iotrules.engine.samples import WindowState
from iotrules.engine.windows import MAX_SAMPLES, SampleWindow
from iotrules.model.expression import Aggregate, Clock, Lag, Rank, Statistic, Value, WindowKind
from iotrules.model.inputs import Reload
from iotrules.model.times import HOUR, SECOND
from tests.engine.world import START, STREAM, World

OF_NUMBERS: list[Aggregate] = [
    Statistic.SUM, Statistic.STDDEV, Statistic.FIRST, Statistic.LAST, Statistic.RANGE, Statistic.CHANGES,
    Statistic.RATE, Statistic.INCREASE, Statistic.ZSCORE, Statistic.ROBUST_ZSCORE, Statistic.STUCK,
    Rank("median", 0.5), Rank("p95", 0.95), Rank("quantile", 0.0), Rank("quantile", 1.0),
]  # fmt: skip
OF_ALL: list[Aggregate] = [*OF_NUMBERS, *WindowKind, Statistic.SHARE]
GAPS = st.integers(0, 9)
NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3)) | st.integers(0, 3).map(float)
FEED = st.lists(st.tuples(GAPS, NUMBERS), min_size=1, max_size=60)
Samples = list[tuple[int, float]]


def _times(feed: Sequence[tuple[int, float]]) -> Samples:
    at, samples = 0, []
    for gap, value in feed:
        at += gap
        samples.append((at, value))
    return samples


def _window(samples: list[tuple[int, Any]], seconds: int) -> SampleWindow:
    window = SampleWindow(seconds * SECOND)
    for at, value in samples:
        window.add(at * SECOND, value)
    return window


def _defined(kind: Aggregate, samples: Samples, begin: int) -> float | bool | None:
    """What `kind` means over the samples after `begin`, the slow way."""
    inside = [(at, value) for at, value in samples if at > begin]
    before = [(at, value) for at, value in samples if at <= begin]
    values = [value for _, value in inside]
    if not values:
        return None
    changed = sum(one[1] != other[1] for one, other in pairwise(before[-1:] + inside))
    grown = math.fsum(b - a if b >= a else b for a, b in pairwise(values))
    seconds = inside[-1][0] - inside[0][0]
    match kind:
        case Rank(share=share):
            ordered = sorted(values)
            place = share * (len(values) - 1)
            low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
            return low + (high - low) * (place - math.floor(place))
        case Statistic.SUM:
            return math.fsum(values)
        case Statistic.FIRST:
            return float(values[0])
        case Statistic.LAST:
            return float(values[-1])
        case Statistic.RANGE:
            return float(max(values) - min(values))
        case Statistic.CHANGES:
            return float(changed)
        case Statistic.STUCK:
            return False if changed else True if before else None
    if len(values) < 2:
        return None
    match kind:
        case Statistic.STDDEV:
            return statistics.stdev(values)
        case Statistic.INCREASE:
            return grown
        case Statistic.RATE:
            return grown / seconds if seconds else None
        case Statistic.ZSCORE:
            deviation = statistics.stdev(values)
            return (values[-1] - statistics.fmean(values)) / deviation if deviation else 0.0
        case Statistic.ROBUST_ZSCORE:
            median = statistics.median(values)
            mad = statistics.median(abs(value - median) for value in values)
            apart = values[-1] - median
            return 0.6744897501960817 * apart / mad if mad else 0.0 if not apart else None
    raise AssertionError(kind)


@settings(max_examples=600, deadline=None)
@given(FEED, st.integers(1, 20), st.integers(0, 15), st.sampled_from(OF_NUMBERS))
def test_an_aggregate_equals_its_definition(
    feed: list[tuple[int, float]], seconds: int, later: int, kind: Aggregate
) -> None:
    samples = _times(feed)
    at = samples[-1][0] + later
    needed = 2 if kind in (Statistic.STDDEV, Statistic.INCREASE, Statistic.RATE, Statistic.ZSCORE) else 1
    needed = 2 if kind is Statistic.ROBUST_ZSCORE else needed
    found = _window(samples, seconds).value(kind, at * SECOND, needed)
    expected = _defined(kind, samples, at - seconds)
    if expected is None or isinstance(expected, bool):
        assert found is expected
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(FEED, st.integers(1, 20), st.data())
def test_asking_changes_nothing_and_a_stored_window_goes_on_with_the_same_floats(
    feed: list[tuple[int, float]], seconds: int, data: st.DataObject
) -> None:
    silent, asked = SampleWindow(seconds * SECOND), SampleWindow(seconds * SECOND)
    for at, value in _times(feed):
        silent.add(at * SECOND, value)
        asked.add(at * SECOND, value)
        for kind in data.draw(st.lists(st.sampled_from(OF_ALL), max_size=2)):
            asked.value(kind, (at + data.draw(GAPS)) * SECOND, 1)
        if data.draw(st.booleans()):
            asked = SampleWindow(seconds * SECOND, _stored(asked.state()))
        assert asked.state() == silent.state()
        later = (at + data.draw(GAPS)) * SECOND
        fresh = SampleWindow(seconds * SECOND, _stored(silent.state()))
        for kind in OF_ALL:
            assert asked.value(kind, at * SECOND, 1) == fresh.value(kind, at * SECOND, 1)
            assert asked.value(kind, later, 1) == fresh.value(kind, later, 1)


@settings(max_examples=200, deadline=None)
@given(FEED, st.integers(1, 20), st.integers(2, 6), st.data())
def test_a_window_with_a_bound_of_its_own_is_unknown_until_what_it_dropped_would_have_left(
    feed: list[tuple[int, float]], seconds: int, keep: int, data: st.DataObject
) -> None:
    window, seen = SampleWindow(seconds * SECOND), list[int]()
    cut_until = 0
    for at, value in _times(feed):
        whole = window.add(at * SECOND, value, keep)
        seen.append(at)
        held = [time for time in seen if time > at - seconds]
        assert len(window) == min(len(held), keep)
        assert whole == (len(held) <= keep)
        if len(held) > keep:
            cut_until = held[-keep - 1] + seconds
        if data.draw(st.booleans()):
            window = SampleWindow(seconds * SECOND, _stored(window.state()))
        found = window.value(WindowKind.COUNT, at * SECOND, 0)
        assert found == (None if at < cut_until else float(len(held)))


def test_a_trend_on_a_large_value_far_from_the_first_sample_keeps_its_digits() -> None:
    window = SampleWindow(60 * SECOND)
    for at in range(0, 3600 * 24 * 400, 3600 * 24):  # once a day, and the window is a minute
        window.add(at * SECOND, 1e12)
    begun = 3600 * 24 * 400
    for at in range(60):
        window.add((begun + at) * SECOND, 1e12 + at / 1024)
    assert window.value(WindowKind.SLOPE, (begun + 59) * SECOND, 2) == pytest.approx(1 / 1024, rel=1e-9)


def test_samples_of_one_time_have_no_trend_and_no_rate() -> None:
    window = _window([(3, 1.1), (3, 2.2), (3, 3.3)], 10)
    assert window.value(WindowKind.SLOPE, 3 * SECOND, 2) is None
    assert window.value(Statistic.RATE, 3 * SECOND, 2) is None


def test_an_aspect_that_nobody_asks_for_costs_nothing() -> None:
    window = _window([(at, float(at)) for at in range(500)], 60)
    window.value(WindowKind.AVG, 499 * SECOND, 1)
    made = [name for name in ("sums", "lows", "highs", "trend", "moments", "ranks", "changes", "held", "falls")
            if getattr(window, name) is not None]  # fmt: skip
    assert made == ["sums"]
    assert len(window.times) <= 2 * len(window) + 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | NUMBERS, min_size=1, max_size=20), st.integers(1, 5), st.data())
def test_the_newest_samples_are_as_defined_and_go_on_after_a_restart(
    feed: list[float | None], keep: int, data: st.DataObject
) -> None:
    newest, kept = Newest(), list[float]()
    for at, value in enumerate(feed):
        if value is None:
            newest.skip()
        else:
            assert newest.add(at * SECOND, value, keep)
            kept = [*kept, value][-keep:]
        if data.draw(st.booleans()):
            newest = Newest(_stored(newest.state()))
        assert [one for _, one in newest.tail(99)] == kept
        past = [] if value is None else kept[::-1]
        for steps in range(6):
            assert newest.value(Lag("lag", steps), at * SECOND, 1) == (past[steps] if steps < len(past) else None)
        pair = len(past) > 1
        assert newest.value(Statistic.DELTA, at * SECOND, 1) == (past[0] - past[1] if pair else None)
        assert newest.value(Statistic.CHANGED, at * SECOND, 1) == (past[0] != past[1] if pair else None)


def _stored(state: WindowState) -> WindowState:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=WindowState)


def test_the_deviation_of_small_noise_on_a_large_value_keeps_its_digits() -> None:
    noise = [math.sin(n * 12.9898) for n in range(500)]
    window = SampleWindow(100 * SECOND)
    for at, value in enumerate(noise):
        window.add(at * SECOND, 1e9 + value)
        window.value(Statistic.STDDEV, at * SECOND, 1)
    found = window.value(Statistic.STDDEV, 499 * SECOND, 2)
    assert found == pytest.approx(statistics.stdev(noise[-100:]), rel=1e-6)


def test_one_monster_does_not_spoil_the_deviation_once_it_has_left() -> None:
    values = [1.0, 2.0, 1e300, 1.0, 2.0, 3.0, 4.0, 5.0]
    window = _window(list(enumerate(values)), 4)
    assert window.value(Statistic.STDDEV, 7 * SECOND, 2) == pytest.approx(statistics.stdev([2.0, 3.0, 4.0, 5.0]))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(GAPS, st.booleans()), min_size=1, max_size=40), st.integers(1, 20), st.integers(0, 15))
def test_share_is_of_the_time_that_is_known_and_times_is_of_samples(
    feed: list[tuple[int, bool]], seconds: int, later: int
) -> None:
    samples = _times(feed)
    now = samples[-1][0] + later
    window = _window(samples, seconds)
    inside = [value for at, value in samples if at > now - seconds]
    assert window.value(Statistic.TIMES, now * SECOND, 0) == sum(inside)
    begin = max(now - seconds, samples[0][0])
    held = [next(value for at, value in reversed(samples) if at <= second) for second in range(begin, now)]
    expected = sum(held) / len(held) if held and inside else None
    assert window.value(Statistic.SHARE, now * SECOND, 1) == expected


@pytest.mark.parametrize("values", [["a", "a", "b", "a"], [True, True, False, True], [1.0, 1.0, 2.0, 1.0]])
def test_changes_and_stuck_take_values_of_any_type(values: list[Value]) -> None:
    window = _window(list(enumerate(values)), 3)
    assert window.value(Statistic.CHANGES, 3 * SECOND, 1) == 2.0
    assert window.value(Statistic.STUCK, 3 * SECOND, 1) is False
    assert window.value(Statistic.STUCK, 6 * SECOND - 1, 1) is False
    for at in range(4, 8):
        window.add(at * SECOND, values[-1])
    assert _window([], 1).value(Statistic.STUCK, 0, 1) is None
    assert SampleWindow(3 * SECOND, _stored(window.state())).value(Statistic.STUCK, 7 * SECOND, 2) is True


def test_the_past_is_bounded_and_unknown_where_it_does_not_reach() -> None:
    window = Newest()
    for at in range(10):
        window.add(at * SECOND, float(at), 4)
    assert len(window) == 4
    assert [window.value(Lag("lag", steps), 9 * SECOND, 1) for steps in range(1, 5)] == [8.0, 7.0, 6.0, None]
    assert window.value(Statistic.AGE, 12 * SECOND, 1) == 3.0
    window.skip()
    assert window.value(Lag("prev", 1), 9 * SECOND, 1) is None
    assert Newest(_stored(window.state())).value(Statistic.DELTA, 9 * SECOND, 1) is None


def test_a_window_that_is_cut_is_unknown_for_every_aggregate() -> None:
    window = SampleWindow(HOUR)
    whole = [window.add(at, 1.0) for at in range(MAX_SAMPLES + 1)]
    assert whole[-1] is False
    assert all(whole[:-1])
    for kind in (Rank("p95", 0.95), Statistic.SUM, Statistic.SHARE, Statistic.STDDEV):
        assert window.value(kind, MAX_SAMPLES, 1) is None


@given(st.integers(0, 4_000_000_000), st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "UTC"]))
def test_hours_and_weekdays_are_those_of_the_zone(seconds: int, zone: str) -> None:
    hour = Newest().value(Clock("hour", zone), seconds * SECOND, 1)
    weekday = Newest().value(Clock("weekday", zone), seconds * SECOND, 1)
    if zone == "UTC":
        utc = datetime.fromtimestamp(seconds, UTC)
        assert (hour, weekday) == (utc.hour, utc.isoweekday())
    assert hour in range(24)
    assert weekday in range(1, 8)


def test_summer_time_and_times_without_a_calendar() -> None:
    window, berlin = Newest(), Clock("hour", "Europe/Berlin")
    winter, summer = (int(datetime(2026, month, 1, 12, tzinfo=UTC).timestamp()) * SECOND for month in (1, 7))
    assert (window.value(berlin, winter, 1), window.value(berlin, summer, 1)) == (13.0, 14.0)
    assert window.value(berlin, 2**80, 1) is None


def _rule(when: str) -> str:
    return f"  r:\n    from: env\n    when: {when}\n"


def _feed(when: str, *values: Any, field: str = "temp") -> World:
    world = World(_rule(when))
    for index, value in enumerate(values):
        world.send(index * 10, **{field: value})
    return world


@pytest.mark.parametrize(
    ("when", "values", "history"),
    [
        ("delta(temp) > 9 degF", [20, 24, 30, 31], ["20 r firing", "30 r resolved"]),
        ("prev(temp) > 25", [20, 30, 20, 20], ["20 r firing", "30 r resolved"]),
        ("prev(temp > 25)", [20, 30, 20, 20], ["20 r firing", "30 r resolved"]),
        ("lag(temp, 2) > 25", [30, 20, 20, 20], ["20 r firing", "30 r resolved"]),
        ("changed(temp)", [20, 20, 21, 21], ["20 r firing", "30 r resolved"]),
        ("delta(temp) > 5", [20, None, 30], ["20 r firing"]),
        ("delta(temp) > 5", [20, 30, None, 20], ["10 r firing", "30 r resolved"]),
        ("streak(temp > 25) >= 3", [30, 30, 20, 30, 30, None, 30, 20], ["60 r firing", "70 r resolved"]),
        ("times(temp > 25, 1m) >= 2", [30, 20, 30, 20], ["20 r firing"]),
        ("share(temp > 25, 30s) > 50%", [20, 30, 30, 30], ["21 r firing"]),
        ("ewma(temp, 10s) > 26", [20, 30, 30, 20, 20], ["10 r firing", "30 r resolved"]),
        ("stuck(temp, 20s)", [20, 20, 20, 20, 21], ["20 r firing", "40 r resolved"]),
        ("increase(temp, 1m) > 25", [10, 20, 5, 15], []),
        ("increase(temp, 1m) > 24", [10, 20, 5, 15], ["30 r firing"]),
        ("zscore(temp, 5m, min_samples=4) > 1.4", [20, 20, 20, 20, 30], ["40 r firing"]),
        ("not has(temp)", [20, None, 20], ["10 r firing", "20 r resolved"]),
    ],
)
def test_timelines(when: str, values: list[object], history: list[str]) -> None:
    assert _feed(when, *values).history() == history


def test_text_has_a_past_through_conditions() -> None:
    world = _feed(
        'prev(fan == "running") and fan == "stopped"', "running", "running", "stopped", "stopped", field="fan"
    )
    assert world.history() == ["20 r firing", "30 r resolved"]
    assert _feed("changed(fan)", "running", "stopped", "stopped", field="fan").history() == [
        "10 r firing",
        "20 r resolved",
    ]


def test_an_age_grows_while_nothing_comes_and_while_messages_lack_the_field() -> None:
    world = World(_rule("age(temp) > 1m"))
    world.send(0, temp=20)
    world.send(10, pressure=2)
    world.pass_time(300)
    assert world.history() == ["61 r firing"]
    (fired,) = [change for decision in world.decisions for change in decision.transitions]
    assert fired.reason == "age(temp) 61 > 1m"
    assert dict(fired.evidence.values) == {"age(temp)": 61.0}
    assert world.engine.wake_at is None
    world.send(310, temp=20)
    assert world.history() == ["61 r firing", "310 r resolved"]


def test_the_hour_comes_by_itself() -> None:
    begun = datetime.fromtimestamp(START // SECOND, UTC)
    later = (begun.hour + 1) % 24
    world = World(_rule(f"hour('UTC') == {later} and weekday('UTC') >= 1"))
    world.send(0, temp=20)
    world.pass_time(3600 + 120)
    (line,) = world.history()
    at = START + int(float(line.split()[0]) * SECOND)
    assert line.endswith("r firing")
    assert 0 <= at % HOUR < 60 * SECOND


def test_a_rule_that_looks_back_farther_gets_there_after_an_edit() -> None:
    world = World(_rule("prev(temp) > 25"))
    world.send(0, temp=20)
    deeper = _rule("prev(temp) > 25") + '  s: {from: env, when: "lag(temp, 3) > 25"}\n'
    world.put(Reload({"rules.yaml": STREAM + deeper}))
    for index, temp in enumerate((30, 20, 20, 20), start=1):
        world.send(index * 10, temp=temp)
    assert world.history() == ["20 r firing", "30 r resolved", "40 s firing"]


RULES = """
  a: {from: env, when: "p90(temp, 45s) > 90 or stddev(temp, 45s) > 12 or delta(pressure) > 3"}
  b: {from: env, when: "share(temp > 80, 40s) > 50%", clear: "share(temp > 80, 40s) < 20%"}
  c: {from: env, when: "streak(temp > 75) >= 3 and not stuck(temp, 20s)", for: 15s}
  d: {from: env, when: "ewma(temp, 20s) > 85 or age(pressure) > 30s"}
  e: {from: env, by: [site], when: "zscore(temp, 1m) > 1 or robust_zscore(pressure, 1m) > 1.5 or changed(fan)"}
  f: {from: env, when: "rate(pressure, 1m) > 6 bar/min and changes(fan, 30s) >= 1 and times(temp > 70, 30s) > 1"}
  g: {from: env, when: "lag(temp, 2) > 90 and last(temp, 30s) < first(temp, 30s) or sum(pressure, 30s) > 12"}
"""
_sample = st.tuples(
    st.integers(1, 25),  # not 0: looking again after a restart may come before a message of the same instant
    st.sampled_from(["b1", "b2"]),
    st.none() | st.integers(60, 100),
    st.none() | st.integers(0, 8),
    st.sampled_from(["running", "stopped", None]),
)


def _run(feed: list[tuple[int, str, Any, Any, Any]], **options: Any) -> World:
    world, at = World(RULES, **options), 0
    for gap, device, temp, pressure, fan in feed:
        at += gap
        world.send(at, device=device, temp=temp, pressure=pressure, fan=fan)
    world.pass_time(at + 120)
    return world


@settings(max_examples=80, deadline=None)  # each restart loads the rules again
@given(st.lists(_sample, max_size=20), st.integers(1, 9))
def test_a_run_that_was_stored_and_restored_equals_one_that_was_not(feed: Any, every: int) -> None:
    whole, torn = _run(feed), _run(feed, restart_every=every)
    assert torn.history() == whole.history()
    assert [d.transitions for d in torn.decisions if d.changed] == [d.transitions for d in whole.decisions if d.changed]


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_of_another_age_is_no_event_time_and_harms_no_window(stamp: str) -> None:
    world = World(_rule("avg(temp, 1m) > 25"))
    stream = 'streams: {a: {topic: "a/{device}", time: {field: ts, format: iso8601}, fields: {temp: {}}}}\n'
    world.put(Reload({"rules.yaml": stream + "rules: {r: {from: a, when: 'avg(temp, 1m) > 25'}}\n"}))
    decision = world.raw("a/b1", f'{{"ts": "{stamp}", "temp": 30}}'.encode())
    assert decision.counts["no_event_time", "a"] == 1
    assert [change.rule for change in decision.transitions] == ["r"]
