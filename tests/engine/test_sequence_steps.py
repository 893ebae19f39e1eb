"""What the condition of a step may read beside its message: earlier steps, zones, the registry, what was persisted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iotrules.model.decisions import Invoke
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine.building import Building
from tests.engine.world import START

SAME_DOOR = """
  walked-through:
    by: [site]
    sequence:
      - {first: door where state == "open", as: opened}
      - {then: door where state == "closed" and device == opened.device and temp < opened.temp - 2, as: shut}
    within: 60s
    matching: every
    summary: "{opened.device} let the cold in: {shut.temp:.0f} from {opened.temp:.0f}"
"""

REGISTRY = "site,device,limit [degC],kind\nA,d1,5,shop\nA,d2,20,\n"
LIMITED = """
  too-warm:
    sequence:
      - {first: door where temp > attr.limit, as: warm}
      - {then: door where temp > warm.temp and attr.kind == "shop"}
    within: 60s
    clear: temp < attr.limit
    summary: "{device} may be at {attr.limit:.0f}, and was at {warm.temp:.0f}"
"""

YARD = """
streams:
  truck:
    topic: truck/{site}/{device}
    time: {field: ts, format: unix_ms}
    fields: {lat: {unit: deg}, lon: {unit: deg}}
zones:
  yard: {center: [52.5, 13.4], radius: 200 m}
rules:
  left-and-back:
    sequence:
      - first: truck where not inside(lat, lon, "yard")
      - then: truck where inside(lat, lon, "yard")
    within: 10m
"""


def reasons(world: Building) -> list[str]:
    return [change.reason for change in world.transitions()]


@pytest.mark.parametrize("restart_every", [None, 1])
def test_a_step_may_be_compared_with_a_step_that_came_before(restart_every: int | None) -> None:
    world = Building(SAME_DOOR, restart_every=restart_every)
    world.door(0, device="d1", temp=10)
    world.door(1, device="d2", temp=10)
    world.door(5, device="d1", state="closed", temp=9)
    world.door(6, device="d3", state="closed", temp=1)
    assert world.history() == []
    world.door(7, device="d2", state="closed", temp=7)
    assert world.history() == ["7 walked-through firing"]
    (fired,) = world.transitions()
    assert fired.summary == "d2 let the cold in: 7 from 10"
    assert 'device "d2" == opened.device "d2"' in fired.reason
    assert "opened.temp - 2 8" in fired.reason
    assert dict(fired.evidence.values)["opened.temp"] == 10


def test_with_every_each_run_is_compared_with_its_own_step() -> None:
    world = Building(SAME_DOOR)
    for at, temp in enumerate((20, 10, 15)):
        world.door(at, temp=temp)
    world.door(10, state="closed", temp=12.5)
    (fired,) = world.transitions()
    assert fired.summary == "d1 let the cold in: 12 from 20"


def test_an_earlier_value_that_was_missing_makes_it_unknown_and_that_is_counted_once() -> None:
    world = Building(SAME_DOOR)
    world.door(0)
    world.door(1)
    decision = world.door(5, state="closed", temp=1)
    assert reasons(world) == []
    assert decision.counts["unknown", "walked-through"] == 1


def test_what_must_not_come_may_be_of_the_same_device_only() -> None:
    rules = """
  left-open:
    by: [site]
    sequence:
      - {first: door where state == "open", as: opened}
      - without: door where state == "closed" and device == opened.device
    within: 60s
    matching: every
    clear: door where state == "closed" and device == opened.device
"""
    world = Building(rules)
    world.door(0, device="d1")
    world.door(10, device="d2", state="closed")
    world.pass_time(100)
    assert world.history() == ["60 left-open firing"]
    world.door(110, device="d2", state="closed")
    assert len(world.history()) == 1
    world.door(120, device="d1", state="closed")
    assert world.history()[1:] == ["120 left-open resolved"]
    assert reasons(world)[-1] == 'door: state "closed" == "closed" and device "d1" == opened.device "d1"'
    world.door(130, device="d1")
    world.door(140, device="d1", state="closed")
    world.pass_time(300)
    assert len(world.history()) == 2


def test_a_zone_may_be_asked_for_in_a_step() -> None:
    world = Building("", streams=YARD)
    world.pass_time(0)
    for at, lat in ((0, 52.5), (10, 52.6), (20, 52.7), (30, 52.5)):
        _truck(world, at, lat=lat, lon=13.4)
    assert world.history() == ["30 left-and-back firing"]


def _truck(world: Building, at: float, **values: Any) -> None:
    world.pass_time(at)
    body = {"ts": (START + round(at * SECOND)) // MILLISECOND} | values
    world.raw("truck/A/t1", json.dumps(body).encode())


@pytest.mark.parametrize("restart_every", [None, 1])
def test_attributes_are_those_of_the_messages_device(restart_every: int | None) -> None:
    world = Building(LIMITED, registry=REGISTRY, restart_every=restart_every)
    for device in ("d1", "d2"):
        world.door(0, device=device, temp=10)
        world.door(5, device=device, temp=12)
    (fired,) = world.transitions()
    assert (fired.key.device, fired.summary) == ("d1", "d1 may be at 5, and was at 10")
    assert fired.reason == (
        'door: temp 10 > attr.limit 5, 5s later door: temp 12 > warm.temp 10 and attr.kind "shop" == "shop"'
    )
    assert dict(fired.evidence.values) | {"warm.attr.limit": 5.0, "attr.kind": "shop"} == dict(fired.evidence.values)
    world.door(10, temp=4)
    assert world.history() == ["5 too-warm firing", "10 too-warm resolved"]


def test_a_registry_that_is_loaded_anew_counts_for_later_messages() -> None:
    world = Building(LIMITED, registry=REGISTRY)
    world.door(0, temp=10)
    world.use_registry(REGISTRY.replace("A,d1,5", "A,d1,30"))
    world.door(1, temp=11)
    assert world.history() == ["1 too-warm firing"]
    assert "temp 10 > attr.limit 5," in reasons(world)[0]
    world.door(2, temp=29)
    assert world.history() == ["1 too-warm firing", "2 too-warm resolved"]
    world.door(10, temp=20)
    world.door(11, temp=21)
    assert len(world.history()) == 2


def test_a_device_without_a_row_is_no_step() -> None:
    world = Building(LIMITED, registry=REGISTRY)
    world.door(0, device="d9", temp=10)
    world.door(1, device="d9", temp=11)
    assert (world.history(), world.total("unknown")) == ([], 4)


def test_what_functions_persisted_for_the_key_may_be_read() -> None:
    rules = """
  third-time:
    sequence:
      - first: door where state == "open"
      - then: door where state == "closed" and state.trips >= 2
    within: 60s
    do: []
  counter: {from: door, when: temp > 50, do: [{invoke: count}]}
"""
    world = Building(rules)
    world.door(0)
    world.door(1, state="closed")
    assert world.history() == []
    (effect,) = (one for one in world.door(2, temp=60).effects if isinstance(one, Invoke))
    world.receipt(effect.id, answer=b'{"state": {"trips": 2}}', state_version=0)
    world.door(3)
    world.door(4, state="closed")
    assert world.history()[-1] == "4 third-time firing"
    assert "state.trips 2 >= 2" in reasons(world)[-1]
