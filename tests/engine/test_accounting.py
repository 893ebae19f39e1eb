"""Every message becomes exactly one thing: received = applied + duplicate + late + dead-lettered + shed + waiting."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.accounting import OUTCOMES, check, difference
from iotrules.engine.bounds import Bounds
from iotrules.model.decisions import DeadLetter, Decision
from iotrules.model.inputs import Arrival, Letter, Messages, Reload, Replay, Shed
from iotrules.model.times import SECOND
from tests.engine.world import START, STREAM, World

HOT = "  hot: {from: env, when: temp > 85, do: [{command: stop, expires: 1h}]}\n"
LATE = STREAM.replace("ahead: 10s}", "ahead: 10s, late: 30s}")


def _totals(world: World) -> Counter[str]:
    found: Counter[str] = Counter()
    for decision in world.decisions:
        for (counter, _), count in decision.counts.items():
            found[counter] += count
        found["dead"] += len(decision.dead_letters)
    return found


def _balanced(world: World) -> Counter[str]:
    totals = _totals(world)
    assert totals["received"] == totals["dead"] + sum(totals[word] for word in OUTCOMES)
    assert totals["unaccounted"] == 0
    return totals


def test_every_way_that_a_message_can_go_is_counted_once() -> None:
    world = World(HOT)
    world.send(0, temp=90)
    world.send(10, temp=90)
    world.raw("site/A/dev/b1/env", json.dumps({"ts": (START + 10 * SECOND) // 10**6, "boot": "x", "seq": 2}).encode())
    world.raw("site/A/dev/b1/env", json.dumps({"ts": START // 10**6, "boot": "x", "seq": 9}).encode())
    world.raw("site/A/dev/b1/env", b"not json")
    world.raw("nobody/knows", b"{}")
    (command,) = world.sent()
    world.answer(command, "succeeded")
    world.answer(command, "succeeded")
    world.answer(command, "failed")
    world.put(Shed((("site/A/dev/b1/env", 3),)))
    totals = _balanced(world)
    assert totals["received"] == 12
    assert (totals["applied"], totals["duplicate"], totals["late"], totals["dead"], totals["shed"]) == (3, 2, 1, 3, 3)


def test_what_waits_for_older_ones_is_applied_later() -> None:
    world = World(HOT, streams=LATE)
    for at in (0, 10, 20):
        world.send(at, temp=20)
        _balanced(world)
    assert _totals(world)["waiting"] == 3
    world.pass_time(120)
    assert (_balanced(world)["applied"], _totals(world)["waiting"]) == (3, 0)


def test_what_waits_at_a_stream_that_goes_is_abandoned() -> None:
    world = World(HOT, streams=LATE)
    world.send(0, temp=20)
    world.put(Reload({"rules.yaml": LATE.replace("dev/{device}/env", "unit/{device}/env") + HOT}))
    assert (_balanced(world)["abandoned"], _totals(world)["waiting"]) == (1, 0)


def test_what_waits_at_a_key_that_makes_room_is_abandoned() -> None:
    class Small(World):
        bounds = Bounds(keys=2)

    world = Small(HOT, streams=LATE)
    for device in ("b1", "b2", "b3"):
        world.send(0, device=device, temp=20)
    assert _balanced(world)["abandoned"] == 1


@pytest.mark.parametrize("lost", [-1, 1])
def test_a_difference_is_counted_as_a_fault(lost: int) -> None:
    decision = Decision()
    decision.count("received", by=3)
    decision.count("applied", "env", by=2 - lost)
    decision.dead_letters.append(DeadLetter("t", b"", 0, "reason", ""))
    assert difference(decision) == lost
    check(decision)
    assert decision.counts["unaccounted", "lost" if lost > 0 else "invented"] == 1


_messages = st.lists(
    st.tuples(st.sampled_from(["env", "nobody", "ack"]), st.integers(-60, 60), st.integers(0, 12), st.booleans()),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(_messages, st.sampled_from([STREAM, LATE]), st.booleans())
def test_nothing_that_devices_send_is_unaccounted_for(sent: Any, streams: str, fused: bool) -> None:
    world = World(HOT, streams=streams, fused=fused)
    for step, (kind, at, seq, spoiled) in enumerate(sent):
        world.now = START + step * 5 * SECOND
        body = {"ts": (START + at * SECOND) // 10**6, "boot": "x", "seq": seq, "temp": 20 + seq}
        payload = b"{" if spoiled else json.dumps(body).encode()
        topic = {"env": "site/A/dev/b1/env", "nobody": "x/y", "ack": "site/A/dev/b1/cmd/ack"}[kind]
        decision = world.put(Messages((Arrival(topic, payload, world.now),)))
        letters = tuple(Letter(1, letter.topic, letter.payload) for letter in decision.dead_letters)
        if letters:
            world.put(Replay(letters, "anna"))
        world.pass_time(step * 5 + 5)
    _balanced(world)
