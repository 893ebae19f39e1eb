"""Rules over several streams: the newest values of each are joined by the labels that they share."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.model.decisions import AlertState
from iotrules.model.inputs import Reload
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine.world import START, World

STREAMS = """
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms}
    interval: 10s
    fields: {temp: {unit: degC}, inlet: {unit: degC}}
  door:
    topic: site/{site}/door/{name}
    time: {field: ts, format: unix_ms}
    fields: {state: {one_of: [open, closed]}, temp: {unit: degF}}
  meter:
    topic: meter/{site}
    time: {field: ts, format: unix_ms}
    fresh: 1m
    fields: {power: {unit: kW}}
rules:
"""


class Joining(World):
    """A world with these streams."""

    streams = STREAMS


DRAUGHT = """
  draught:
    from: [env, door]
    by: [site]
    when: temp < 10 and door.state == "open"
    for: 20s
    summary: "{site}: {temp:.0f} °C, door {door.state}"
"""


def _env(world: World, at: float, site: str = "A", **values: Any) -> None:
    _tell(world, at, f"site/{site}/dev/d/env", values)


def _door(world: World, at: float, site: str = "A", **values: Any) -> None:
    _tell(world, at, f"site/{site}/door/front", values)


def _meter(world: World, at: float, site: str = "A", **values: Any) -> None:
    _tell(world, at, f"meter/{site}", values)


def _tell(world: World, at: float, topic: str, values: dict[str, Any]) -> None:
    world.pass_time(at)
    body = {"ts": (START + round(at * SECOND)) // MILLISECOND} | values
    world.raw(topic, json.dumps(body).encode())


def test_newest_values_of_two_streams_are_joined_by_their_site() -> None:
    world = Joining(DRAUGHT)
    for at in range(0, 60, 10):
        _env(world, at, temp=5)
        _env(world, at, site="B", temp=5)
    _door(world, 51, state="open")
    for at in range(60, 100, 10):
        _env(world, at, temp=5)
    _door(world, 92, state="closed")
    assert world.history() == ["51 draught pending", "71 draught firing", "92 draught resolved"]
    (fired,) = (one for two in world.decisions for one in two.transitions if one.after is AlertState.FIRING)
    assert fired.summary == "A: 5 °C, door open"
    assert dict(fired.evidence.values) == {"temp": 5.0, "door.state": "open"}
    assert fired.reason == 'temp 5 < 10 and door.state "open" == "open" for 20s'


def test_fields_of_one_name_are_told_apart_and_keep_their_units() -> None:
    world = Joining("  r: {from: [env, door], by: [site], when: temp > 10 and door.temp < 40 degF}")
    _env(world, 0, temp=20)
    _door(world, 1, temp=41)
    _door(world, 2, temp=39)
    assert world.history() == ["2 r firing"]


def test_a_value_older_than_its_streams_fresh_is_missing() -> None:
    rule = "  r: {from: [door, meter], by: [site], when: 'state == \"open\" and meter.power > 3', missing: 'false'}"
    world = Joining(rule)
    _meter(world, 0, power=5)
    _door(world, 60, state="open")
    assert world.history() == ["60 r firing"]
    world.pass_time(100)
    assert world.history()[1:] == ["60 r resolved"]  # a moment later, and without a message
    _door(world, 100, state="open")
    assert world.total("unknown") >= 2
    _meter(world, 110, power=5)  # of the door it is not known how often it reports: its value stays
    assert world.history()[2:] == ["110 r firing"]


def test_three_times_the_interval_is_fresh_where_nothing_else_is_said() -> None:
    world = Joining(DRAUGHT.replace("for: 20s", "for: 0s").replace("when", "missing: 'false'\n    when"))
    _env(world, 0, temp=5)
    _door(world, 30, state="open")
    _door(world, 31, state="open")
    assert world.history() == ["30 draught firing", "30 draught resolved"]


def test_a_window_takes_samples_of_its_own_stream_only() -> None:
    world = Joining("  r: {from: [env, door], by: [site], when: 'count(temp, 1m) >= 3 and changed(door.state)'}")
    _env(world, 0, temp=5)
    _door(world, 1, state="open")
    _door(world, 2, state="closed")
    _env(world, 3, temp=5)
    _door(world, 4, state="closed")
    _env(world, 5, temp=5)
    assert world.history() == []
    _door(world, 6, state="open")
    assert world.history() == ["6 r firing"]


def test_a_joined_keys_clock_is_the_newest_of_its_messages() -> None:
    world = Joining(DRAUGHT)
    _env(world, 100, temp=5)
    world.pass_time(101)
    body = {"ts": (START + 40 * SECOND) // MILLISECOND, "state": "open"}
    world.raw("site/A/door/front", json.dumps(body).encode())
    _env(world, 110, temp=5)
    _env(world, 120, temp=5)
    assert world.history() == ["100 draught pending", "120 draught firing"]


def test_other_rules_of_the_streams_are_as_they_were() -> None:
    world = Joining(DRAUGHT + "  cold: {from: env, when: temp < 8}\n  open: {from: door, when: state == 'open'}")
    _env(world, 0, temp=5)
    _door(world, 1, state="open")
    assert world.history() == ["0 cold firing", "1 open firing", "1 draught pending"]


def test_a_reload_keeps_what_was_joined_but_for_fields_that_changed() -> None:
    world = Joining(DRAUGHT)
    _env(world, 0, temp=5)
    _door(world, 1, state="open")
    world.put(Reload({"rules.yaml": STREAMS + DRAUGHT.replace("summary", "severity: major\n    summary")}))
    world.pass_time(30)
    assert world.history() == ["1 draught pending", "21 draught firing"]
    other = STREAMS.replace("{one_of: [open, closed]}", "{one_of: [open, closed, ajar]}")
    world.put(Reload({"rules.yaml": other + DRAUGHT}))
    assert world.history()[2:] == ["30 draught resolved"]
    _env(world, 31, temp=5)
    assert len(world.history()) == 3  # of the door nothing is known any more


_heard = st.tuples(
    st.sampled_from([0, 1, 5, 11, 40]), st.sampled_from(["env", "door", "meter"]), st.sampled_from([None, 4, 6, 12]),
    st.sampled_from(["open", "closed", None]),
)  # fmt: skip
_RULES = (
    DRAUGHT
    + """
  windows:
    from: [env, door]
    by: [site]
    when: avg(temp, 30s) < 8 or (prev(door.state == "open") and temp > 5)
    for: 5s
  three:
    from: [meter, env, door]
    by: [site]
    when: power > 5 and env.temp < 10
    clear: {when: door.state == "closed", for: 10s}
"""
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_heard, max_size=16), st.integers(1, 4))
def test_a_join_that_was_stored_and_restored_equals_one_that_was_not(feed: list[Any], every: int) -> None:
    whole, torn, at = Joining(_RULES), Joining(_RULES, restart_every=every), 0
    for after, stream, number, state in feed:
        at += after
        for world in (whole, torn):
            if stream == "env":
                _env(world, at, temp=number)
            elif stream == "door":
                _door(world, at, state=state)
            else:
                _meter(world, at, power=number)
    for world in (whole, torn):
        world.pass_time(at + 100)
    assert torn.history() == whole.history()
    assert [one.transitions for one in torn.decisions if one.changed and one.transitions] == [
        one.transitions for one in whole.decisions if one.changed and one.transitions
    ]
