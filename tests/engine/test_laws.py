"""Laws that hold for any rule and any feed."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.lifecycle import TABLE
from iotrules.engine.windows import SampleWindow
from iotrules.model.expression import WindowKind
from iotrules.model.inputs import Tick
from iotrules.model.times import SECOND
from tests.engine.world import OVERHEAT, World

RULES = (
    OVERHEAT
    + """
    do:
      - command: shutdown
      - {at: resolved, command: restart}
  warm: {from: env, when: "avg(temp, 45s) > 80", clear: "avg(temp, 45s) < 75", for: 15s}
  leak:
    from: env
    when: slope(pressure, 1m, min_samples=3) < -1 bar/min and not fan == "stopped"
    missing: "false"
  site-hot: {from: env, by: [site], when: "max(temp, 30s) > 95"}
  silent: {absent: env, for: 40s}
"""
)

_value = st.one_of(st.none(), st.integers(60, 100))
_sample = st.tuples(
    st.integers(0, 25),  # seconds since the one before
    st.sampled_from(["b1", "b2"]),
    _value,
    st.one_of(st.none(), st.integers(0, 8)),
    st.sampled_from(["running", "stopped", None]),
    st.booleans(),  # is it delivered twice?
)
_feed = st.lists(_sample, max_size=40)


def _run(feed: list[tuple[int, str, Any, Any, Any, bool]], *, repeat: bool, **options: Any) -> World:
    world = World(RULES, **options)
    at = 0
    for gap, device, temp, pressure, fan, twice in feed:
        at += gap
        world.send(at, device=device, temp=temp, pressure=pressure, fan=fan)
        if repeat and twice:
            last = world.decisions[-1].readings[0]
            body = {"ts": last.at // 10**6, "boot": "x", "seq": world.seq} | last.values
            world.raw(f"site/A/dev/{device}/env", json.dumps(body).encode())
    world.pass_time(at + 120)
    return world


@settings(max_examples=150, deadline=None)
@given(_feed)
def test_the_same_input_gives_the_same_decisions(feed: Any) -> None:
    one, other = _run(feed, repeat=False).decisions, _run(feed, repeat=False).decisions
    assert one == other
    assert [decision.readings for decision in one] == [decision.readings for decision in other]


@settings(max_examples=100, deadline=None)  # each restart loads the rules again
@given(st.lists(_sample, max_size=20), st.integers(2, 9))
def test_a_run_that_was_stored_and_restored_equals_one_that_was_not(feed: Any, every: int) -> None:
    whole, torn = _run(feed, repeat=False), _run(feed, repeat=False, restart_every=every)
    assert torn.history() == whole.history()
    assert torn.effects() == whole.effects()
    assert [d.transitions for d in torn.decisions if d.changed] == [d.transitions for d in whole.decisions if d.changed]


@settings(max_examples=150, deadline=None)
@given(_feed)
def test_duplicates_add_nothing(feed: Any) -> None:
    once, twice = _run(feed, repeat=False), _run(feed, repeat=True)
    assert twice.history() == once.history()
    assert twice.total("applied") == once.total("applied")


@settings(max_examples=100, deadline=None)
@given(_feed)
def test_an_idempotency_key_is_never_used_twice(feed: Any) -> None:
    effects = _run(feed, repeat=True).effects()
    assert len(effects) == len(set(effects))


@settings(max_examples=100, deadline=None)
@given(_feed)
def test_no_transition_is_outside_the_table(feed: Any) -> None:
    allowed = {(before, after) for (before, _), after in TABLE.items()}
    for decision in _run(feed, repeat=True).decisions:
        for change in decision.transitions:
            assert (change.before, change.after) in allowed


@settings(max_examples=50, deadline=None)
@given(_feed)
def test_a_clock_going_backwards_never_fires(feed: Any) -> None:
    world = _run(feed, repeat=False)
    fired = len(world.history())
    world.now -= 3600 * SECOND
    world.put(Tick())
    assert len(world.history()) == fired


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(-1e6, 1e6)), min_size=1, max_size=60),
    st.integers(1, 20),
    st.sampled_from(WindowKind),
)
def test_a_window_equals_its_definition(samples: list[tuple[int, float]], seconds: int, kind: WindowKind) -> None:
    window = SampleWindow(seconds * SECOND)
    kept: deque[tuple[int, float]] = deque()
    at = 0
    for gap, value in samples:
        at += gap
        window.add(at * SECOND, value)
        kept.append((at, value))
    inside = [(t, v) for t, v in kept if t > at - seconds]
    found = window.value(kind, at * SECOND, 1)
    expected = _plain(kind, inside)
    if expected is None:
        assert found is None or kind is WindowKind.SLOPE
    else:
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-3)


def _plain(kind: WindowKind, inside: list[tuple[int, float]]) -> float | None:
    times, values = [t for t, _ in inside], [v for _, v in inside]
    match kind:
        case WindowKind.COUNT:
            return float(len(values))
        case WindowKind.AVG:
            return sum(values) / len(values)
        case WindowKind.MIN:
            return min(values)
        case WindowKind.MAX:
            return max(values)
        case WindowKind.SLOPE:
            mean_t, mean_v = sum(times) / len(times), sum(values) / len(values)
            spread = sum((t - mean_t) ** 2 for t in times)
            if spread == 0:
                return None
            return sum((t - mean_t) * (v - mean_v) for t, v in inside) / spread
