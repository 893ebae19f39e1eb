"""What a store that fails and an engine that ends may cost: time, but no message, no effect, and none of them twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from iotrules.model.errors import StateError, UnavailableError
from iotrules.runtime.housekeeping import Pace
from tests.runtime.test_loop import HELD, TRIP
from tests.runtime.world import World


async def test_nothing_is_acknowledged_or_delivered_before_it_is_durable(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    await world.listen()
    async with world.engine():
        world.store.before.clear()
        world.send(0, temp=90)
        await world.until(lambda: world.store.waiting)
        await world.crash()
    assert await world.unacknowledged() == ["site/A/dev/b1/env"]
    assert (world.states(), world.ledger(), world.told) == ([], [], [])


async def test_a_store_that_fails_for_a_while_delays_everything_and_loses_and_doubles_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    await world.listen()
    async with world.engine():
        world.store.fail_next = 2
        world.send(0, temp=90)
        await world.until(lambda: world.store.failures == 1)
        assert (world.states(), world.told) == ([], [])
        world.send(5, "b2", temp=90)
        await world.until(lambda: world.store.failures == 2)
        await world.until(lambda: len(world.commands) == 2)
        await world.until(lambda: world.all_done(4))
    assert (world.states("b1"), world.states("b2")) == (["firing"], ["firing"])
    assert len({command["id"] for command in world.commands}) == len(world.commands) == 2
    assert len(world.rows("SELECT 1 FROM invocations")) == 2
    assert await world.unacknowledged() == []


async def test_a_receipt_that_could_not_be_stored_is_stored_later(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    await world.listen()
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.rows("SELECT 1 FROM transitions"))
        world.store.fail_next = 1
        await world.until(lambda: world.all_done(2))
    assert world.store.failures == 1
    assert (len(world.commands), world.remembered()) == (1, {"trips": 1})


async def test_an_engine_that_cannot_commit_can_still_be_stopped(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    async with world.engine() as runtime:
        world.store.fail_next = 1000
        world.send(0, temp=90)
        await world.until(lambda: world.store.failures)
        runtime.stop()
        assert isinstance(await world.failure(), UnavailableError)
    assert await world.unacknowledged() == ["site/A/dev/b1/env"]


async def test_an_engine_that_ends_between_commit_and_acknowledgement_raises_no_alert_twice(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    await world.listen()
    async with world.engine():
        world.store.after.clear()
        world.send(0, temp=90)
        await world.until(lambda: world.store.waiting)
        assert world.states() == ["firing"]
        await world.crash()
    world.store.after.set()
    async with world.engine():
        await world.until(lambda: world.count("duplicate"))
        await world.until(lambda: world.all_done(2))
    assert (world.states(), len(world.commands)) == (["firing"], 1)


@pytest.mark.parametrize("end", ["stopped", "crashed"])
async def test_what_was_pending_is_delivered_by_the_next_engine(tmp_path: Path, end: str) -> None:
    world = World(tmp_path, TRIP.replace("invoke: trip", "invoke: record"))
    await world.listen()
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.ledger() == [("record", "pending")])
        if end == "crashed":
            await world.crash()
    world.let_go()
    async with world.engine():
        world.send(5, temp=91)
        await world.until(lambda: world.all_done(2))
    assert (world.states(), world.told) == (["firing"], [("notes/record", ["firing"])])


async def test_what_a_function_remembers_outlives_the_engine(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    await world.listen()
    for episode in (1, 2):
        async with world.engine():
            world.send(episode * 10, temp=90)
            world.send(episode * 10 + 5, temp=20)
            await world.until(lambda: len(world.commands) == episode)  # noqa: B023  # looked at within this turn
            await world.until(lambda: len(world.states()) == 2 * episode)  # noqa: B023  # here too
            await world.until(lambda: world.all_done(2 * episode))  # noqa: B023  # else it is sent again, with its id
    assert [command["args"] for command in world.commands] == [{"trips": 1}, {"trips": 2}]
    assert world.states() == ["firing", "resolved"] * 2


async def test_a_hold_goes_on_where_the_engine_ended(tmp_path: Path) -> None:
    world = World(tmp_path, HELD)
    async with world.engine():
        world.send(0, temp=90)
        world.send(10, temp=90)
        await world.until(lambda: world.states() == ["pending"])
        await world.crash()
    async with world.engine():
        world.send(20, temp=90)
        world.send(30, temp=90)
        await world.until(lambda: world.states() == ["pending", "firing"])
    assert world.rows("SELECT (MAX(at) - MIN(at)) / 1000000000 FROM transitions") == [(30,)]


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (TRIP.replace("85", "80"), "the rule's condition was changed"),
        ("  other: {from: env, when: temp > 200}\n", "the rule was removed"),
    ],
)
async def test_rules_that_changed_while_no_engine_ran_end_their_alerts(tmp_path: Path, rules: str, reason: str) -> None:
    world = World(tmp_path, TRIP)
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.states() == ["firing"])
    async with world.engine(rules=rules):
        assert world.states() == ["firing", "resolved"]
    assert world.rows("SELECT reason FROM alerts") == [(reason,)]


async def test_words_that_changed_while_no_engine_ran_keep_the_alert(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.states() == ["firing"])
    async with world.engine(rules=TRIP.replace("is at", "has")):
        world.send(10, temp=20)
        await world.until(lambda: world.states() == ["firing", "resolved"])
    assert world.rows("SELECT summary FROM alerts") == [("b1 has 20.0",)]


async def test_an_engine_goes_on_from_a_snapshot(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    world.pace = Pace(every=3)
    await world.listen()
    for at in (0, 10):
        async with world.engine():
            world.send(at, temp=90)
            await world.until(lambda: world.rows("SELECT 1 FROM meta WHERE name = 'snapshot_sequence'"))
            await world.until(lambda: world.all_done(2))
    assert (world.states(), len(world.commands), world.remembered()) == (["firing"], 1, {"trips": 1})


async def test_a_damaged_store_ends_the_engine_before_it_begins(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.states() == ["firing"])
    world.change("UPDATE journal SET now = now + 1 WHERE sequence = 2")
    with pytest.raises(StateError, match="damaged at sequence 2"):
        async with world.engine():
            pass


async def test_a_store_whose_snapshot_cannot_be_read_is_refused_and_let_go(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    world.pace = Pace(every=1)
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.states() == ["firing"])
    world.change("UPDATE snapshot SET body = x'c1'")
    closed = world.store.closed
    with pytest.raises(StateError, match="snapshot"):
        async with world.engine():
            pass
    let_go = world.store.closed > closed
    await world.store.close()
    assert let_go


async def test_state_that_cannot_be_stored_fails_the_invocation(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP.replace("trip", "huge"))
    world.pace = Pace(every=1)
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: ("huge", "failed") in world.ledger())
    assert world.ledger() == [("huge", "failed")]


async def test_a_clock_that_was_set_back_does_not_hold_up_what_is_pending(tmp_path: Path) -> None:
    """It was a day ahead when the effect was decided and first tried, and is right when the next engine starts."""
    world = World(tmp_path, TRIP.replace("invoke: trip", "invoke: fail"))
    world.clock.move_to(86_400)
    async with world.engine():
        world.send(86_400, temp=90)
        await world.until(lambda: world.rows("SELECT 1 FROM ledger WHERE attempts = 1"))
        await world.crash()
    world.clock.move_to(0)
    async with world.engine():
        await world.until(lambda: world.ledger() == [("fail", "failed")])
    assert world.rows("SELECT attempts FROM ledger") == [(3,)]


async def test_a_command_that_could_not_be_sent_before_it_expired_is_never_sent(tmp_path: Path) -> None:
    world = World(tmp_path, "  overheat: {from: env, when: temp > 85, do: [{command: shutdown, expires: 1m}]}\n")
    await world.listen()
    async with world.engine():
        world.store.after.clear()
        world.send(0, temp=90)
        await world.until(lambda: world.store.waiting)
        await world.crash()
    world.store.after.set()
    world.clock.move_to(120)
    async with world.engine():
        await world.until(lambda: world.ledger() == [("site/A/dev/b1/cmd", "failed")])
    assert (world.commands, world.rows("SELECT state FROM commands")) == ([], [("expired",)])
