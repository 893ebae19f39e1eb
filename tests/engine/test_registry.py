"""The registry in the engine: attributes by key, devices that are expected before they are heard, persisted state."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.model.decisions import Decision, Invoke
from iotrules.model.errors import RuleError
from iotrules.model.inputs import Messages, Reload, Tick, decode_input, encode_input
from iotrules.model.times import SECOND
from tests.engine.world import START, STREAM, World, registry_file

DEVICES = "site,device,max_temp [degC],critical\nA,b1,85,true\nA,b2,60,\nB,b3,,false\n"
HOT = """
  hot:
    from: env
    when: temp > attr.max_temp
    for: 20s
    clear: temp < attr.max_temp - 5 degC
    summary: "{device} at {temp:.0f} of {attr.max_temp:.0f}"
"""
SILENT = "  silent: {absent: env, for: 3 * interval}\n"


def moves(world: World, rule: str = "silent") -> list[str]:
    return [
        f"{(one.decided - START) / SECOND:g} {one.key.device} {one.after.value}: {one.reason}"
        for decision in world.decisions
        for one in decision.transitions
        if one.rule == rule
    ]


# Attributes


def test_each_device_is_judged_by_its_own_row() -> None:
    world = World(HOT, registry=DEVICES)
    for at in (0, 10, 20, 30):
        world.send(at, temp=70, device="b1")
        world.send(at, temp=70, device="b2")
    assert moves(world, "hot") == [
        "0 b2 pending: temp 70 > attr.max_temp 60",
        "20 b2 firing: temp 70 > attr.max_temp 60 for 20s",
    ]
    (fired,) = (one for decision in world.decisions for one in decision.transitions if one.after.value == "firing")
    assert fired.summary == "b2 at 70 of 60"
    assert fired.evidence.values == (("temp", 70.0), ("attr.max_temp", 60.0))


@pytest.mark.parametrize("device", ["b3", "b9"])
def test_an_empty_cell_and_a_device_without_a_row_are_unknown_and_not_false(device: str) -> None:
    rules = "  not-critical: {from: env, when: not attr.critical}\n  hot: {from: env, when: temp > attr.max_temp}\n"
    world = World(rules, registry=DEVICES.replace("B,b3,,false", "B,b3,,"))
    world.send(0, temp=149, device=device, site="B")
    assert world.history() == []
    assert world.total("unknown") == 2


def test_has_tells_whether_an_attribute_is_known() -> None:
    world = World(
        '  lacking: {from: env, when: not has(attr.max_temp), summary: "{attr.max_temp}"}\n', registry=DEVICES
    )
    for device, site in (("b1", "A"), ("b3", "B"), ("b9", "B")):
        world.send(0, temp=1, device=device, site=site)
    fired = [one for decision in world.decisions for one in decision.transitions]
    assert [(one.key.device, one.summary) for one in fired] == [("b3", "?"), ("b9", "?")]


def test_windows_take_the_attribute_as_it_was_at_each_sample() -> None:
    world = World("  above: {from: env, when: 'max(temp - attr.max_temp, 1m) > 0'}\n", registry=DEVICES)
    world.send(0, temp=80)
    world.use_registry(DEVICES.replace("85", "79"))
    assert world.history() == []
    world.send(10, temp=80)
    assert world.history() == ["10 above firing"]


def test_new_values_count_from_the_next_message_and_reset_nothing() -> None:
    world = World(HOT, registry=DEVICES)
    world.send(0, temp=90)
    assert world.use_registry(DEVICES.replace("85", "88")).transitions == []
    world.send(10, temp=90)
    world.send(20, temp=90)
    assert moves(world, "hot")[-1].startswith("20 b1 firing")  # the hold went on
    world.use_registry(DEVICES.replace("85", "99"))
    world.send(30, temp=90)
    assert moves(world, "hot")[-1] == "30 b1 resolved: temp 90 < attr.max_temp - 5 degC 94"


def test_a_hold_that_ends_by_time_is_judged_by_the_new_values() -> None:
    world = World(HOT, registry=DEVICES)
    world.send(0, temp=90)
    world.use_registry(DEVICES.replace("85", "95"))
    world.pass_time(25)
    assert moves(world, "hot")[-1] == "20 b1 inactive: temp 90 is not > attr.max_temp 95"


def test_new_values_do_not_bridge_a_gap() -> None:
    """As at a start: the registry comes before the messages that the broker kept."""
    world = World(HOT.replace("for: 20s", "for: 5m"), registry=DEVICES)
    world.send(0, temp=90)
    world.now = START + 200 * SECOND
    world.use_registry(DEVICES.replace("85", "80"))
    world.now = START + 310 * SECOND
    for at in range(290, 320, 10):
        body = {"ts": (START + at * SECOND) // 10**6, "boot": "x", "seq": at, "temp": 90}
        world.raw("site/A/dev/b1/env", json.dumps(body).encode())
    assert [line.split(":")[0] for line in moves(world, "hot")] == ["0 b1 pending", "310 b1 inactive", "310 b1 pending"]


def test_an_attribute_of_another_unit_begins_its_rules_anew() -> None:
    rules = "  odd: {from: env, when: 'temp > 3 and attr.load > 1'}\n"
    world = World(rules, registry="site,device,load\nA,b1,2\n")
    world.send(0, temp=9)
    decision = world.use_registry("site,device,load [bar]\nA,b1,2\n")
    assert [one.reason for one in decision.transitions] == ["the rule's condition was changed"]


def test_a_registry_that_does_not_load_changes_nothing() -> None:
    world = World(HOT + SILENT, registry=DEVICES)
    before = world.engine.files
    for text in ("site,device,max_temp [degC]\nA,b1,hot\n", None):
        broken = Reload(before.files, before.dry_run, registry_file(text))
        with pytest.raises(RuleError):
            world.engine.process(broken, world.now, world.sequence + 1)
    assert world.engine.files == before
    world.pass_time(40)
    assert len(moves(world)) == 3


def test_the_registry_is_journaled_and_older_journals_have_none() -> None:
    value = Reload({"r.yaml": "rules: {}"}, False, registry_file(DEVICES))
    assert decode_input(encode_input(value)) == value
    older = msgspec.msgpack.encode(["r", {"r.yaml": ""}, True])
    assert decode_input(older) == Reload({"r.yaml": ""}, True, None)


def test_functions_are_given_the_attributes_of_their_device() -> None:
    rules = "  hot: {from: env, when: temp > 80, do: [{invoke: f}]}\n"
    world = World(rules, registry=DEVICES)
    world.send(0, temp=90, device="b1")
    world.send(0, temp=90, device="b2")
    world.send(0, temp=90, device="b9")
    events = [effect.event for d in world.decisions for effect in d.effects if isinstance(effect, Invoke)]
    assert [event["attributes"] for event in events] == [{"max_temp": 85.0, "critical": True}, {"max_temp": 60.0}, {}]


# Absence: the trap "absence of a never-seen device"


def test_absence_of_a_never_seen_device_fires_after_for_from_when_the_engine_first_knew() -> None:
    world = World(SILENT, registry=DEVICES)
    world.send(10, temp=20, device="b1")
    world.pass_time(100)
    assert moves(world) == [
        "30 b2 firing: in the registry, and never heard for 30s",
        "30 b3 firing: in the registry, and never heard for 30s",
        "40 b1 firing: no message for 30s",
    ]
    world.send(100, temp=20, device="b2")
    assert moves(world)[-1] == "100 b2 resolved: heard for the first time"
    world.pass_time(200)
    assert moves(world)[-1] == "130 b2 firing: no message for 30s"


def test_a_device_heard_in_time_is_not_told() -> None:
    world = World(SILENT, registry="site,device,x\nA,b1,\n")
    for at in (29, 58, 87):
        world.send(at, temp=20)
    assert moves(world) == []


def test_without_a_declared_interval_a_multiple_of_it_waits_for_the_first_messages() -> None:
    rules = STREAM.replace("    interval: 10s\n", "") + SILENT
    world = World(SILENT)
    world.put(Reload({"rules.yaml": rules}, False, registry_file(DEVICES)))
    world.pass_time(10_000)
    assert moves(world) == []


def test_decommissioning_ends_the_alert_with_that_reason_and_expects_no_more() -> None:
    world = World(SILENT + "  also: {absent: env, for: 1m}\n", registry=DEVICES)
    world.send(0, temp=20, device="b1")
    world.pass_time(100)
    world.use_registry("site,device,x\nB,b3,\n")
    ended = sorted(line for line in moves(world) if "resolved" in line)
    assert ended == [
        f"100 {device} resolved: no longer in the registry: not expected any more" for device in ("b1", "b2")
    ]
    before = len(moves(world))
    world.pass_time(8 * 86_400)
    assert len(moves(world)) == before
    world.send(8 * 86_400, temp=20, device="b1")
    world.pass_time(8 * 86_400 + 40)
    assert moves(world)[before:] == [f"{8 * 86_400 + 30} b1 firing: no message for 30s"]


def test_a_device_that_comes_back_into_the_registry_is_expected_from_then_on() -> None:
    world = World(SILENT, registry=DEVICES)
    world.send(0, temp=20, device="b1")
    world.pass_time(50)
    world.use_registry("site,device,x\nB,b3,\n")
    world.pass_time(1000)
    world.use_registry(DEVICES)
    world.pass_time(1100)
    assert moves(world)[-2:] == [
        "1030 b1 firing: no message for 17m10s",
        "1030 b2 firing: in the registry, and never heard for 30s",
    ]
    numbers = [one.number for d in world.decisions for one in d.transitions if one.key.device == "b2"]
    assert numbers == [1, 2, 3]


def test_registered_devices_stay_expected_for_ever_and_others_for_seven_days() -> None:
    world = World(SILENT, registry="site,device,x\nA,b1,\n")
    world.send(0, temp=20, device="b1")
    world.send(0, temp=20, device="b2")
    world.pass_time(30 * 86_400)
    assert [line for line in moves(world) if "resolved" in line] == [
        "604800 b2 resolved: silent for 7d: not expected any more"
    ]


def test_with_expect_only_devices_that_were_heard_are_expected() -> None:
    world = World("  silent: {absent: env, for: 30s, expect: seen_within 1h}\n", registry=DEVICES)
    world.send(0, temp=20, device="b1")
    world.pass_time(2 * 3600)
    assert moves(world) == [
        "30 b1 firing: no message for 30s",
        "3600 b1 resolved: silent for 1h: not expected any more",
    ]


def test_a_group_is_expected_if_it_has_a_device() -> None:
    world = World("  silent: {absent: env, for: 30s, by: [site]}\n", registry=DEVICES)
    world.send(10, temp=20, device="b2")
    world.pass_time(35)
    assert [str(one.key) for d in world.decisions for one in d.transitions] == ["site=B"]


def test_giving_a_registry_later_and_taking_it_away_keeps_what_is_open() -> None:
    world = World(SILENT)
    world.send(0, temp=20, device="b1")
    world.pass_time(50)
    assert len(moves(world)) == 1
    assert world.use_registry(DEVICES).transitions == []
    world.pass_time(100)
    assert len(moves(world)) == 3
    assert len(world.use_registry(None).transitions) == 2  # those that were never heard
    world.pass_time(8 * 86_400)
    assert moves(world)[-1] == "604800 b1 resolved: silent for 7d: not expected any more"


def test_conditions_are_not_looked_at_for_devices_that_were_never_heard() -> None:
    world = World(SILENT + "  few: {from: env, when: 'count(temp, 1m) < 3'}\n", registry=DEVICES)
    world.pass_time(600)
    assert [line.split()[1] for line in world.history()] == ["silent"] * 3


def test_a_device_whose_clock_is_years_behind_is_expected_by_its_own_clock_once_heard() -> None:
    world = World(SILENT, registry="site,device,x\nA,b1,\n")
    world.pass_time(60)
    body = {"ts": 1_000_000_000_000, "boot": "x", "seq": 1, "temp": 20}
    world.raw("site/A/dev/b1/env", json.dumps(body).encode())
    world.pass_time(120)
    assert [line.split(":")[0] for line in moves(world)] == ["30 b1 firing", "60 b1 resolved", "90 b1 firing"]


def test_a_stream_of_other_things_expects_nothing_of_the_registry() -> None:
    host = "streams:\n  host: {topic: 'host/{device}/system', interval: 10s}\nrules:\n  pc: {absent: host, for: 30s}\n"
    world, registry = World(SILENT), registry_file(DEVICES)
    world.put(Reload({"rules.yaml": STREAM + SILENT, "host.yaml": host}, False, registry))
    world.pass_time(100)
    assert moves(world, "pc") == []


# Persisted state


def _answer(world: World, state: dict[str, Any]) -> None:
    (effect,) = (one.id for one in world.decisions[-1].effects if isinstance(one, Invoke))
    version = world.engine.remembered(world.decisions[-1].effects[0].key).version
    world.receipt(effect, answer=json.dumps({"state": state}).encode(), state_version=version)


TRIPS = """
  hot: {from: env, when: temp > 80, do: [{invoke: count}]}
  trips: {from: env, when: state.trips >= 2 and not state.locked}
