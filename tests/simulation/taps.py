"""What the runtime's store and transport pass through: facts are written down here, and here a process may end.

House rule: of a process that has ended nothing comes out any more, whatever its code still does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from iotrules.model.decisions import Reading
from iotrules.model.inputs import Arrival, encode_input
from iotrules.model.rules import RuleSet
from iotrules.ports import AckToken, Entry, OnBatch, Recovered, Store, Tidied, Transport
from tests.simulation.facts import Facts, Journaled, Message
from tests.simulation.script import CrashAt, Point


class Life:
    """One process of the engine: `die` ends it, from wherever it is called."""

    def __init__(self, armed: list[CrashAt], die: Callable[[CrashAt], None], came_to: Callable[[Point], None]) -> None:
        self._came_to = came_to
        self.alive = True
        self.opened = False
        """Has it read the store?"""
        self.dying: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._armed = armed
        self._die = die
        self._passed: dict[int, int] = {}
        self._stopped: list[asyncio.Future[None]] = []

    def end(self) -> None:
        self.alive = False
        if not self.dying.done():
            self.dying.set_result(None)

    def point(self, name: Point) -> None:
        """Come to a point where the script may have the process end."""
        self._came_to(name)
        for crash in [crash for crash in self._armed if crash.point == name]:
            passed = self._passed[id(crash)] = self._passed.get(id(crash), 0) + 1
            if self.alive and passed == crash.nth:
                self._armed.remove(crash)
                self._die(crash)

    async def go_on(self) -> None:
        """Never return in a process that has ended."""
        if not self.alive:
            self._stopped.append(asyncio.get_running_loop().create_future())
            await self._stopped[-1]

    def bury(self) -> None:
        """Let go of what still waits in a process that has ended."""
        self.end()
        for waiting in self._stopped:
            waiting.cancel()


class TappedStore:
    """The port `Store`, around the one that is tested."""

    def __init__(self, inner: Store, life: Life, facts: Facts) -> None:
        self._inner = inner
        self._life = life
        self._facts = facts

    async def open(self) -> Recovered:
        recovered = await self._inner.open()
        self._life.opened = True
        if self._life.alive:
            _compare(recovered, self._facts)
        return recovered

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        self._life.point("before commit")
        await self._life.go_on()
        for entry in entries:
            self._facts.journal[entry.sequence] = Journaled(entry.now, encode_input(entry.value), entry.value)
        await self._inner.commit(entries, rules)
        self._facts.events += 1
        self._life.point("after commit")
        await self._life.go_on()

    async def note_alive(self, now: int) -> None:
        await self._inner.note_alive(now)

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        self._life.point("before snapshot")
        await self._life.go_on()
        await self._inner.snapshot(sequence, dict(sorted(parts.items())), complete=complete)  # sets have no order
        self._facts.events += 1
        self._life.point("after snapshot")
        await self._life.go_on()

    async def tidy(self, now: int) -> Tidied:
        self._life.point("before tidying")
        await self._life.go_on()
        return await self._inner.tidy(now)

    async def close(self) -> None:
        await self._inner.close()


def _compare(recovered: Recovered, facts: Facts) -> None:
    """What the store gives back is what it was given, up to a sequence; the rest was never durable."""
    for sequence, now, value in recovered.entries:
        given = facts.journal.get(sequence)
        if given is None or (given.now, given.body) != (now, encode_input(value)):
            facts.wrong.append(f"journal: the store gives back at {sequence} what it was not given")
    for sequence in [sequence for sequence in facts.journal if sequence > recovered.sequence]:
        del facts.journal[sequence]
    if recovered.sequence > len(facts.journal):
        facts.wrong.append(f"journal: the store is at {recovered.sequence}, it was given {len(facts.journal)} inputs")


class TappedTransport:
    """The port `Transport`, around the one that the engine is given."""

    def __init__(self, inner: Transport, life: Life, facts: Facts) -> None:
        self._inner = inner
        self._life = life
        self._facts = facts
        self._messages: dict[AckToken, Message] = {}

    @property
    def connected(self) -> bool:
        return self._inner.connected

    @property
    def failure(self) -> str | None:
        return self._inner.failure

    @property
    def generation(self) -> int:
        return self._inner.generation

    async def start(self, filters: Sequence[str], on_batch: OnBatch, dropped: Sequence[str] = ()) -> None:
        def arrived(batch: Sequence[tuple[Arrival, AckToken]]) -> None:
            if self._life.alive:
                self._messages.update((token, (arrival.topic, arrival.payload)) for arrival, token in batch)
                on_batch(batch)

        await self._inner.start(filters, arrived, dropped)

    async def resubscribe(self, filters: Sequence[str]) -> None:
        await self._inner.resubscribe(filters)

    def acknowledge(self, tokens: Sequence[AckToken]) -> None:
        if not self._life.alive:
            return
        messages = [self._messages.pop(token) for token in tokens if token in self._messages]
        self._facts.acknowledged += [message for message in messages if message[0].startswith("site/")]
        self._inner.acknowledge(tokens)
        if messages:
            self._life.point("after acknowledging")

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        await self._life.go_on()
        await self._inner.publish(topic, payload, expires_in=expires_in)
        self._life.point("after publishing")
        await self._life.go_on()

    async def stop(self) -> None:
        await self._inner.stop()


class Charts:
    """The port `History`: the charts are not what is tested here."""

    async def append(self, readings: Sequence[Reading]) -> None: ...

    async def close(self) -> None: ...
