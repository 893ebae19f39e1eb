"""Two engines on one store, or with one client id: one is active, and nothing is done twice or lost at a takeover.

What was sent and what was carried out is read from the simulator's own record, never from an engine. TAKEOVERS=20
repeats each takeover so often; without it a few have to do.
"""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from iotrules.stores.lockfile import process_state
from tests.end_to_end.processes import PLANT, Running, engine_arguments, query, running, total, wait_until
from tests.end_to_end.test_kills import (
    BROKER,
    READY,
    _check_alerts,
    _check_commands,
    _check_messages,
    _wait_until_quiet,
)
from tests.mosquitto import running_mosquitto

LIMIT = 10.0
"""Seconds within which the standby must be active."""

OFTEN = int(os.environ.get("TAKEOVERS", "0"))


class Pair:
    """Two engines on one store, with one client id; `active` and `standby` change places at each takeover."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.store = folder / "store.db"
        self._arguments = [*engine_arguments(broker, self.store), "--standby"]
        self._folder = folder
        self._count = 0
        self.took: list[float] = []
        self.active = self._start()
        self.active.wait_for(READY)
        self.standby = self._waiting()

    def _start(self) -> Running:
        self._count += 1
        return Running(self._arguments, self._folder / f"engine-{self._count}.log")

    def _waiting(self) -> Running:
        engine = self._start()
        engine.wait_for(f"(pid {self.active.process.pid} on ")
        return engine

    def take_over(self, number: signal.Signals) -> Running:
        """Send the active one a signal; returns it once the standby is active and another one waits."""
        began = time.monotonic()
        self.active.process.send_signal(number)
        self.standby.wait_for(READY)
        self.took.append(time.monotonic() - began)
        assert self.took[-1] < LIMIT, self.standby.said()
        before, self.active = self.active, self.standby
        if number is not signal.SIGSTOP:
            before.process.wait(10)
        self.standby = self._waiting()
        return before

    def end(self) -> None:
        for engine in (self.standby, self.active):
            assert engine.end() == 0, engine.said()

    def kill(self) -> None:
        for engine in (self.standby, self.active):
            engine.kill()


@contextmanager
def _plant(folder: Path) -> Iterator[Pair]:
    """A pair, a broker and a fleet; at the end everything is judged by the fleet's record."""
    record = folder / "fleet.jsonl"
    with running_mosquitto(BROKER) as broker:
        pair = Pair(broker.url, folder)
        try:
            arguments = [
                "sim",
                str(PLANT / "fleet.yaml"),
                "--broker",
                broker.url,
                "--no-host",
                "--journal",
                str(record),
            ]
            with running(arguments, folder / "fleet.log") as fleet:
                fleet.wait_for("published")
                yield pair
                wait_until(lambda: total(pair.store, "applied", "env") > 400, 60, pair.active.said)
                assert fleet.end() == 0, fleet.said()
            _wait_until_quiet(pair.store, record, pair.active)
            pair.end()
        finally:
            pair.kill()
    _check_messages(pair.store, record)
    _check_commands(pair.store, record)
    _check_alerts(pair.store)


def _wait_for_work(pair: Pair) -> None:
    before = total(pair.store, "applied", "env")
    wait_until(lambda: total(pair.store, "applied", "env") > before + 30, 30, pair.active.said)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("number", "how"), [(signal.SIGKILL, "died"), (signal.SIGTERM, "ended")])