"""


def test_what_a_function_persisted_counts_from_the_next_message_on() -> None:
    world = World(TRIPS)
    world.send(0, temp=90)
    _answer(world, {"trips": 2, "locked": False})
    assert moves(world, "trips") == []
    world.send(10, temp=90)
    assert moves(world, "trips") == ["10 b1 firing: state.trips 2 >= 2 and state.locked is false"]
    world.send(20, temp=90, device="b2")
    assert len(moves(world, "trips")) == 1


def test_a_hold_that_was_over_before_a_function_answered_still_fires() -> None:
    world = World(
        "  hot: {from: env, when: temp > 80, do: [{invoke: f}]}\n  long: {from: env, when: temp > 80, for: 5s}\n"
    )
    world.send(0, temp=90)
    world.now += 6 * SECOND  # the answer is taken in before the tick that was due
    _answer(world, {"trips": 1})
    world.pass_time(7)
    assert moves(world, "long")[-1] == "6 b1 firing: temp 90 > 80 for 5s"


@pytest.mark.parametrize(
    ("trips", "faults"),
    [(None, 0), ("2", 1), (True, 1), ([2], 1), ({"n": 2}, 1), (2**63, 0), (1.5, 0)],
)
def test_state_of_another_type_is_missing_and_counted(trips: Any, faults: int) -> None:
    world = World("  hot: {from: env, when: temp > 80, do: [{invoke: f}]}\n  low: {from: env, when: state.trips < 1}\n")
    world.send(0, temp=90)
    _answer(world, {"trips": trips})
    decision = world.send(10, temp=20)
    assert decision.counts.get(("rule_errors", "low: state.trips is not a number"), 0) == faults
    assert decision.counts.get(("unknown", "low"), 0) == (faults or trips is None)
    assert moves(world, "low") == []


def test_has_sees_any_state_that_is_not_null() -> None:
    rules = "  hot: {from: env, when: temp > 80, do: [{invoke: f}]}\n  kept: {from: env, when: has(state.x)}\n"
    for value, seen in (([1], True), ({}, True), (0, True), (False, True), ("", True), (None, False)):
        world = World(rules)
        world.send(0, temp=90)
        _answer(world, {"x": value})
        world.send(10, temp=20)
        assert bool(moves(world, "kept")) is seen, value


# Laws

COUNTED = """
  called: {from: env, when: temp > 70, do: [{invoke: f}]}
  trips: {from: env, when: 'state.trips >= 1 and share(temp > 50, 45s) > 0%', for: 15s}
