"""The loop from end to end: a real store, real functions, the memory broker, and a clock that is moved by hand."""

from __future__ import annotations

import json
from pathlib import Path

from iotrules.history.views import HistoryView, history_path
from iotrules.stores.views import StoreView
from tests.runtime.world import World

TRIP = """
  overheat:
    from: env
    when: temp > 85
    severity: critical
    summary: "{device} is at {temp:.1f}"
    do:
      - invoke: trip
"""
HELD = """
  overheat: {from: env, when: temp > 85, for: 30s, do: [{command: shutdown}]}
"""
SILENT = """
  silent: {absent: env, for: 60s}
"""


def _invokes(function: str) -> str:
    return f"  overheat: {{from: env, when: temp > 85, do: [{{invoke: {function}}}]}}\n"


async def test_from_a_hot_message_to_a_stopped_machine_and_back(tmp_path: Path) -> None:
    world = World(tmp_path, TRIP)
    await world.listen()
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.commands)
        (command,) = world.commands
        assert (command["command"], command["args"]) == ("shutdown", {"trips": 1})
        assert command["reason"]["rule"] == "overheat"
        world.answer(command["id"], "acknowledged")
        world.answer(command["id"], "succeeded")
        world.send(10, temp=20)
        await world.until(lambda: world.states() == ["firing", "resolved"] and world.rows("SELECT 1 FROM commands"))
        await world.until(lambda: ("site/A/dev/b1/cmd", "done") in world.ledger())
        await world.until(lambda: world.history.kept == 2)
    assert world.ledger() == [("trip", "done"), ("site/A/dev/b1/cmd", "done")]
    assert world.remembered() == {"trips": 1}
    assert await world.unacknowledged() == []
    async with StoreView(world.path) as view:
        assert [(row.state, row.severity, row.summary) for row in await view.alerts()] == [
            ("resolved", "critical", "b1 is at 20.0")
        ]
        assert [(row.id, row.state) for row in await view.commands()] == [(command["id"], "succeeded")]
        (invocation,) = await view.invocations()
        assert (invocation.outcome, invocation.cold, invocation.billed_ms > 0) == ("done", True, True)
    async with HistoryView(history_path(world.path)) as history:
        key = json.dumps({"site": "A", "device": "b1"}, separators=(",", ":"))
        assert [value for _, value in await history.samples(key, "temp")] == [90.0, 20.0]


async def test_an_unknown_function_fails_at_once_and_says_what_there_is(tmp_path: Path) -> None:
    world = World(tmp_path, _invokes("nobody"))
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.ledger() == [("nobody", "failed")])
    assert world.rows("SELECT attempts, detail FROM ledger") == [
        (1, 'no function "nobody"; the template has: fail, huge, note, record, trip')
    ]


async def test_a_function_that_raises_is_tried_three_times_and_then_given_up(tmp_path: Path) -> None:
    world = World(tmp_path, "  overheat: {from: env, when: temp > 85, do: [{invoke: fail}, {invoke: trip}]}\n")
    await world.listen()
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: ("fail", "failed") in world.ledger())
    outcomes = world.rows("SELECT outcome, detail FROM invocations WHERE function = 'fail' ORDER BY outcome = 'failed'")
    assert [outcome for outcome, _ in outcomes] == ["pending", "pending", "failed"]
    assert world.rows("SELECT attempts, detail FROM ledger WHERE target = 'fail'") == [
        (3, "RuntimeError: out of oil (gave up after 3 attempts)")
    ]
    assert world.rows("SELECT total FROM counters WHERE label = 'fail: failed'") == [(1,)]
    assert (world.states(), len(world.commands)) == (["firing"], 1)


async def test_invocations_of_a_function_for_a_key_run_one_after_another_and_hold_up_no_other(tmp_path: Path) -> None:
    steps = "[{invoke: record}, {invoke: note}, {at: resolved, invoke: record}, {at: resolved, invoke: note}]"
    world = World(tmp_path, f"  overheat: {{from: env, when: temp > 85, do: {steps}}}\n")
    await world.listen()
    async with world.engine():
        world.send(0, temp=90)
        world.send(10, temp=20)
        await world.until(
            lambda: [body for topic, body in world.told if topic == "notes/note"] == ["firing", "resolved"]
        )
        assert world.ledger().count(("record", "pending")) == 2
        world.let_go()
        await world.until(lambda: ("notes/record", ["firing", "resolved"]) in world.told)
    assert [body for topic, body in world.told if topic == "notes/record"] == [["firing"], ["firing", "resolved"]]
    assert world.remembered() == {"log": ["firing", "resolved"]}
    assert world.count("state_conflicts") == 0  # that is: the second was not asked before the first had answered


