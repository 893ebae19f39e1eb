"""Dead letters taken in once more: used now, known already, or still of no use."""

from __future__ import annotations

import json
from typing import Any

from iotrules.engine.decode import MAX_PAYLOAD
from iotrules.model.decisions import Decision
from iotrules.model.inputs import Discard, Letter, Reload, Replay
from iotrules.model.times import SECOND
from tests.engine.world import START, STREAM, World

HOT = "  hot: {from: env, when: temp > 85}\n"
OTHER = STREAM.replace("/env", "/climate")
TOPIC = "site/A/dev/b1/env"


def _payload(at: float, seq: int, **values: Any) -> bytes:
    return json.dumps({"ts": (START + round(at * SECOND)) // 10**6, "boot": "x", "seq": seq} | values).encode()


def _replay(world: World, *letters: tuple[int, bytes], topic: str = TOPIC) -> Decision:
    return world.put(Replay(tuple(Letter(number, topic, payload) for number, payload in letters), "anna"))


def test_of_a_stream_that_is_known_by_now_they_are_taken_in_order_and_fire() -> None:
    world = World(HOT, streams=OTHER)
    letters = [(1, _payload(0, 1, temp=20)), (2, _payload(10, 2, temp=90))]
    for _, payload in letters:
        (dead,) = world.raw(TOPIC, payload).dead_letters
        assert (dead.reason, dead.replayed) == ("unknown topic", 0)
    world.pass_time(60)
    world.put(Reload({"rules.yaml": STREAM + HOT}))
    decision = _replay(world, *letters)
    assert decision.letters_gone == [1, 2]
    assert decision.dead_letters == []
    assert (decision.counts["received", "replay"], decision.counts["applied", "env"]) == (2, 2)
    assert [change.rule for change in decision.transitions] == ["hot"]


def test_one_that_still_cannot_be_used_stays_with_its_newest_reason() -> None:
    world = World(HOT)
    (dead,) = _replay(world, (7, b"not json")).dead_letters
    assert (dead.replayed, dead.reason) == (7, "not JSON")
    assert world.decisions[-1].letters_gone == []


def test_one_that_came_in_the_meantime_changes_nothing_and_goes() -> None:
    world = World(HOT)
    world.send(0, temp=90)
    decision = _replay(world, (3, _payload(0, 1, temp=90)))
    assert (decision.letters_gone, decision.counts["duplicate", "env"]) == ([3], 1)
    assert decision.transitions == []


def test_one_that_is_too_late_stays_and_is_counted_once() -> None:
    world = World(HOT)
    world.send(60, temp=20)
    decision = _replay(world, (4, _payload(0, 9, temp=90)), (5, _payload(70, 10, temp=21)))
    assert [(letter.replayed, letter.reason) for letter in decision.dead_letters] == [(4, "late")]
    assert decision.letters_gone == [5]
    assert decision.counts.get(("late", "env"), 0) == 0


def test_one_of_which_only_the_beginning_was_kept_is_not_taken_for_the_whole() -> None:
    world = World(HOT)
    payload = _payload(0, 1, temp=90)
    padded = payload + b" " * (MAX_PAYLOAD - len(payload))
    (dead,) = _replay(world, (6, padded)).dead_letters
    assert (dead.replayed, dead.reason) == (6, "too large")


def test_thrown_away_they_are_gone_and_nothing_else_happens() -> None:
    world = World(HOT)
    decision = world.put(Discard((1, 2), "anna", "noise of the old gateway"))
    assert (decision.letters_gone, decision.counts["letters_dropped", ""]) == ([1, 2], 2)
    assert decision.changed