"""
LAW_RULES = (
    COUNTED
    + HOT
    + SILENT
    + "  above: {from: env, when: 'avg(temp - attr.max_temp, 45s) > 0 or attr.critical', for: 15s}\n"
)
REGISTRIES = [DEVICES, DEVICES.replace("85", "70"), "site,device,max_temp [degC],critical [flag]\nA,b9,50,\n"]
_step = st.tuples(
    st.integers(0, 60),
    st.one_of(
        st.tuples(st.sampled_from(["b1", "b2", "b9"]), st.integers(40, 100)), st.sampled_from(REGISTRIES)
    ),
)  # fmt: skip


def _count(world: World, decision: Decision, at: int) -> None:
    """Functions answer at `at`: each counts its calls."""
    for effect in decision.effects:
        world.pass_time(at)
        version = world.engine.remembered(effect.key).version
        world.receipt(effect.id, answer=json.dumps({"state": {"trips": version + 1}}).encode(), state_version=version)


def _run(steps: list[tuple[int, Any]], **options: Any) -> World:
    world = World(LAW_RULES, registry=DEVICES, **options)
    at = 0
    for gap, what in steps:
        at += gap
        if isinstance(what, str):
            world.pass_time(at)
            world.use_registry(what)
        else:
            _count(world, world.send(at, device=what[0], temp=what[1]), at + 3)
    world.pass_time(at + 100)
    return world


@settings(max_examples=60, deadline=None)
@given(st.lists(_step, max_size=15), st.integers(1, 5))
def test_a_run_with_a_registry_that_was_stored_and_restored_equals_one_that_was_not(steps: Any, every: int) -> None:
    whole, torn = _run(steps), _run(steps, restart_every=every)
    assert [d.transitions for d in torn.decisions if d.changed] == [d.transitions for d in whole.decisions if d.changed]


@settings(max_examples=60, deadline=None)
@given(st.lists(_step, max_size=15))
def test_no_alert_about_silence_is_open_twice_or_numbered_twice(steps: Any) -> None:
    world = _run(steps)
    changes = [one for d in world.decisions for one in d.transitions if one.rule == "silent"]
    for key in {one.key for one in changes}:
        mine = [one for one in changes if one.key == key]
        assert [one.number for one in mine] == list(range(1, len(mine) + 1))
        assert [one.after.value for one in mine] == [("firing", "resolved")[n % 2] for n in range(len(mine))]


def test_a_clock_going_backwards_fires_nothing_about_devices_never_heard() -> None:
    world = World(SILENT, registry=DEVICES)
    world.now -= 3600 * SECOND
    assert world.put(Tick()).transitions == []
    assert world.put(Messages(())).transitions == []