async def test_an_answer_to_a_state_that_has_moved_is_asked_for_again(tmp_path: Path) -> None:
    world = World(tmp_path, "  overheat: {from: env, when: temp > 85, do: [{invoke: record}, {invoke: trip}]}\n")
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.remembered() == {"trips": 1})
        world.let_go()
        await world.until(lambda: ("record", "done") in world.ledger())
    assert world.remembered() == {"trips": 1, "log": ["firing"]}
    assert world.rows("SELECT label, total FROM counters WHERE counter = 'state_conflicts'") == [("record", 1)]
    assert world.rows("SELECT attempts FROM ledger WHERE target = 'record'") == [(2,)]


async def test_time_stands_still_while_the_broker_is_away(tmp_path: Path) -> None:
    """The sample that ends the hold was sent while we were cut off: it is read before wall clock fires the alert."""
    other = "  odd: {from: env, when: temp < 0, do: [{invoke: record}]}\n"
    world = World(tmp_path, HELD + other)
    async with world.engine():
        world.send(0, temp=90)
        world.send(0, "b2", temp=-1)
        await world.until(lambda: world.states() == ["pending"] and world.states("b2") == ["firing"])
        world.broker.available = False
        world.broker.drop_connection("engine")
        world.clock.move_to(60)
        world.let_go()
        await world.until(lambda: ("record", "done") in world.ledger())  # the loop goes round, cut off as it is
        assert world.states() == ["pending"]
        world.send(10, temp=20)
        world.broker.available = True
        await world.until(lambda: len(world.states()) > 1)
    assert world.states() == ["pending", "inactive"]


async def test_time_stands_still_until_the_backlog_is_read(tmp_path: Path) -> None:
    world = World(tmp_path, HELD)
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.states() == ["pending"])
    for at in (5, 10, 15):
        world.send(at, "b2", temp=20)
    world.send(20, temp=20)
    world.clock.move_to(60)
    async with world.engine(receive_maximum=1):
        await world.until(lambda: len(world.states()) > 1)
    assert world.states() == ["pending", "inactive"]


async def test_a_mark_of_an_earlier_connection_says_nothing_of_this_ones_backlog(tmp_path: Path) -> None:
    world = World(tmp_path, HELD)
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.states() == ["pending"])
    world.send(5, "b2", temp=20)
    world.store.before.clear()
    async with world.engine(receive_maximum=1):
        await world.until(lambda: world.store.waiting)
        world.broker.drop_connection("engine")
        for at in (6, 7, 8):
            world.send(at, "b2", temp=20)
        world.send(10, temp=20)
        world.clock.move_to(60)
        world.store.before.set()
        await world.until(lambda: len(world.states()) > 1)
    assert world.states() == ["pending", "inactive"]


async def test_time_goes_on_once_the_backlog_is_read(tmp_path: Path) -> None:
    world = World(tmp_path, HELD + SILENT)
    await world.listen()
    async with world.engine():
        world.send(0, temp=90)
        await world.until(lambda: world.states() == ["pending"])
    world.send(5, temp=90)
    async with world.engine(receive_maximum=1) as runtime:
        await world.until(lambda: world.count("applied") == 2)
        world.clock.move_to(31)
        runtime.wake()
        await world.until(lambda: world.commands)
        assert world.states() == ["pending", "firing"]
        world.clock.move_to(101)
        runtime.wake()
        await world.until(lambda: world.rows("SELECT 1 FROM alerts WHERE rule = 'silent' AND state = 'firing'"))


async def test_readings_reach_the_history_only_when_they_are_durable(tmp_path: Path) -> None:
    world = World(tmp_path, HELD)
    async with world.engine():
        world.store.before.clear()
        world.send(0, temp=90)
        await world.until(lambda: world.store.waiting)
        async with HistoryView(history_path(world.path)) as history:
            assert await history.latest() == []
        world.store.before.set()
        await world.until(lambda: world.history.kept)
        assert world.states() == ["pending"]
    async with HistoryView(history_path(world.path)) as history:
        assert [row.device for row in await history.latest()] == ["b1"]
