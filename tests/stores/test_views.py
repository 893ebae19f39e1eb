"""The read side of the store and of the history, against files made from their schemas."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from iotrules.history.views import HistoryView, history_path
from iotrules.model.decisions import AlertState
from iotrules.model.errors import ConfigError, StateError, UnavailableError
from iotrules.model.times import SECOND
from iotrules.stores.views import StoreView, Threshold
from tests.dashboard.seed import HOT, Seed, key_of


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    return Seed(tmp_path).create()


async def test_alerts_come_worst_first(seed: Seed) -> None:
    async with StoreView(seed.store) as view:
        active = await view.active_alerts()
        assert [(row.severity, row.state) for row in active] == [
            ("critical", "firing"), ("critical", "pending"), ("major", "firing"), ("major", "firing"),
            ("minor", "firing"), ("info", "firing"),
        ]  # fmt: skip
        assert len(await view.alerts()) == 9
        assert [row.device for row in await view.alerts(AlertState.PENDING)] == ["boiler-40"]
        assert [row.device for row in await view.resolved_alerts(2)] == ["boiler-07", "boiler-02"]
        assert len(await view.active_alerts(limit=3)) == 3


async def test_one_alert_by_rule_and_key(seed: Seed) -> None:
    async with StoreView(seed.store) as view:
        found = await view.alert("boiler-overheat", HOT)
        assert found is not None
        assert found.summary == "boiler-07 is at 91.2 °C"
        assert await view.alert("boiler-overheat", key_of("north", "nobody")) is None


async def test_transitions_by_key_and_rule_newest_first(seed: Seed) -> None:
    async with StoreView(seed.store) as view:
        of_key = await view.transitions(key=HOT)
        assert [row.rule for row in of_key] == ["boiler-overheat", "boiler-warm", "fan-check"]
        assert of_key[0].evidence["values"] == {"temp": 91.2}
        assert len(await view.transitions(rule="boiler-warm")) == 3
        assert len(await view.transitions(key=HOT, rule="boiler-warm")) == 1
        assert len(await view.transitions(limit=2)) == 2


async def test_commands_states_rules_and_totals(seed: Seed) -> None:
    seed.write(seed.store, "INSERT INTO counters VALUES (?,?,?)", [("received", "env", 7), ("received", "x", 1)])
    seed.write(seed.store, "INSERT INTO dead_letters VALUES (1,1,'t',?,1,'json','bad')", [(b"{",)])
    invocation = ("r1", "e1", "shutdown", HOT, "done", "", 5, 1, 90.5, 12.5, 13, 128, 40, "log")
    seed.write(seed.store, f"INSERT INTO invocations VALUES ({','.join('?' * 14)})", [invocation])
    async with StoreView(seed.store) as view:
        assert [row.state for row in await view.commands(key=HOT)] == ["succeeded", "timed out"]
        states = {row.key: row.body for row in await view.device_states()}
        assert states[HOT]["trips"] == 2
        rules = {rule.name: rule for rule in await view.rules()}
        assert rules["boiler-overheat"].thresholds == (Threshold("temp", ">", 85.0),)
        assert rules["sensor-silent"].thresholds == ()
        assert (await view.counters())["received", "env"] == 7
        assert [letter.payload for letter in await view.dead_letters()] == [b"{"]
        assert (await view.invocations())[0].cold is True
        totals = await view.totals()
        assert totals.active == {"critical": 2, "major": 2, "minor": 1, "info": 1}
        assert totals.alerts == {"firing": 5, "pending": 1, "resolved": 3}
        assert totals.commands == {"succeeded": 1, "timed out": 1}
        assert (totals.counters, totals.dead_letters, totals.cold_starts) == ({"received": 8}, 1, 1)
        assert await view.newest_input() is not None


async def test_a_commit_of_another_moves_the_mark(seed: Seed) -> None:
    async with StoreView(seed.store) as view:
        mark = await view.change_mark()
        assert await view.change_mark() == mark
        seed.beat(time.time_ns())
        assert await view.change_mark() != mark


async def test_readers_hold_nothing_and_cannot_write(seed: Seed) -> None:
    async with StoreView(seed.store) as view:
        await view.active_alerts()
        with closing(sqlite3.connect(seed.store)) as db:
            assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        with pytest.raises(UnavailableError, match="readonly"):
            await view.rows("DELETE FROM alerts")


async def test_missing_foreign_and_newer_stores_are_refused(tmp_path: Path, seed: Seed) -> None:
    with pytest.raises(ConfigError, match="start the engine"):
        await StoreView(tmp_path / "none.db").__aenter__()
    (tmp_path / "text.db").write_text("hello" * 1000)
    with pytest.raises(StateError, match="not a store"):
        await StoreView(tmp_path / "text.db").__aenter__()
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(StateError, match="names no version"):
        await StoreView(tmp_path / "other.db").__aenter__()
    seed.write(seed.store, "UPDATE meta SET value = ?", [("4",)])
    with pytest.raises(StateError, match="of version 4"):
        await StoreView(seed.store).__aenter__()


async def test_a_replaced_store_is_noticed(tmp_path: Path, seed: Seed) -> None:
    async with StoreView(seed.store) as view:
        assert view.is_current()
        seed.store.rename(tmp_path / "old.db")
        assert not view.is_current()
    with pytest.raises(UnavailableError, match="not open"):
        await view.active_alerts()


async def test_history_is_empty_until_its_file_appears(tmp_path: Path) -> None:
    async with HistoryView(history_path(tmp_path / "store.db")) as view:
        assert await view.latest() == []
        assert await view.samples(HOT, "temp") == []
        assert await view.interval("env") is None
        seed = Seed(tmp_path).create()
        assert len(await view.latest()) == 50
        seed.history.unlink()
        assert await view.latest() == []


async def test_a_history_without_tables_is_empty_for_now(tmp_path: Path) -> None:
    path = tmp_path / "store.db.history"
    path.touch()
    async with HistoryView(path) as view:
        assert await view.latest() == []
    path.write_text("hello" * 1000)
    async with HistoryView(path) as view:
        with pytest.raises(StateError, match="delete it"):
            await view.latest()


async def test_newest_samples_in_order_and_newest_readings(seed: Seed) -> None:
    async with HistoryView(seed.history) as view:
        samples = await view.samples(HOT, "temp", limit=3)
        assert len(samples) == 3
        assert samples == sorted(samples)
        assert samples[-1][1] == 91.2
        assert await view.samples(HOT, "temp", since=samples[-2][0]) == samples[-1:]
        newest = max(row.received for row in await view.latest())
        assert await view.latest(newest) == []
        assert {row.key for row in await view.latest(newest - 1)} >= {HOT}
        assert await view.interval("env") == SECOND
        assert await view.streams() == ["env"]
