"""The store on SQLite: what was committed is there after a reopening, all of it and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from iotrules.model.decisions import Decision
from iotrules.model.errors import StateError
from iotrules.model.inputs import Arrival, FunctionUsage, Messages, Tick
from iotrules.model.times import SECOND
from iotrules.ports import Entry
from iotrules.stores.sqlite import SqliteStore
from iotrules.stores.views import StoreView
from tests.engine.world import START
from tests.stores.entries import Author, contents, filled, recovered, rows

USAGE = FunctionUsage("r1", True, 12.5, 80.25, 93, 128, 40, "a log")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "store.db"


@pytest_asyncio.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    await store.open()
    yield store
    await store.close()


async def test_a_new_store_is_empty(path: Path) -> None:
    held = await recovered(path)
    assert (held.snapshot, list(held.entries), held.sequence, list(held.pending)) == ({}, [], 0, [])


async def test_a_reopened_store_gives_the_journal_back(path: Path) -> None:
    entries = await filled(path)
    held = await recovered(path)
    assert list(held.entries) == [(entry.sequence, entry.now, entry.value) for entry in entries]
    assert held.sequence == entries[-1].sequence


async def test_pending_effects_come_back_in_the_order_in_which_they_were_decided(path: Path) -> None:
    entries = await filled(path)
    emitted = [effect for entry in entries for effect in entry.decision.effects]
    assert [type(effect).__name__ for effect in emitted] == ["Invoke", "SendCommand"] * 3
    pending = (await recovered(path)).pending
    assert [row.effect for row in pending] == emitted
    assert [(row.attempts, row.next_try) for row in pending[::2]] == [(0, entry.now) for entry in entries[1:]]


async def test_the_engine_made_from_a_store_goes_on_as_the_one_that_wrote_it(path: Path) -> None:
    author, follower = Author(), Author()
    store = SqliteStore(path)
    await store.open()
    await store.commit([author.begin()], author.engine.rules)
    await store.commit([author.message(temp=90)], author.engine.rules)
    await store.snapshot(author.sequence, author.engine.take_snapshot())
    await store.commit([author.message(temp=91)], author.engine.rules)
    await store.close()
    follower.follow(await recovered(path))
    theirs, ours = follower.message(temp=20), author.message(temp=20)
    assert theirs == ours
    assert [change.after.value for change in ours.decision.transitions] == ["resolved"]


async def test_a_retry_counts_and_says_when_next(path: Path, store: SqliteStore) -> None:
    author = Author()
    fired = [author.begin(), author.message(temp=90)]
    await store.commit(fired, author.engine.rules)
    invoke, command = fired[1].decision.effects
    for attempt in (1, 2):
        receipt = author.receipt(invoke.id, "retry", detail="boom", next_try=attempt * SECOND, usage=USAGE)
        await store.commit([receipt], author.engine.rules)
    await store.close()
    pending = (await recovered(path)).pending
    assert [(row.effect.id, row.attempts, row.next_try) for row in pending] == [
        (invoke.id, 2, 2 * SECOND),
        (command.id, 0, fired[1].now),
    ]
    assert rows(path, "SELECT detail FROM ledger WHERE id = ?", invoke.id) == [("boom",)]


async def test_a_settled_effect_is_not_pending_and_leaves_its_account(path: Path, store: SqliteStore) -> None:
    author = Author()
    fired = [author.begin(), author.message(temp=90)]
    await store.commit(fired, author.engine.rules)
    invoke, command = fired[1].decision.effects
    answer = json.dumps({"state": {"trips": 1}, "publish": [{"topic": "t", "payload": 1}]}).encode()
    settled = author.receipt(invoke.id, answer=answer, usage=USAGE)
    await store.commit([settled, author.receipt(command.id)], author.engine.rules)
    await store.close()
    (message,) = settled.decision.effects
    assert [row.effect for row in (await recovered(path)).pending] == [message]
    async with StoreView(path) as view:
        (invocation,) = await view.invocations()
        assert (invocation.effect, invocation.outcome, invocation.cold, invocation.log_tail) == (
            invoke.id, "done", True, "a log",
        )  # fmt: skip
        assert [(row.state, row.device) for row in await view.commands()] == [("sent", "b1")]
        assert [(row.version, row.body) for row in await view.device_states()] == [(1, {"trips": 1})]


async def test_people_see_what_was_decided(path: Path) -> None:
    entries = await filled(path)
    async with StoreView(path) as view:
        alerts = await view.active_alerts()
        assert {(row.device, row.state, row.severity, row.summary) for row in alerts} == {
            (f"b{n}", "firing", "critical", f"b{n} is at 90.0") for n in (1, 2, 3)
        }
        newest = (await view.transitions())[0]
        assert (newest.sequence, newest.decided) == (entries[-1].sequence, entries[-1].now)
        assert newest.evidence["values"] == {"temp": 90.0}
        assert [rule.name for rule in await view.rules()] == ["overheat"]
        assert (await view.counters())["received", ""] == 3
        assert await view.newest_input() == entries[-1].now


async def test_a_dead_letter_is_kept_as_it_came(path: Path, store: SqliteStore) -> None:
    author = Author()
    await store.commit([author.begin()], author.engine.rules)
    arrival = Arrival("site/A/dev/b1/env", b"\xff\x00{", START)
    await store.commit([author.decide(Messages((arrival,)))], author.engine.rules)
    async with StoreView(path) as view:
        (letter,) = await view.dead_letters()
        assert (letter.sequence, letter.topic, letter.payload) == (2, arrival.topic, arrival.payload)
        assert (letter.received, letter.reason) == (START, "not JSON")
        assert (await view.counters())["dead_letters", "not JSON"] == 1


async def test_a_snapshot_takes_the_place_of_the_journal_behind_it(path: Path, store: SqliteStore) -> None:
    author = Author()
    entries = [author.begin(), author.message(temp=90), author.message(temp=91)]
    await store.commit(entries[:2], author.engine.rules)
    await store.snapshot(2, {"a": b"1", "b": b"2"})
    await store.commit(entries[2:], author.engine.rules)
    await store.tidy(author.now)
    await store.close()
    held = await recovered(path)
    assert held.snapshot == {"a": b"1", "b": b"2"}
    assert [sequence for sequence, _, _ in held.entries] == [3]
    assert rows(path, "SELECT sequence FROM journal") == [(3,)]
    assert held.sequence == 3
    assert len(held.pending) == 2


async def test_a_snapshot_replaces_changed_parts_and_drops_those_that_are_gone(path: Path, store: SqliteStore) -> None:
    author = Author()
    await store.commit([author.begin(), author.message(temp=90)], author.engine.rules)
    await store.snapshot(1, {"a": b"1", "b": b"2", "c": b"3"})
    await store.snapshot(2, {"a": b"one", "b": None, "never": None})
    await store.close()
    held = await recovered(path)
    assert held.snapshot == {"a": b"one", "c": b"3"}
    assert (list(held.entries), held.sequence) == ([], 2)


async def test_a_snapshot_behind_the_journals_end_keeps_the_chain(path: Path, store: SqliteStore) -> None:
    author = Author()
    await store.commit([author.begin(), *(author.message(temp=90) for _ in range(4))], author.engine.rules)
    await store.snapshot(3, {"a": b"1"})
    await store.snapshot(3, {"a": b"2"})
    await store.close()
    held = await recovered(path)
    assert [sequence for sequence, _, _ in held.entries] == [4, 5]
    assert held.snapshot == {"a": b"2"}


async def test_a_store_can_be_opened_again_while_it_is_open(store: SqliteStore) -> None:
    author = Author()
    first = author.begin()
    await store.commit([first], author.engine.rules)
    assert (await store.open()).sequence == 1
    await store.commit([author.message(temp=90)], author.engine.rules)
    assert (await store.open()).sequence == 2


async def test_the_rules_in_use_are_replaced_as_a_whole(path: Path, store: SqliteStore) -> None:
    author = Author()
    await store.commit([author.begin()], author.engine.rules)
    other = Author("  cold: {from: env, when: temp < 0}\n")
    other.sequence = author.sequence
    await store.commit([other.begin()], other.engine.rules)
    assert rows(path, "SELECT name, condition, severity FROM rules") == [("cold", "temp < 0", "minor")]


async def test_a_commit_that_breaks_a_promise_is_refused_and_leaves_nothing(path: Path, store: SqliteStore) -> None:
    author = Author()
    entries = [author.begin(), author.message(temp=90)]
    await store.commit(entries, author.engine.rules)
    before = contents(path)
    new = author.message("b2", temp=90)
    with pytest.raises(StateError, match="UNIQUE"):
        await store.commit([new, entries[1]], author.engine.rules)
    assert contents(path) == before
    await store.commit([new], author.engine.rules)
    await store.close()
    assert (await recovered(path)).sequence == 3


async def test_a_store_that_is_not_open_says_so(path: Path) -> None:
    with pytest.raises(StateError, match="not open"):
        await SqliteStore(path).commit([Entry(1, 1, Tick(), Decision())], Author().engine.rules)


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_cancelled_commit_is_there_whole_or_not_at_all(path: Path, store: SqliteStore, turns: int) -> None:
    author = Author()
    await store.commit([author.begin()], author.engine.rules)
    entries = [author.message(f"b{n}", temp=90) for n in range(3)]
    task = asyncio.create_task(store.commit(entries, author.engine.rules))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    held = await store.open()
    author.follow(held)
    assert (held.sequence, len(held.pending)) in {(1, 0), (4, 6)}
    await store.commit([author.message("b9", temp=90)], author.engine.rules)
    await store.close()
    again = await recovered(path)
    assert (again.sequence, len(again.pending)) == (held.sequence + 1, len(held.pending) + 2)


async def test_a_cancelled_commit_does_not_confuse_the_next(path: Path, store: SqliteStore) -> None:
    author = Author()
    await store.commit([author.begin()], author.engine.rules)
    task = asyncio.create_task(store.commit([author.message(temp=90)], author.engine.rules))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.commit([author.message(temp=91)], author.engine.rules)
    await store.close()
    assert (await recovered(path)).sequence == 3


async def test_a_snapshot_that_is_cancelled_is_there_whole_or_not_at_all(path: Path, store: SqliteStore) -> None:
    author = Author()
    await store.commit([author.begin(), author.message(temp=90)], author.engine.rules)
    task = asyncio.create_task(store.snapshot(2, {str(n): b"x" for n in range(100)}))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()
    held = await recovered(path)
    assert (len(held.snapshot), len(held.entries)) in {(0, 2), (100, 0)}
