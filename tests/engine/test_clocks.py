"""A device whose clock is ahead is flagged by an alert of its own until its clock is believed again."""

from __future__ import annotations

import json

import pytest

from iotrules.model.decisions import Decision
from iotrules.model.inputs import Arrival, Messages, Reload
from iotrules.model.rules import Severity
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine.world import OVERHEAT, START, STREAM, World

TOPIC = "site/A/dev/b1/env"


def _body(at: float, seq: int) -> bytes:
    return json.dumps({"ts": (START + round(at * SECOND)) // MILLISECOND, "boot": "x", "seq": seq, "temp": 60}).encode()


def _told(decision: Decision) -> list[str]:
    return [f"{change.rule} {change.after.value}: {change.reason}" for change in decision.transitions]


def test_a_clock_that_is_ahead_is_told_once_and_so_is_its_end() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=60)
    (flagged,) = world.raw(TOPIC, _body(3600, 50)).transitions
    assert (flagged.rule, flagged.severity, str(flagged.key)) == ("env/clock", Severity.INFO, "site=A device=b1")
    assert flagged.summary == "b1: its clock is 1h ahead of ours; the time of arrival is used"
    assert _told(world.raw(TOPIC, _body(3601, 51))) == []
    world.now += 20 * SECOND
    assert _told(world.raw(TOPIC, _body(20, 52))) == ["env/clock resolved: its clock is believed again"]
    assert _told(world.raw(TOPIC, _body(21, 53))) == []


@pytest.mark.parametrize("restart_every", [None, 1])
def test_while_it_lasts_it_is_an_active_alert_over_a_restart(restart_every: int | None) -> None:
    world = World(OVERHEAT, restart_every=restart_every)
    world.raw(TOPIC, _body(3600, 1))
    assert [(alert.rule, str(alert.key)) for alert in world.engine.active_alerts()] == [
        ("env/clock", "site=A device=b1")
    ]
    world.raw(TOPIC, _body(0, 2))
    assert world.engine.active_alerts() == []


def test_each_time_is_an_episode_of_its_own_even_within_a_batch() -> None:
    world = World(OVERHEAT)
    bodies = [_body(at, seq) for seq, at in enumerate((3600, 1, 3600.5, 2))]
    decision = world.put(Messages(tuple(Arrival(TOPIC, body, world.now) for body in bodies)))
    assert [change.after.value for change in decision.transitions] == ["firing", "resolved"] * 2
    assert len({change.episode for change in decision.transitions}) == 2
    assert len({change.number for change in decision.transitions}) == 4


@pytest.mark.parametrize("kind", ["late", "duplicate", "without a time"])
def test_messages_that_say_nothing_of_the_clock_end_nothing(kind: str) -> None:
    world = World(OVERHEAT)
    world.send(5, temp=60)
    world.raw(TOPIC, _body(3600, 50))
    body = {"late": _body(1, 9), "duplicate": _body(5, 1), "without a time": b'{"boot": "x", "seq": 9}'}[kind]
    assert _told(world.raw(TOPIC, body)) == []


def test_a_message_that_is_delivered_again_does_not_flag_a_clock_that_was_set() -> None:
    world = World(OVERHEAT)
    ahead = _body(3600, 1)
    world.raw(TOPIC, ahead)
    world.raw(TOPIC, _body(1, 2))
    assert _told(world.raw(TOPIC, ahead)) == []


@pytest.mark.parametrize("other", [STREAM.replace("{device}/env", "{device}/other"), STREAM.replace("ts,", "time,")])
def test_with_its_stream_gone_or_changed_nobody_asks_any_more(other: str) -> None:
    world = World(OVERHEAT)
    world.raw(TOPIC, _body(3600, 1))
    decision = world.put(Reload({"rules.yaml": other + OVERHEAT}))
    assert _told(decision) == ["env/clock resolved: the stream was changed or removed"]


def test_what_a_rule_decides_is_not_changed_by_it() -> None:
    world = World(OVERHEAT)
    world.raw(TOPIC, _body(3600, 50).replace(b": 60}", b": 90}"))
    for at in (10, 20, 30):
        world.send(at, temp=90)
    assert world.history() == [
        "0 env/clock firing",
        "0 overheat pending",
        "10 env/clock resolved",
        "30 overheat firing",
    ]
