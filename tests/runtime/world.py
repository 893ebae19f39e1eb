"""A world for tests of the runtime: a clock that is moved by hand, a broker, a device, a store, real functions.

What is in it outlives an engine, so that one can end, by its own will or not, and another go on.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from iotrules.functions import LocalFunctions
from iotrules.history.sqlite import SqliteHistory
from iotrules.history.views import history_path
from iotrules.model.decisions import ActiveAlert, Reading
from iotrules.model.errors import UnavailableError
from iotrules.model.inputs import Arrival, Reload
from iotrules.model.rules import RuleSet
from iotrules.model.times import MILLISECOND, SECOND
from iotrules.ports import AckToken, Entry, History, Observer, Recovered, Store, Tidied
from iotrules.runtime.control import ControlServer
from iotrules.runtime.housekeeping import PACE
from iotrules.runtime.loop import Runtime
from iotrules.stores.lease import StoreLease
from iotrules.stores.letters import StoredLetters
from iotrules.stores.sqlite import SqliteStore
from iotrules.transports.memory import MemoryBroker, MemoryTransport
from tests.engine.world import START, STREAM
from tests.stores.entries import write

NAME = "engine"
PATIENCE = 10.0
HANDLERS = Path(__file__).with_name("handlers")

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    CodeUri: {code}
    Runtime: python3.12
    Timeout: 30
    Environment: {{Variables: {{GO: {go}}}}}
Resources:
"""
FUNCTION = """
  {logical}:
    Type: AWS::Serverless::Function
    Properties: {{FunctionName: {name}, Handler: handlers.{name}}}
"""


class SettableClock:
    """The port `Clock`: stands still until it is moved."""

    def __init__(self, start: int = START) -> None:
        self._now = start

    def now(self) -> int:
        return self._now

    @property
    def seconds(self) -> float:
        """How long after the start it is."""
        return (self._now - START) / SECOND

    def move_to(self, seconds: float) -> None:
        """So many seconds after the start."""
        self._now = START + round(seconds * SECOND)


class ScriptedStore:
    """A real store with faults by script: the next commits fail, or a commit waits at a gate before or after it."""

    def __init__(self, store: Store, happened: Callable[[], None]) -> None:
        self._store = store
        self._happened = happened
        self.fail_next = 0
        self.failures = 0
        self.waiting = 0
        self.closed = 0
        self.opened = 0
        self.before, self.after, self.tidying = asyncio.Event(), asyncio.Event(), asyncio.Event()
        for gate in (self.before, self.after, self.tidying):
            gate.set()

    async def open(self) -> Recovered:
        self.opened += 1
        self._happened()
        return await self._store.open()

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        await self._pass(self.before)
        if self.fail_next:
            self.fail_next -= 1
            self.failures += 1
            self._happened()
            raise UnavailableError("store: the disk is full (by script)")
        await self._store.commit(entries, rules)
        await self._pass(self.after)

    async def note_alive(self, now: int) -> None:
        await self._store.note_alive(now)

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        await self._store.snapshot(sequence, parts, complete=complete)

    async def tidy(self, now: int) -> Tidied:
        await self._pass(self.tidying)
        return await self._store.tidy(now)

    async def close(self) -> None:
        self.closed += 1
        await self._store.close()

    async def _pass(self, gate: asyncio.Event) -> None:
        if not gate.is_set():
            self.waiting += 1
            self._happened()
            await gate.wait()


class WatchedHistory:
    """A real history; says when something was appended."""

    def __init__(self, history: History, happened: Callable[[], None]) -> None:
        self._history = history
        self._happened = happened
        self.kept = 0

    async def append(self, readings: Sequence[Reading]) -> None:
        await self._history.append(readings)
        self.kept += len(readings)
        self._happened()

    async def close(self) -> None:
        await self._history.close()


