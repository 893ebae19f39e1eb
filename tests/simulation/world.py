"""The composition root of the simulation: one script, the real runtime, engine and store, everything else simulated.

House rule: product code is reached by the constructors that `iotrules run` uses, and by ports.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from iotrules.model.errors import IotrulesError, StateError, UnavailableError
from iotrules.ports import Store
from iotrules.runtime.housekeeping import Pace
from iotrules.runtime.loop import Runtime
from iotrules.stores.lease import StoreLease
from iotrules.stores.sqlite import SqliteStore
from iotrules.transports.memory import MemoryBroker, MemoryTransport
from tests.simulation import script as happens
from tests.simulation.bitflips import Flip
from tests.simulation.disk import Image
from tests.simulation.facts import Facts, Published
from tests.simulation.fleet import Device
from tests.simulation.handlers import SimulatedFunctions
from tests.simulation.inline import StoreDisk
from tests.simulation.network import ENGINE, Network, Weather
from tests.simulation.outcome import SOUND, Adapters, Outcome, tables_of
from tests.simulation.plant import ANSWERS, NOTES, STREAM, rules
from tests.simulation.script import Event, Script
from tests.simulation.taps import Charts, Life, TappedStore, TappedTransport
from tests.simulation.virtual import VirtualClock, VirtualLoop, run_virtual

STORE = "store.db"
STARTS_AGAIN = 1.0
"""After how long a supervisor starts an engine again that has ended by itself."""

FIRST_START = 0.5

SLICE_BYTES = 1500
"""Of a snapshot at once: so a crash finds half ones."""


@dataclass(slots=True)
class _Down:
    """How the engine's next start begins."""

    secs: float = STARTS_AGAIN
    image: Image | None = None
    power: bool = False


