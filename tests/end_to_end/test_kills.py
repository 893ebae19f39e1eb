"""kill -9 of the engine at random moments: nothing acknowledged is lost, and no command is carried out twice.

What was sent and what was carried out is read from the simulator's own record, never from the engine.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.processes import (
    PLANT,
    Running,
    engine_arguments,
    journal,
    query,
    running,
    total,
    wait_until,
)
from tests.mosquitto import running_mosquitto
from tests.transports.proxy import Proxy

KILLS = 20
READY = '"event": "ready"'
BROKER = "allow_anonymous true\nmax_queued_messages 100000\nmax_inflight_messages 1000\n"


@pytest.mark.timeout(240)
def test_twenty_kills_lose_nothing_and_repeat_no_command(tmp_path: Path) -> None:
    moments = random.Random(20)
    store, record = tmp_path / "store.db", tmp_path / "fleet.jsonl"
    with running_mosquitto(BROKER) as broker:
        engine = Running(engine_arguments(broker.url, store), tmp_path / "engine.log")
        try:
            engine.wait_for(READY)
            fleet_arguments = ["sim", str(PLANT / "fleet.yaml"), "--broker", broker.url, "--no-host"]
            with running([*fleet_arguments, "--journal", str(record)], tmp_path / "fleet.log") as fleet:
                fleet.wait_for("published")
                for _ in range(KILLS):
                    engine = _kill_and_restart(engine, broker.url, store, moments)
                _wait_for_loops(store, engine)
                assert fleet.end() == 0, fleet.said()
            _wait_until_quiet(store, record, engine)
            assert engine.end() == 0, engine.said()
        finally:
            engine.kill()
    _check_messages(store, record)
    _check_commands(store, record)
    _check_alerts(store)


@pytest.mark.timeout(180)
async def test_what_was_decided_but_not_acknowledged_is_known_when_it_comes_again(tmp_path: Path) -> None:
    """The broker hears no acknowledgement for a while, then the engine is killed: all of it is sent again."""
    store, record = tmp_path / "store.db", tmp_path / "fleet.jsonl"
    with running_mosquitto(BROKER) as broker:
        async with Proxy(broker.port) as proxy:
            arguments = engine_arguments(f"mqtt://127.0.0.1:{proxy.port}", store)
            engine = Running(arguments, tmp_path / "engine.log")
            try:
                await asyncio.to_thread(engine.wait_for, READY)
                fleet_arguments = ["sim", str(PLANT / "fleet.yaml"), "--broker", broker.url, "--no-host"]
                with running([*fleet_arguments, "--journal", str(record)], tmp_path / "fleet.log") as fleet:
                    for _ in range(3):
                        await asyncio.to_thread(_wait_for_more, store, 60, engine)
                        proxy.deaf = True
                        await asyncio.to_thread(_wait_for_more, store, 40, engine)
                        engine.kill()
                        proxy.deaf = False
                        engine = Running(arguments, engine.log)
                        await asyncio.to_thread(engine.wait_for, READY)
                    assert await asyncio.to_thread(fleet.end) == 0, fleet.said()
                await asyncio.to_thread(_wait_until_quiet, store, record, engine)
                assert await asyncio.to_thread(engine.end) == 0, engine.said()
            finally:
                engine.kill()
    assert total(store, "duplicate", "env") >= 3 * 40
    _check_messages(store, record)
    _check_commands(store, record)
    _check_alerts(store)


def _wait_for_more(store: Path, messages: int, engine: Running) -> None:
    before = total(store, "applied", "env")
    wait_until(lambda: total(store, "applied", "env") >= before + messages, 40, engine.said)


def _kill_and_restart(engine: Running, broker: str, store: Path, moments: random.Random) -> Running:
    """Kill it some work later: after a random number of further journal rows, wherever it is then."""
    before = _sequence(store)
    further = moments.randrange(1, 60)
    wait_until(lambda: _sequence(store) >= before + further, 30, engine.said)
    engine.kill()
    again = Running(engine_arguments(broker, store), engine.log)
    again.wait_for(READY)
    return again


def _sequence(store: Path) -> int:
    ((newest,),) = query(
        store,
        "SELECT max(coalesce((SELECT max(sequence) FROM journal), 0),"
        " coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'snapshot_sequence'), 0))",
    ) or [(0,)]
    return int(newest)


def _wait_for_loops(store: Path, engine: Running) -> None:
    """Let the last engine see a closed loop of its own."""
    done = "SELECT count(*) FROM commands WHERE state = 'succeeded'"
    ((before,),) = query(store, done)
    wait_until(lambda: query(store, done)[0][0] >= before + 4, 60, engine.said)


def _wait_until_quiet(store: Path, record: Path, engine: Running) -> None:
    """All that was sent has been decided on, and no invocation is under way."""
    sent = len({(line["topic"], line["boot"], line["seq"]) for line in _published(record)})

    def quiet() -> bool:
        seen = total(store, "applied", "env") + total(store, "late", "env") + total(store, "dead_letters")
        ((pending,),) = query(store, "SELECT count(*) FROM ledger WHERE state = 'pending'")
        return seen >= sent and pending == 0

    wait_until(quiet, 30, lambda: f"{sent} sent\n{query(store, 'SELECT * FROM counters')}\n{engine.said()[-2000:]}")


def _published(record: Path) -> list[dict[str, Any]]:
    return [line for line in journal(record) if line["event"] == "published"]


def _check_messages(store: Path, record: Path) -> None:
    sent = {(line["topic"], line["boot"], line["seq"], line.get("bad", False)) for line in _published(record)}
    good = sum(not bad for *_, bad in sent)
    assert good > 300
    assert total(store, "applied", "env") == good
    assert total(store, "late", "env") == 0
    assert query(store, "SELECT count(DISTINCT payload) > 0 FROM dead_letters") == [(1,)]
    received = total(store, "received")
    accounted = sum(total(store, word) for word in ("applied", "late", "duplicate", "dead_letters"))
    assert received == accounted


def _check_commands(store: Path, record: Path) -> None:
    executed = Counter((line["device"], line["id"]) for line in journal(record) if line["event"] == "executed")
    assert len(executed) > 5
    assert max(executed.values()) == 1
    known = dict(query(store, "SELECT id, device FROM commands"))
    assert {name: device for device, name in executed}.items() <= known.items()
    succeeded = {name for (name,) in query(store, "SELECT id FROM commands WHERE state = 'succeeded'")}
    assert succeeded <= {name for _, name in executed}
    per_step = query(store, "SELECT count(*) FROM commands GROUP BY key, rule, episode, name HAVING count(*) > 1")
    assert per_step == []  # no episode asks twice for the same


def _check_alerts(store: Path) -> None:
    """Each episode fired once and resolved at most once; the function counted each once."""
    twice = "SELECT 1 FROM transitions WHERE after IN ('firing', 'resolved') GROUP BY rule, key, episode, after"
    assert query(store, f"{twice} HAVING count(*) > 1") == []
    fired = dict(
        query(store, "SELECT key, count(*) FROM transitions WHERE rule = 'overheat' AND after = 'firing' GROUP BY key")
    )
    trips = dict(query(store, "SELECT key, json_extract(body, '$.trips') FROM device_state"))
    assert trips == fired
