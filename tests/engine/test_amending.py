"""`on_late: amend`: a message that comes too late is put in its place; what is different now is put right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.amends import REACH
from iotrules.model.inputs import Arrival, Messages, Reload
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine.world import OVERHEAT, START, STREAM, World

AMEND = STREAM.replace("ahead: 10s}", "ahead: 10s, on_late: amend}")
NO_ID = AMEND.replace("    id: [boot, seq]\n", "")
PARTIAL = AMEND.replace("    interval: 10s\n", "    interval: 10s\n    partial: true\n    fresh: 25s\n")
WAITS = AMEND.replace("on_late: amend", "late: 15s, on_late: amend")
TOPIC = "site/A/dev/b1/env"
RULES = (
    OVERHEAT
    + """
    do: [{command: shutdown}, {at: resolved, command: restart}]
  warm: {from: env, when: "avg(temp, 45s) > 80", clear: "avg(temp, 45s) < 75", for: 15s}
  moved: {from: env, when: "abs(delta(temp)) > 15 or streak(temp > 80) >= 3", missing: "false"}
  ladder:
    from: env
    levels: {minor: {when: temp > 70, for: 10s}, critical: {when: temp > 90, for: 20s}}
    clear: temp < 65
"""
)


def _body(at: float, seq: int, **values: Any) -> bytes:
    measured = (START + round(at * SECOND)) // MILLISECOND
    return json.dumps({"ts": measured, "boot": "x", "seq": seq} | values).encode()


def _sent(world: World, at: float, now: float, seq: int, **values: Any) -> Any:
    """A message measured at `at` that arrives at `now`."""
    world.pass_time(now)
    return world.raw(TOPIC, _body(at, seq, **values))


def _changes(world: World) -> list[tuple[str, str, bool]]:
    return [(one.rule, one.after.value, one.amended) for d in world.decisions for one in d.transitions]


def _commands(world: World) -> list[str]:
    return [command.name for command in world.sent()]


def test_a_late_sample_that_breaks_the_hold_takes_the_alert_back_and_sends_no_command() -> None:
    world = World(RULES.split("  warm")[0], streams=AMEND)
    for seq, at in enumerate((0, 10, 30, 40)):
        _sent(world, at, at, seq + (at > 10), temp=90)
    assert _changes(world)[-1] == ("overheat", "firing", False)
    assert _commands(world) == ["shutdown"]
    late = _sent(world, 20, 45, 2, temp=60)
    assert [(one.after.value, one.amended) for one in late.transitions] == [("resolved", True), ("pending", True)]
    assert "amended by a message measured 20s before the newest" in late.transitions[0].reason
    assert _commands(world) == ["shutdown"]
    assert (late.counts["applied", "env"], late.counts["amended", "env"]) == (1, 1)
    world.pass_time(61)
    assert _changes(world)[-1] == ("overheat", "firing", False)  # the hold counts from the sample after the late one
    assert _commands(world) == ["shutdown", "shutdown"]


def test_a_late_sample_that_completes_the_hold_raises_the_alert_marked_as_amended_without_its_steps() -> None:
    rule = "  dips: {from: env, when: 'times(temp < 10, 5m) >= 2', do: [{command: shutdown}]}\n"
    world = World(rule, streams=AMEND)
    _sent(world, 0, 0, 1, temp=5)
    _sent(world, 20, 20, 3, temp=50)
    late = _sent(world, 10, 25, 2, temp=5)
    (change,) = late.transitions
    assert (change.after.value, change.amended) == ("firing", True)
    assert "times(temp < 10, 5m)" in change.reason
    assert change.evidence.condition == "times(temp < 10, 5m) >= 2"
    assert late.effects == []
    assert [one.severity.word for one in world.engine.active_alerts()] == ["minor"]


def test_a_past_that_was_put_right_is_not_told_twice() -> None:
    world = World(RULES, streams=AMEND)
    _sent(world, 0, 0, 1, temp=60)
    _sent(world, 20, 20, 3, temp=60)
    assert _sent(world, 10, 25, 2, temp=60).transitions == []
    again = _sent(world, 10, 26, 2, temp=60)
    assert (again.counts["duplicate", "env"], again.transitions) == (1, [])


def test_without_an_id_the_same_late_message_counts_once() -> None:
    world = World(RULES, streams=NO_ID)
    _sent(world, 0, 0, 1, temp=60)
    _sent(world, 20, 20, 3, temp=60)
    assert _sent(world, 10, 25, 2, temp=60).counts["amended", "env"] == 1
    again = _sent(world, 10, 26, 2, temp=60)
    assert again.counts["duplicate", "env"] == 1
    assert ("applied", "env") not in again.counts


def test_what_is_too_late_even_for_that_is_counted_and_dropped() -> None:
    world = World(RULES, streams=AMEND)
    for n in range(3 * REACH):
        _sent(world, n * 10, n * 10, 2 * n, temp=60)
    newest = (3 * REACH - 1) * 10
    near = _sent(world, newest - REACH * 10 + 5, newest + 1, 2 * (2 * REACH) - 1, temp=60)
    assert near.counts["amended", "env"] == 1
    far = _sent(world, 5, newest + 2, 1, temp=99)
    assert (far.counts["late", "env"], far.transitions) == (1, [])


def test_other_rules_begin_with_what_comes_from_now_on() -> None:
    """A reload forgets what could be decided again: what is older is late."""
    world = World(RULES, streams=AMEND)
    _sent(world, 0, 0, 1, temp=60)
    _sent(world, 20, 20, 3, temp=60)
    world.put(Reload({"rules.yaml": AMEND + RULES + "  more: {from: env, when: temp > 99}\n"}))
    assert _sent(world, 10, 25, 2, temp=60).counts["late", "env"] == 1
    assert _sent(world, 30, 30, 4, temp=60).counts["applied", "env"] == 1
    assert _sent(world, 25, 31, 5, temp=60).counts["amended", "env"] == 1


def test_rules_over_several_devices_and_silence_are_not_decided_again() -> None:
    rules = """
  many: {from: env, by: [site], across: device, fresh: 1m, when: count(temp > 80) >= 1}
  silent: {absent: env, for: 15s}
  joint: {from: env, when: 'temp > 80 and not firing("silent")'}
