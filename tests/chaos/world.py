"""A run's world: broker, tap, fleet and engine on loopback, and the harness's own history of what it did to them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM

from iotrules.stores.sqlite import SqliteStore
from tests.chaos.facts import keep_journal
from tests.chaos.history import History
from tests.chaos.plant import Threshold, standard_rules, write_functions, write_rules
from tests.chaos.processes import ChaosError, Engine, Tail, Told, resources, wait_until
from tests.mosquitto import Mosquitto, free_port

READY = '"event": "ready"'
BROKER = "allow_anonymous true\nmax_queued_messages 1000000\nmax_inflight_messages 1000\n"
STARTING_NS = 200_000_000
"""No engine acknowledges anything so soon after its start; what is noted before was the last one's."""


@dataclass(frozen=True, slots=True)
class Load:
    """`devices` send `rate` messages a second each; `hot` is the share of anomalies."""

    devices: int = 200
    rate: float = 10.0
    hot: float = 0.05
    duplicates: float = 0.3
    hostile: bool = False
    rules: tuple[Threshold, ...] = standard_rules()


class World:
    """Owns the processes of one run, all histories of which are in `directory`."""

    def __init__(self, directory: Path, load: Load, seed: int, *, planted: str = "", store: Path | None = None) -> None:
        self.directory = directory
        self.load = load
        self.seed = seed
        self.planted = planted
        self.store = store or directory / "store.db"
        self.rules: tuple[Threshold, ...] = load.rules
        self.accepted_after: dict[str, list[float]] = {}
        """Fault → seconds until the engine acknowledged again."""
        self.broker_kept = True
        self.history = History(directory / "harness.jsonl")
        self._log = directory / "engine.log"
        self._tail = Tail(directory / "tap.jsonl")
        self._acknowledged = 0
        self._newest = 0
        self._known: set[str] = set()
        (directory / "rules").mkdir()
        (directory / "broker").mkdir()
        self.broker = Mosquitto(directory / "broker", BROKER)
        self._port = free_port()

    def begin(self) -> None:
        """Start everything; the fleet begins to send."""
        self.template = write_functions(self.directory, self.directory / "handlers.jsonl", hostile=self.load.hostile)
        self.use_rules(self.rules)
        self.broker.start()
        target = ("--port", str(self._port), "--target", str(self.broker.port))
        history = ("--history", str(self.directory / "tap.jsonl"))
        self.tap = Told("tests.chaos.tap", [*target, *history], self.directory / "tap.log")
        asyncio.run(_made(self.store))
        keep_journal(self.store)
        self.start()
        self.engine.wait_for(READY)
        self.fleet = Told("tests.chaos.fleet", self._fleet_arguments(), self.directory / "fleet.log")

    def use_rules(self, rules: Sequence[Threshold], *, fillers: int = 0) -> None:
        self.rules = tuple(rules)
        self.history.add("rules", good=True)
        write_rules(self.directory / "rules", self.rules, fillers=fillers)

    def start(self, at: str = "") -> None:
        """Another life of the engine; `at` arms a crash point."""
        arguments = {
            "broker": f"mqtt://127.0.0.1:{self._port}", "store": self.store, "rules": self.directory / "rules",
            "functions": self.template, "metrics-port": 0, "name": "chaos",
        }  # fmt: skip
        words = ["run", *(word for name, value in arguments.items() for word in (f"--{name}", str(value)))]
        self.history.add("started", at=at)
        self.started = time.monotonic_ns()
        self.engine = Engine(words, self._log, at=at, planted=self.planted)

    def buried(self) -> None:
        """The engine is dead: what the store knows of commands now is all that may have left."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10)) as connection:
            known = {name for (name,) in connection.execute("SELECT id FROM commands")}
        self.history.add("died", commands=sorted(known - self._known))
        self._known |= known

    def down(self, what: str) -> None:
        self.history.add("down", what=what, w=time.time_ns())

    def up(self, what: str) -> None:
        self.history.add("up", what=what, w=time.time_ns())

    def acknowledged(self) -> int:
        """How many messages the engine has acknowledged until now."""
        for event in self._tail.more():
            if event["e"] == "engine_acked":
                self._acknowledged += len(event["m"])
                self._newest = event["t"]
        return self._acknowledged

    def wait_for_more(self, messages: int, seconds: float = 60) -> None:
        """Let the engine take so many further messages."""
        wanted = self.acknowledged() + messages

        def there() -> bool:
            if self.engine.ended():
                raise ChaosError(f"the engine ended by itself:\n{self.engine.said()[-3000:]}")
            return self.acknowledged() >= wanted

        wait_until(there, seconds, lambda: f"no {messages} more acknowledged:\n{self.engine.said()[-3000:]}")

    def wait_accepting(self, fault: str, since: int) -> None:
        """Wait for the first acknowledgement after the fault's end, and note how long after `since` it came."""
        self.acknowledged()
        after = max(since, self.started + STARTING_NS)

        def again() -> bool:
            self.acknowledged()
            if self.engine.ended():
                raise ChaosError(f"the engine ended by itself:\n{self.engine.said()[-3000:]}")
            return self._newest > after

        wait_until(again, 90, lambda: f"nothing acknowledged after {fault}:\n{self.engine.said()[-3000:]}")
        self.accepted_after.setdefault(fault, []).append((self._newest - since) / 1e9)
        self.history.add("accepting", fault=fault, seconds=(self._newest - since) / 1e9)

    def measure(self) -> None:
        if found := resources(self.engine.pid):
            self.history.add("measured", pid=self.engine.pid, rss=found["rss"], fds=found["fds"])

    def finish(self, patience: float = 90) -> None:
        """The fleet ends; the engine has until it is quiet; then it ends too."""
        self.fleet.tell("finish")
        try:
            wait_until(lambda: not self._restless(), patience, lambda: "not quiet")
        except ChaosError:
            self.history.add("not quiet", what=self._restless())
        self.engine.signal(SIGTERM)
        code = self.engine.process.wait(40)
        if code != 0:
            self.history.add("engine ended by itself", code=code, expected=False)

    def end(self) -> None:
        """Whatever still runs."""
        for name in ("fleet", "tap"):
            if hasattr(self, name):
                getattr(self, name).end()
        if hasattr(self, "engine"):
            self.engine.kill()
        self.broker.stop(SIGKILL)
        self.history.close()

    def _restless(self) -> dict[str, object]:
        """What is still under way."""
        open_states = "('requested', 'held', 'sent', 'acknowledged')"
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10)) as connection:

            def one(sql: str) -> int:
                return int(connection.execute(sql).fetchone()[0] or 0)

            found = {
                "effects": one("SELECT count(*) FROM ledger WHERE state = 'pending'"),
                "commands": one(f"SELECT count(*) FROM commands WHERE state IN {open_states}"),
                "messages": one("SELECT sum(total) FROM counters WHERE counter = 'received'")
                - one("SELECT sum(total) FROM counters WHERE counter IN ('applied', 'duplicate', 'late')")
                - one("SELECT count(*) FROM dead_letters"),
            }
        before = self._acknowledged
        found["arriving"] = self.acknowledged() - before
        return {name: value for name, value in found.items() if value}

    def _fleet_arguments(self) -> list[str]:
        load = self.load
        arguments = {
            "port": self.broker.port, "history": self.directory / "fleet.jsonl", "devices": load.devices,
            "rate": load.rate, "seed": self.seed, "hot": load.hot, "duplicates": load.duplicates,
        }  # fmt: skip
        return [word for name, value in arguments.items() for word in (f"--{name}", str(value))]


@contextmanager
def running_world(
    directory: Path, load: Load, seed: int, *, planted: str = "", store: Path | None = None
) -> Iterator[World]:
    """A world that has begun; ended whatever happens."""
    world = World(directory, load, seed, planted=planted, store=store)
    try:
        world.begin()
        yield world
    finally:
        world.end()


async def _made(store: Path) -> None:
    """Make a new store, before any engine has it."""
    made = SqliteStore(store)
    await made.open()
    await made.close()
