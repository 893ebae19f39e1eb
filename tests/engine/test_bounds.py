"""Nothing makes the engine's memory grow without end: what is beyond a bound is refused or forgotten, and counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.bounds import Bounds
from iotrules.model.decisions import CommandState, Invoke
from tests.engine.world import World

HOT = "\n  hot: {from: env, when: temp > 80}\n"


class Few(World):
    bounds = Bounds(keys=3, episodes=2, pending=2, devices=2, commands=2, invocations=2)


def _sources(world: World) -> list[str]:
    return sorted(json.loads(part)[1][1][1] for part in _parts(world) if json.loads(part)[0] == "seen")


def _parts(world: World) -> dict[str, Any]:
    world.restart()
    return world._parts


def test_the_key_heard_longest_ago_makes_room() -> None:
    world = Few(HOT)
    for at, device in enumerate(["b1", "b2", "b3", "b1", "b4"]):
        world.send(at, temp=20, device=device)
    assert _sources(world) == ["b1", "b3", "b4"]
    assert world.total("keys_evicted") == 1


def test_of_those_heard_at_the_same_time_the_first_by_name_makes_room() -> None:
    world = Few(HOT)
    for device in ["b3", "b1", "b2", "b4"]:
        world.send(0, temp=20, device=device)
    assert _sources(world) == ["b2", "b3", "b4"]


@pytest.mark.parametrize("rules", [HOT, HOT.replace("temp > 80", "temp > 80, for: 10m")])
def test_a_key_with_an_alert_stays(rules: str) -> None:
    world = Few(rules)
    world.send(0, temp=90, device="b1")
    for at, device in enumerate(["b2", "b3", "b4", "b5"], start=1):
        world.send(at, temp=20, device=device)
    assert _sources(world) == ["b1", "b4", "b5"]


def test_where_every_key_has_an_alert_a_new_one_is_refused_until_one_ends() -> None:
    world = World("\n  h: {from: env, when: temp > 80}\n")
    world.bounds = Bounds(keys=2)
    world.restart()
    world.send(0, temp=90, device="b1")
    world.send(1, temp=90, device="b2")
    (letter,) = world.send(2, temp=90, device="b3").dead_letters
    assert (letter.reason, letter.detail) == (
        "too many keys", "2 keys of env are known, and all have an active alert",
    )  # fmt: skip
    world.send(3, temp=90, device="b3")
    assert (world.total("keys_refused"), world.total("keys_evicted")) == (2, 0)
    world.send(4, temp=20, device="b2")
    world.send(5, temp=90, device="b3")
    assert _sources(world) == ["b1", "b3"]


def test_all_that_was_kept_for_the_key_goes() -> None:
    rules = """
  hot: {from: env, when: "avg(temp, 1h) > 80", for: 10m}
  silent: {absent: env, for: 10m, expect: seen_within 1h}
  site: {from: env, by: [site], when: temp > 90}
  q: {sequence: [{first: env where temp > 10}, {then: env where temp > 50}], within: 1h}
