"""Crash points: adapters around the real ones, which end the process by SIGKILL at the n-th passing of a named place.

What lies inside a transaction is seen by SQLite's own trace of statements.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from iotrules.cli.run import Parts
from iotrules.model.inputs import Arrival, Reload
from iotrules.model.rules import RuleSet
from iotrules.ports import AckToken, Clock, Entry, OnBatch, Recovered, Store, Tidied, Transport

POINTS = (
    "receive.before", "receive.after", "decide.before", "decide.after", "begin", "write.journal", "write.effects",
    "commit.before", "commit.after", "ack.after", "publish.before", "publish.after", "reload.before", "reload.after",
    "snapshot.before", "snapshot.write", "snapshot.drop", "snapshot.after",
)  # fmt: skip
"""In the order of a message's way: taken from the broker, decided on, written, acknowledged, its effects sent."""

_STATEMENTS = {
    "BEGIN": "begin",
    "INSERT INTO journal": "write.journal",
    "INSERT INTO ledger": "write.effects",
    "COMMIT": "commit.before",
    "INSERT OR REPLACE INTO snapshot": "snapshot.write",
    "DELETE FROM journal": "snapshot.drop",
}


class Fuse:
    """Counts the passings of one point, and ends the process at the n-th."""

    def __init__(self, point: str, passings: int) -> None:
        self._point = point
        self._left = passings

    def passes(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def statement(self, text: str) -> None:
        """SQLite is about to carry out a statement."""
        for head, point in _STATEMENTS.items():
            if text.startswith(head):
                self.passes(point)


def fused(point: str, passings: int) -> Parts:
    """The parts of an engine that ends itself at this point."""
    fuse = Fuse(point, passings)
    return Parts(
        store=lambda real: FusedStore(real, fuse),
        transport=lambda real: FusedTransport(real, fuse),
        clock=lambda real: FusedClock(real, fuse),
    )


class FusedClock:
    """The clock is read when a turn has taken its messages, before it decides on them."""

    def __init__(self, real: Clock, fuse: Fuse) -> None:
        self._real = real
        self._fuse = fuse

    def now(self) -> int:
        self._fuse.passes("decide.before")
        return self._real.now()


class PassingStore:
    """A store that does what the real one does; what decorates one begins here."""

    def __init__(self, real: Store) -> None:
        self.real = real

    async def open(self) -> Recovered:
        return await self.real.open()

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        await self.real.commit(entries, rules)

    async def note_alive(self, now: int) -> None:
        await self.real.note_alive(now)

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        await self.real.snapshot(sequence, parts, complete=complete)

    async def tidy(self, now: int) -> Tidied:
        return await self.real.tidy(now)

    async def close(self) -> None:
        await self.real.close()


class FusedStore(PassingStore):
    """A store whose statements and ends are points."""

    def __init__(self, real: Store, fuse: Fuse) -> None:
        super().__init__(real)
        self._fuse = fuse

    async def open(self) -> Recovered:
        recovered = await super().open()
        innermost: Any = self.real
        while isinstance(innermost, PassingStore):
            innermost = innermost.real
        connection = vars(innermost)["_connection"]  # nothing public says what SQLite is doing
        await connection.set_trace_callback(self._fuse.statement)
        return recovered

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        reloads = any(isinstance(entry.value, Reload) for entry in entries)
        self._fuse.passes("reload.before" if reloads else "decide.after")
        await super().commit(entries, rules)
        self._fuse.passes("reload.after" if reloads else "commit.after")

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        self._fuse.passes("snapshot.before")
        await super().snapshot(sequence, parts, complete=complete)
        self._fuse.passes("snapshot.after")


class PassingTransport:
    """A transport that does what the real one does; what decorates one begins here."""

    def __init__(self, real: Transport) -> None:
        self.real = real

    @property
    def connected(self) -> bool:
        return self.real.connected

    @property
    def failure(self) -> str | None:
        return self.real.failure

    @property
    def generation(self) -> int:
        return self.real.generation

    async def start(self, filters: Sequence[str], on_batch: OnBatch, dropped: Sequence[str] = ()) -> None:
        await self.real.start(filters, self.taking(on_batch), dropped)

    def taking(self, on_batch: OnBatch) -> OnBatch:
        """What is called with each batch."""
        return on_batch

    async def resubscribe(self, filters: Sequence[str]) -> None:
        await self.real.resubscribe(filters)

    def acknowledge(self, tokens: Sequence[AckToken]) -> None:
        self.real.acknowledge(tokens)

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        await self.real.publish(topic, payload, expires_in=expires_in)

    async def stop(self) -> None:
        await self.real.stop()


class FusedTransport(PassingTransport):
    """A transport whose calls are points."""

    def __init__(self, real: Transport, fuse: Fuse) -> None:
        super().__init__(real)
        self._fuse = fuse

    def taking(self, on_batch: OnBatch) -> OnBatch:
        def take(batch: Sequence[tuple[Arrival, AckToken]]) -> None:
            self._fuse.passes("receive.before")
            on_batch(batch)
            self._fuse.passes("receive.after")

        return take

    def acknowledge(self, tokens: Sequence[AckToken]) -> None:
        super().acknowledge(tokens)
        if tokens:
            self._fuse.passes("ack.after")

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        if topic.endswith("/mark"):
            await super().publish(topic, payload, expires_in=expires_in)
            return
        self._fuse.passes("publish.before")
        await super().publish(topic, payload, expires_in=expires_in)
        self._fuse.passes("publish.after")