"""
    alone = World(rules, streams=AMEND)
    hot = World(rules + "  hot: {from: env, when: temp > 99}\n", streams=AMEND)
    for world, counter in ((alone, "late"), (hot, "amended")):
        _sent(world, 0, 0, 1, temp=60)
        _sent(world, 20, 20, 3, temp=60)
        late = _sent(world, 10, 21, 2, temp=99)
        assert (late.counts[counter, "env"], late.transitions) == (1, [])


def test_late_messages_of_one_input_are_decided_on_once() -> None:
    world = World(RULES, streams=AMEND)
    for seq, at in ((0, 0), (9, 90)):
        _sent(world, at, at, seq, temp=60)
    world.now += SECOND
    batch = [Arrival(TOPIC, _body(10 * n, n, temp=90), world.now) for n in (3, 1, 2, 4)]
    decision = world.put(Messages(tuple(batch)))
    assert decision.counts["amended", "env"] == 4
    assert {(one.rule, one.after.value) for one in decision.transitions} >= {("moved", "firing")}
    assert all(one.amended for one in decision.transitions)


_sample = st.tuples(
    st.integers(1, 25),  # seconds after the one before
    st.one_of(st.none(), st.integers(60, 100)),
    st.integers(0, 60),  # how long it is under way, seconds
)


def _play(feed: list[tuple[Any, ...]], *, streams: str = AMEND, order: Any = None, **options: Any) -> World:
    """Each on its way for as long as it says; with `order` all come at the end, in that order."""
    world = World(RULES, streams=streams, **options)
    at, sent = 0, []
    for seq, (gap, temp, delay) in enumerate(feed):
        at += gap
        sent.append((at + delay, at, seq, temp))
    end = at + 61
    for arrives, measured, seq, temp in sorted(sent) if order is None else [sent[place] for place in order]:
        _sent(world, measured, arrives if order is None else end, seq, temp=temp)
    world.pass_time(end)
    world.send(end + 10, temp=50)
    world.pass_time(end + 140)
    return world


def _end(world: World) -> Any:
    """What is active, and what the windows hold."""
    tracks = world.engine._state.tracks.values()
    kept = [(track.clock, dict(track.values), track.state().windows) for track in tracks]
    return sorted((one.rule, one.state, one.severity) for one in world.engine.active_alerts()), kept


@pytest.mark.parametrize("streams", [AMEND, NO_ID, PARTIAL, WAITS])
@settings(max_examples=30, deadline=None)
@given(st.lists(_sample, min_size=1, max_size=12), st.data())
def test_any_order_of_arrival_ends_as_the_order_of_measuring_does(streams: str, feed: Any, data: st.DataObject) -> None:
    """Where our clock has not had rules look meanwhile: what it decided by silence stays decided."""
    places = list(range(len(feed)))
    in_order = _play(feed, streams=streams, order=places)
    mixed = _play(feed, streams=streams, order=data.draw(st.permutations(places)))
    assert _end(mixed) == _end(in_order)
    assert mixed.total("late") == 0
    assert mixed.total("applied") == in_order.total("applied")


@settings(max_examples=12, deadline=None)
@given(st.lists(_sample, min_size=1, max_size=8), st.integers(1, 4))
def test_a_restart_changes_nothing_of_what_is_amended(feed: Any, every: int) -> None:
    whole, torn = (_play(feed, restart_every=each) for each in (None, every))
    assert [d.transitions for d in torn.decisions if d.transitions] == [
        d.transitions for d in whole.decisions if d.transitions
    ]
    assert torn.effects() == whole.effects()
    assert _end(torn) == _end(whole)


@settings(max_examples=30, deadline=None)
@given(st.lists(_sample, min_size=1, max_size=12))
def test_amending_runs_no_step_and_uses_no_key_twice(feed: Any) -> None:
    world = _play(feed)
    assert len(set(world.effects())) == len(world.effects())
    for decision in world.decisions:
        own = {one.rule for one in decision.transitions if not one.amended}
        assert all(effect.id.split("~")[0] in own for effect in decision.effects)