"""
    world = World(rules)
    world.bounds = Bounds(keys=3)
    world.restart()
    for at in range(4):
        world.send(at, temp=20, device=f"b{at}", site=f"S{at}")
    names = [name for name in _parts(world) if "S0" in name or "b0" in name]
    assert names == []
    world.pass_time(700)
    assert [change.key.labels[0][1] for one in world.decisions for change in one.transitions] == ["S1", "S2", "S3"]


def test_a_key_that_several_share_stays_with_the_last_of_them() -> None:
    world = Few("\n  site: {from: env, by: [site], when: 'count(temp, 1h) >= 5'}\n")
    for at in range(6):
        world.send(at, temp=20, device=f"b{at}")
    assert world.history() == ["4 site firing"]


def test_a_key_that_comes_back_uses_no_number_twice() -> None:
    world = Few(HOT)
    for at, (device, temp) in enumerate([("b1", 90), ("b1", 20), ("b2", 20), ("b3", 20), ("b4", 20), ("b1", 90)]):
        world.send(at, temp=temp, device=device)
    world.send(9, temp=20, device="b1")
    told = [change for one in world.decisions for change in one.transitions if change.key.device == "b1"]
    assert [change.after.value for change in told] == ["firing", "resolved", "firing", "resolved"]
    assert [change.number for change in told] == [1, 2, 3, 4]
    assert told[0].episode < told[2].episode


def test_alert_limit_keeps_the_old_and_raises_one_overflow_alert() -> None:
    world = World(HOT)
    world.bounds = Bounds(episodes=2)
    world.restart()
    for at in range(8):
        world.send(at, temp=90 + at // 4, device=f"b{at % 4}")
    assert world.history() == ["0 hot firing", "1 hot firing", "2 hot/overflow firing"]
    assert world.total("episodes_refused") == 2
    assert {alert.rule for alert in world.engine.active_alerts()} == {"hot", "hot/overflow"}


@pytest.mark.parametrize("fused", [True, False])
def test_below_the_limit_the_overflow_ends_and_what_waits_opens(fused: bool) -> None:
    world = Few(HOT, fused=fused)
    for at, device in enumerate(["b1", "b2", "b3"]):
        world.send(at, temp=90, device=device)
    world.send(10, temp=20, device="b1")
    world.send(11, temp=90, device="b3")
    assert world.history() == [
        "0 hot firing", "1 hot firing", "2 hot/overflow firing", "10 hot resolved", "10 hot/overflow resolved",
        "11 hot firing",
    ]  # fmt: skip
    assert world.total("episodes_refused") == 1


def test_pending_alerts_are_bounded_likewise() -> None:
    world = Few(HOT.replace("temp > 80", "temp > 80, for: 30s"))
    for at, device in enumerate(["b1", "b2", "b3"]):
        world.send(at, temp=90, device=device)
    assert world.history() == ["0 hot pending", "1 hot pending", "2 hot/overflow firing"]
    assert world.total("pending_refused") == 1


@pytest.mark.parametrize("fused", [True, False])
def test_silence_beyond_the_limit_is_tried_again(fused: bool) -> None:
    world = Few("\n  silent: {absent: env, for: 30s}\n", fused=fused)
    for at, device in enumerate(["b1", "b2", "b3"]):
        world.send(at, temp=20, device=device)
    world.pass_time(50)
    assert world.history() == ["30 silent firing", "31 silent firing", "32 silent/overflow firing"]
    world.send(50, temp=20, device="b1")
    world.pass_time(70)
    assert world.history()[3:] == ["50 silent resolved", "50 silent/overflow resolved", "62 silent firing"]
    assert world.total("episodes_refused") == 1


def test_a_command_too_many_fails_and_the_rule_says_so() -> None:
    world = World("\n  hot: {from: env, when: temp > 80, do: [{command: stop}]}\n")
    world.bounds = Bounds(commands=1)
    world.restart()
    world.send(0, temp=90, device="b1")
    decision = world.send(1, temp=90, device="b2")
    assert [change.state for change in decision.commands] == [CommandState.REQUESTED, CommandState.FAILED]
    assert decision.effects == []
    assert [change.reason for change in decision.transitions if change.rule == "hot/failed"] == [
        "stop is not sent: too many commands are under way",
    ]  # fmt: skip


def test_an_invocation_too_many_is_left_out_and_the_rule_says_so() -> None:
    world = World("\n  hot: {from: env, when: temp > 80, do: [{invoke: f}]}\n")
    world.bounds = Bounds(invocations=1)
    world.restart()
    world.send(0, temp=90, device="b1")
    decision = world.send(1, temp=90, device="b2")
    assert decision.effects == []
    assert decision.counts["invocations_refused", "f"] == 1


def test_the_device_whose_state_changed_longest_ago_is_forgotten() -> None:
    world = Few("\n  hot: {from: env, when: temp > 80, do: [{invoke: f}]}\n")
    for at, device in enumerate(["b1", "b2", "b3"]):
        (effect,) = world.send(3 * at, temp=90, device=device).effects if at < 2 else [None]
        if isinstance(effect, Invoke):
            world.receipt(effect.id, answer=b'{"state": {"n": 1}}', state_version=0)
            world.send(3 * at + 1, temp=20, device=device)
    (effect,) = world.send(9, temp=90, device="b3").effects
    world.receipt(effect.id, answer=b'{"state": {"n": 1}}', state_version=0)
    assert world.total("device_states_evicted") == 1
    assert sorted(name for name in _parts(world) if '"device",' in name) == [
        '["device",{"site":"A","device":"b2"}]', '["device",{"site":"A","device":"b3"}]',
    ]  # fmt: skip


_feeds = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["b1", "b2", "b3", "b4", "b5"]), st.sampled_from([20, 90, 90])),
    max_size=25,
)
_RULES = """
  hot: {from: env, when: temp > 80, for: 15s}
  at-once: {from: env, when: temp > 85}
  silent: {absent: env, for: 60s}
  asked: {from: env, when: 'firing("silent", same=[site]) and temp > 80'}
"""


@settings(max_examples=60, deadline=None)
@given(_feeds, st.integers(1, 5))
def test_what_is_forgotten_depends_on_what_is_remembered_alone(feed: list[Any], every: int) -> None:
    def play(**options: Any) -> World:
        world, at = Few(_RULES, **options), 0
        for after, device, temp in feed:
            at += after
            world.send(at, temp=temp, device=device)
        world.pass_time(at + 100)
        return world

    whole, torn, plain = play(), play(restart_every=every), play(fused=False)
    assert whole.history() == torn.history() == plain.history()
    for counter in ("keys_evicted", "keys_refused", "episodes_refused", "pending_refused"):
        assert whole.total(counter) == torn.total(counter) == plain.total(counter)


def test_the_bounds_are_those_of_the_manual() -> None:
    most = Bounds()
    assert (most.keys, most.episodes, most.pending) == (1_000_000, 10_000, 10_000)
    assert (most.devices, most.commands, most.invocations) == (1_000_000, 100_000, 100_000)