def test_a_standby_takes_over_from_one_that_ends_or_is_killed(tmp_path: Path, number: signal.Signals, how: str) -> None:
    with _plant(tmp_path) as pair:
        for epoch in range(2, 2 + (OFTEN or 4)):
            _wait_for_work(pair)
            pair.take_over(number)
            assert f'"epoch": {epoch}' in pair.active.said()
            assert _metrics(pair.active)["iotrules_takeovers_total", f'how="{how}"'] == 1
        print(how, _times(pair))
    assert sorted(pair.took)[len(pair.took) // 2] < LIMIT / 4  # nobody waits for the lease to run out


@pytest.mark.timeout(900)
def test_a_standby_takes_over_from_one_that_is_stopped_which_then_does_nothing_any_more(tmp_path: Path) -> None:
    with _plant(tmp_path) as pair:
        for _ in range(OFTEN or 3):
            _wait_for_work(pair)
            before = pair.take_over(signal.SIGSTOP)
            if process_state(before.process.pid)[0] != "T":  # it had the store locked, so it was ended
                assert before.process.wait(10) == -signal.SIGKILL
                assert "stopped in the middle of a commit" in pair.active.said()
                continue
            _wait_for_work(pair)
            before.process.send_signal(signal.SIGCONT)
            assert before.process.wait(LIMIT) == 4, before.said()
            assert "error: another engine has taken over the store" in before.said()
            _wait_for_work(pair)
        print("stopped", _times(pair))


def test_an_active_engine_and_one_that_waits_say_so(tmp_path: Path) -> None:
    with running_mosquitto(BROKER) as broker:
        pair = Pair(broker.url, tmp_path)
        try:
            assert _metrics(pair.active)["iotrules_active", ""] == 1
            assert '"standby: waiting for the engine that is active"' in pair.standby.said()
            with running(engine_arguments(broker.url, pair.store), tmp_path / "third.log") as third:
                assert third.process.wait(20) == 4
            assert re.search(
                rf"store \S+ is in use by another engine: engine-under-test \(pid {pair.active.process.pid} on \S+, "
                r"since \S+Z\); stop that one, wait for it with --standby",
                third.said(),
            )
            pair.standby.process.send_signal(signal.SIGHUP)
            pair.standby.wait_for("rules are read when this engine becomes active")
            pair.end()
        finally:
            pair.kill()


def test_rule_files_that_are_broken_at_a_takeover_leave_the_rules_of_the_engine_before(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text((PLANT / "rules.yaml").read_text())
    arguments = [*engine_arguments("", tmp_path / "store.db", rules=rules), "--standby"]
    with running_mosquitto(BROKER) as broker:
        arguments[arguments.index("--broker") + 1] = broker.url
        with ExitStack() as engines:
            first = engines.enter_context(running(arguments, tmp_path / "first.log"))
            first.wait_for(READY)
            second = engines.enter_context(running(arguments, tmp_path / "second.log"))
            second.wait_for("standby: waiting")
            rules.write_text("rules: {broken: {from: nowhere}}\n")
            first.kill()
            said = second.wait_for(READY)
            assert "going on with the rules of the engine before" in said
            assert '"rules": 2' in said
            assert second.end() == 0
    assert query(tmp_path / "store.db", "SELECT name FROM rules ORDER BY name") == [("overheat",), ("warm",)]


@pytest.mark.timeout(900)
def test_of_two_engines_with_one_client_id_and_two_stores_one_ends_and_says_why(tmp_path: Path) -> None:
    """This mosquitto gives no reason when it closes the connection of the one whose id is taken."""
    with running_mosquitto(BROKER) as broker:
        left = Running(engine_arguments(broker.url, tmp_path / "0.db"), tmp_path / "0.log")
        left.wait_for(READY)
        try:
            for number in range(1, 1 + (OFTEN or 1)):
                other = Running(engine_arguments(broker.url, tmp_path / f"{number}.db"), tmp_path / f"{number}.log")
                left = _one_of(left, other)
            assert left.end() == 0, left.said()
        finally:
            left.kill()
            other.kill()


def _one_of(first: Running, second: Running) -> Running:
    """The one that stays, once the other has ended with the reason."""
    wait_until(lambda: _has_ended(first) or _has_ended(second), 60, first.said)
    gone, left = (first, second) if _has_ended(first) else (second, first)
    assert gone.process.returncode == 4, gone.said()
    assert "another client" in gone.said()
    assert "give each its own client id (--name)" in gone.said()
    wait_until(lambda: "connected to the broker" in left.said().rstrip().split("\n")[-1], 20, left.said)
    assert not _has_ended(left)
    return left


def _has_ended(engine: Running) -> bool:
    return engine.process.poll() is not None


def _metrics(engine: Running) -> dict[tuple[str, str], float]:
    """What /metrics of an active engine says: (name, labels) → value."""
    (address,) = re.findall(r'"metrics": "(http\S+)"', engine.said())
    with urllib.request.urlopen(address, timeout=10) as answer:
        lines = answer.read().decode().split("\n")
    found = re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", "\n".join(lines), re.MULTILINE)
    return {(name, labels): float(value) for name, labels, value in found}


def _times(pair: Pair) -> str:
    took = sorted(pair.took)
    return f"{len(took)} takeovers: median {took[len(took) // 2]:.2f} s, longest {took[-1]:.2f} s"