class World:
    """Everything around an engine. `until` looks again whenever the engine has committed or the device was told."""

    def __init__(self, folder: Path, rules: str, lease: StoreLease | None = None) -> None:
        self.folder = folder
        self.rules = rules
        self.stream = STREAM
        self.path = folder / "store.db"
        self.clock = SettableClock()
        self.broker = MemoryBroker(self.clock.now)
        self.lease = lease or StoreLease(self.path)
        self.store = ScriptedStore(SqliteStore(self.path, self.lease), self.happened)
        self.history = WatchedHistory(SqliteHistory(history_path(self.path)), self.happened)
        self.told: list[tuple[str, Any]] = []
        """What was published to the device and about it: (topic, JSON)."""
        self.observers: list[Observer] = []
        self.on_trouble: Callable[[bool], None] = lambda _: None
        self.control: ControlServer | None = None
        """Of the next engine."""
        self.pace = PACE
        """Of the next engine too."""
        self._changed = asyncio.Event()
        self._seqs: dict[str, int] = {}
        self._last = ("", b"")
        self._go = folder / "go"
        self._device = MemoryTransport(self.broker, "device")

    @asynccontextmanager
    async def engine(self, *, rules: str | None = None, receive_maximum: int = 1000) -> AsyncIterator[Runtime]:
        """An engine from ready to stopped; what it ends with is raised, unless the test has asked for it."""
        runtime = self._runtime(self.rules if rules is None else rules, receive_maximum)
        ready = asyncio.Event()
        self._end_is_known = False
        self._running = asyncio.create_task(runtime.run(ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._running, waiting}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._running.done():
            self._running.result()
        try:
            yield runtime
        finally:
            runtime.stop()
            await self.ended()
        if not self._end_is_known:
            self._running.result()

    async def crash(self) -> None:
        """End the engine where it stands: nothing that it has not made durable is known any more."""
        self._running.cancel()
        await self.ended()
        self._end_is_known = True

    async def ended(self) -> None:
        """Wait for the engine to end."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({self._running})

    async def failure(self) -> BaseException | None:
        """What the engine ends with, by itself or as it was told."""
        await self.ended()
        self._end_is_known = True
        return self._running.exception()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition on the store, the broker or the device; TimeoutError if it does not come true."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def happened(self) -> None:
        self._changed.set()

    async def listen(self) -> None:
        """Be the device: hear commands, and what functions publish."""
        await self._device.start(["site/+/dev/+/cmd", "notes/#"], self._hear)

    def send(self, at: float, device: str = "b1", **values: Any) -> None:
        """A message measured `at` seconds after the start; it can't be later than that now."""
        seq = self._seqs[device] = self._seqs.get(device, 0) + 1
        self.clock.move_to(max(at, self.clock.seconds))
        body = {"ts": (START + round(at * SECOND)) // MILLISECOND, "boot": "x", "seq": seq} | values
        self._last = (f"site/A/dev/{device}/env", json.dumps(body).encode())
        self.broker.publish(*self._last)

    def repeat(self) -> None:
        """The last message once more, as a device sends it that saw no acknowledgement."""
        self.broker.publish(*self._last)

    def answer(self, command: str, status: str, device: str = "b1") -> None:
        body = json.dumps({"id": command, "status": status}).encode()
        self.broker.publish(f"site/A/dev/{device}/cmd/ack", body)

    def let_go(self) -> None:
        """Let the handlers that wait for it answer."""
        self._go.touch()

    @property
    def commands(self) -> list[dict[str, Any]]:
        """The commands that the devices were sent."""
        return [body for topic, body in self.told if topic.endswith("/cmd")]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the store holds, as another process sees it."""
        with closing(sqlite3.connect(self.path)) as db:
            return list(db.execute(query))

    def change(self, statement: str) -> None:
        """Change the store behind the engine's back. Only while no engine runs."""
        write(self.path, statement)

    def states(self, device: str = "b1") -> list[str]:
        """The states that the device's alerts went through, in order."""
        query = "SELECT after, key FROM transitions ORDER BY sequence, number"
        return [after for after, key in self.rows(query) if json.loads(key)["device"] == device]

    def ledger(self) -> list[tuple[str, str]]:
        """(target, state) of every effect, in order."""
        return [(target, state) for target, state in self.rows("SELECT target, state FROM ledger ORDER BY rowid")]

    def all_done(self, effects: int) -> bool:
        """Have so many effects been decided on, and each delivered?"""
        return [state for _, state in self.ledger()] == ["done"] * effects

    def count(self, counter: str) -> int:
        """A counter of the store, over all its labels."""
        return sum(total for name, total in self.rows("SELECT counter, total FROM counters") if name == counter)

    def remembered(self) -> dict[str, Any]:
        """What handlers remember about the one device that they do of."""
        found = self.rows("SELECT body FROM device_state")
        body: dict[str, Any] = json.loads(found[0][0]) if found else {}
        return body

    async def unacknowledged(self) -> list[str]:
        """Topics of what the broker would send the engine's next connection. Only while no engine runs."""
        arrived: list[Arrival] = []
        client = MemoryTransport(self.broker, NAME)
        await client.start(["site/+/dev/+/env"], lambda batch: arrived.extend(arrival for arrival, _ in batch))
        await asyncio.sleep(0)  # the transport hands over in the next turn of the event loop
        await asyncio.sleep(0)
        await client.stop()
        return [arrival.topic for arrival in arrived if arrival.topic.startswith("site/")]

    def recovered(self, undelivered: int, alerts: Sequence[ActiveAlert]) -> None:
        """The port `Observer`: the engine came up, or back to what the store says."""
        self.happened()

    def committed(self, entries: Sequence[Entry], seconds: float) -> None:
        """The port `Observer`: something is durable."""
        self.happened()

    def _runtime(self, rules: str, receive_maximum: int) -> Runtime:
        return Runtime(
            files=Reload({"rules.yaml": self.stream + rules}),
            store=self.store,
            transport=MemoryTransport(self.broker, NAME, receive_maximum=receive_maximum),
            functions=LocalFunctions(self._template()),
            history=self.history,
            clock=self.clock,
            observers=[*self.observers, self],
            name=NAME,
            control=self.control,
            on_trouble=self.on_trouble,
            lease=self.lease,
            letters=StoredLetters(self.path),
            pace=self.pace,
        )

    def _template(self) -> Path:
        path = self.folder / "template.yaml"
        functions = (
            FUNCTION.format(logical=name.title(), name=name) for name in ("trip", "fail", "note", "record", "huge")
        )
        path.write_text(TEMPLATE.format(code=HANDLERS, go=self._go) + "".join(functions))
        return path

    def _hear(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        for arrival, token in batch:
            self.told.append((arrival.topic, json.loads(arrival.payload)))
            self._device.acknowledge([token])
        self.happened()