class World:
    """One run. `run` returns when everything has come to rest."""

    def __init__(self, script: Script, folder: Path, adapters: Adapters, loop: VirtualLoop) -> None:
        self._script = script
        self._adapters = adapters
        self._loop = loop
        self._folder = folder
        self.facts = Facts()
        self._clock = VirtualClock(loop)
        self._disk = adapters.disk(folder)
        self._broker = MemoryBroker(self._clock.true_now)
        self._weather = Weather(self._broker)
        chance = str(script.seed)
        self._devices = [
            Device(f"d{number}", self._broker, self.facts, self._clock.true_now, chance)
            for number in range(happens.DEVICES)
        ]
        self._functions = SimulatedFunctions(self.facts, chance, lambda: self._life.alive)
        self._armed: list[happens.CrashAt] = []
        self._down = _Down()
        self._flip: Flip | None = None
        self._version = 0
        self._failed_before = 0
        self._finished = False
        self._operations = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloads: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Live through the script, then come to rest."""
        await self._prepare()
        lives = asyncio.create_task(self._lives())
        for event in self._script.events:
            await self._until(event.at)
            self._happen(event)
        await self._until(self._script.lasts)
        await asyncio.gather(*self._tasks)
        self._calm()
        await asyncio.sleep(self._script.settles)  # virtual time
        self._finished = True
        self._runtime.stop()
        await lives

    async def outcome(self) -> Outcome:
        """What the store says, opened once more; and what it holds, read row by row."""
        store = self._sqlite(StoreDisk(self._disk))
        recovered = await store.open()
        await store.close()
        waiting: list[object] = []
        client = MemoryTransport(self._broker, ENGINE)
        await client.start([STREAM.format(device="+")], waiting.extend)
        await asyncio.sleep(0.1)  # virtual time
        await client.stop()
        return Outcome(
            self._script,
            self.facts,
            recovered,
            tables_of(self._folder / STORE),
            len(waiting),
            self._operations,
        )

    def close(self) -> None:
        self._disk.close()

    async def _prepare(self) -> None:
        """The broker knows the engine's session already: what is sent while it starts waits for it."""
        client = MemoryTransport(self._broker, ENGINE)
        await client.start([STREAM.format(device="+"), ANSWERS.format(device="+")], lambda batch: None)
        await client.stop()
        notes = MemoryTransport(self._broker, "reader")
        await notes.start([NOTES], lambda batch: notes.acknowledge([token for _, token in batch]))
        for device in self._devices:
            await device.start()

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._loop.time()))  # virtual time

    def _happen(self, event: Event) -> None:
        """Have one event of the script begin."""
        if not isinstance(event, happens.Send):
            self._note(f"{event}")
        match event:
            case happens.Send(device=number):
                self._do(self._devices[number].measure(event))
            case happens.Offline(device=number, secs=secs):
                self._do(self._devices[number].offline(secs))
            case happens.Cut(secs=secs):
                self._do(self._weather.cut(secs))
            case happens.AckLoss(secs=secs):
                self._do(self._weather.lose_acks(secs))
            case happens.PublishLoss(secs=secs, taken=taken):
                self._do(self._weather.lose_publishing(secs, taken=taken))
            case happens.Slow(secs=secs, by=by):
                self._do(self._weather.slow_down(secs, by))
            case _:
                self._harm(event)

    def _harm(self, event: Event) -> None:
        """Have one event begin that concerns the engine's own machine."""
        match event:
            case happens.Crash(ops=ops):
                self._disk.crash_in(ops, lambda: self._die(event))
            case happens.CrashAt():
                self._armed.append(event)
            case happens.Stop(down=down):
                self._down.secs = down
                self._runtime.stop()
            case happens.DiskFull(secs=secs):
                self._do(self._fill(secs))
            case happens.DiskFails(operation=operation, nth=nth):
                self._disk.fail(operation, nth)
            case happens.BitFlip() if self._life.alive and self._flip is None:
                self._flip = Flip(event)
                self._kill(None, event.down)
            case happens.ClockJump(by=by):
                self._clock.offset += round(by * 1e9)
            case happens.NewRules(version=version):
                self._reload(version)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fill(self, secs: float) -> None:
        self._disk.full = True
        await asyncio.sleep(secs)  # virtual time
        self._disk.full = False

    def _reload(self, version: int) -> None:
        self._version = version
        if self._life.alive and not self._reloads:
            task = asyncio.create_task(self._runtime.reload(rules(version)))
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)

    def _calm(self) -> None:
        self._note("no more faults")
        self._operations, self.facts.calm = self._disk.ops, True
        self._disk.calm()
        self._armed.clear()

    def _die(self, event: happens.Crash | happens.CrashAt) -> None:
        """End the engine as an event says: now, or at a disk operation that is to come."""
        if isinstance(event, happens.CrashAt) and event.ops:
            self._disk.crash_in(event.ops, lambda: self._die(replace(event, ops=0)))
            return
        self._kill(Random(event.chance) if event.kind == "power" else None, event.down)

    def _kill(self, power: Random | None, down: float) -> None:
        """End the engine here and now; what the next one finds is decided."""
        if not self._life.alive:
            return
        self._note("the power is gone" if power else "the engine is killed")
        self._down = _Down(down, self._disk.image(power), power is not None)
        self._disk.dead = True
        self._life.end()

    async def _lives(self) -> None:
        """Start the engine again whenever it has ended, as a supervisor does."""
        self._life = Life(self._armed, self._die, self.facts.came_to)
        self._life.alive = False
        await self._until(FIRST_START)
        while not self._finished:
            await self._one_life()
            if self._finished:
                return
            await asyncio.sleep(self._down.secs)  # virtual time
            self._mend()

    async def _one_life(self) -> None:
        life = self._life = Life(self._armed, self._die, self.facts.came_to)
        self._failed_before = self._disk.failed
        store = self._store()
        self._runtime = self._build(store, life)
        self.facts.starts += 1
        self._note("the engine starts")
        running = asyncio.create_task(self._runtime.run())
        await asyncio.wait({running, life.dying}, return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        await asyncio.wait({running})
        killed = not life.alive
        life.bury()
        if life.opened and self._flip is not None and self._flip.made:
            self._flip = None  # not found, so there must be nothing to find
        for reload in self._reloads:
            reload.cancel()
        with contextlib.suppress(IotrulesError):
            await store.close()  # the system closes what a process leaves open
        if not killed:
            self._ended(None if running.cancelled() else running.exception())

    def _ended(self, error: BaseException | None) -> None:
        """An engine has ended by itself: was there a reason?"""
        self._note(f"the engine ends: {error or 'it was stopped'}")
        if isinstance(error, StateError) and self._disk.failed > self._failed_before:
            pass  # the disk has failed: to end is right
        elif isinstance(error, StateError) and self._flip is not None and self._flip.made:
            self._unflip(self._flip)
        elif isinstance(error, UnavailableError) and self._disk.refused:
            pass  # stopped while it could not write
        elif error is not None:
            self.facts.wrong.append(f"the engine ended without a fault: {type(error).__name__}: {error}")

    def _mend(self) -> None:
        """Bring the disk to what the next process finds."""
        down, self._down = self._down, _Down()
        if down.image is not None:
            self._disk.put(down.image, synced=down.power)
        if self._flip is not None and not self._flip.made:
            self._flip_bit(self._flip)

    def _flip_bit(self, flip: Flip) -> None:
        if flip.make(self._folder):
            self._note(f"a bit of {flip.event.file} is flipped, in byte {flip.place}")
        else:
            self._flip = None

    def _unflip(self, flip: Flip) -> None:
        """The store has found it: somebody restores what was there."""
        flip.mend(self._folder)
        self.facts.found += 1
        self._flip = None

    def _store(self) -> Store:
        return self._adapters.store(self._sqlite(StoreDisk(self._disk, self._adapters.connection)))

    def _sqlite(self, disk: StoreDisk) -> SqliteStore:
        path = self._folder / STORE
        return SqliteStore(path, StoreLease(path, beat=0, now=lambda: 0.0), disk=disk)

    def _build(self, store: Store, life: Life) -> Runtime:
        """As `iotrules run` does."""
        session = MemoryTransport(self._broker, ENGINE, receive_maximum=self._script.receive_maximum)
        network = Network(session, self._weather, self._clock.now, self._published)
        return Runtime(
            files=rules(self._version),
            store=TappedStore(store, life, self.facts),
            transport=TappedTransport(self._adapters.transport(network), life, self.facts),
            functions=self._functions,
            history=Charts(),
            clock=self._clock,
            observers=[],
            name=ENGINE,
            pace=Pace(self._script.snapshot_every * 4, SLICE_BYTES),
            jitter=Random(f"{self._script.seed} {self.facts.starts}"),
        )

    def _published(self, topic: str, payload: bytes) -> None:
        if topic.startswith(("site/", "notes/")):
            self.facts.events += 1
            self.facts.published.append(Published(self._clock.true_now(), self._clock.now(), topic, payload))

    def _note(self, what: str) -> None:
        self.facts.note(self._loop.time(), what)


def live(script: Script, folder: Path, adapters: Adapters = SOUND) -> Outcome:
    """Run a script in an empty folder."""
    loop = VirtualLoop()

    async def all_of_it() -> Outcome:
        world = World(script, folder, adapters, loop)
        try:
            await world.run()
            return await world.outcome()
        finally:
            world.close()

    return run_virtual(all_of_it(), loop)
