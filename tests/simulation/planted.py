"""Bugs that others have had, as adapters: the simulation has to find each of them. None is in the product.

House rule: each breaks one thing, in the way in which it would be broken by mistake.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from iotrules.model.decisions import Decision
from iotrules.model.errors import StateError, UnavailableError
from iotrules.model.inputs import Arrival
from iotrules.model.rules import RuleSet
from iotrules.ports import AckToken, Entry, OnBatch, Recovered, Store, Tidied, Transport
from iotrules.stores.transact import Statement
from tests.simulation.disk import Disk
from tests.simulation.inline import InlineConnection
from tests.simulation.outcome import Adapters


class Stored:
    """The port `Store`: another one, as it is. What follows differs in one method."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    async def open(self) -> Recovered:
        return await self.inner.open()

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        await self.inner.commit(entries, rules)

    async def note_alive(self, now: int) -> None:
        await self.inner.note_alive(now)

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        await self.inner.snapshot(sequence, parts, complete=complete)

    async def tidy(self, now: int) -> Tidied:
        return await self.inner.tidy(now)

    async def close(self) -> None:
        await self.inner.close()


class EarlyStore(Stored):
    """Says that a commit is done when it has begun: so messages are acknowledged before."""

    _commits: asyncio.Task[None] | None = None

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        self._commits = asyncio.create_task(self._after(self._commits, entries, rules))

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        if self._commits is not None:
            await asyncio.wait({self._commits})
        await self.inner.snapshot(sequence, parts, complete=complete)

    async def _after(self, before: asyncio.Task[None] | None, entries: Sequence[Entry], rules: RuleSet) -> None:
        if before is not None:
            await asyncio.wait({before})
        try:
            await self.inner.commit(entries, rules)
        except (UnavailableError, StateError):
            return


class ForgetfulStore(Stored):
    """Does not give back which messages have come."""

    async def open(self) -> Recovered:
        found = await self.inner.open()
        kept = {name: body for name, body in found.snapshot.items() if json.loads(name)[0] != "seen"}
        return replace(found, snapshot=kept)


class UndeliveringStore(Stored):
    """Does not give back which effects are yet to be delivered."""

    async def open(self) -> Recovered:
        return replace(await self.inner.open(), pending=())


class TrimmingStore(Stored):
    """Takes the end of the journal for torn, and goes on without it: no head says where it was."""

    async def open(self) -> Recovered:
        found = await self.inner.open()
        if not found.entries:
            return found
        return replace(found, entries=found.entries[:-1], sequence=found.sequence - 1)


class HastySnapshots(Stored):
    """Takes a snapshot for complete with its first slice."""

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        await self.inner.snapshot(sequence, parts, complete=True)


class NoReceiptsStore(Stored):
    """Keeps the inputs, but not what became of effects."""

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        await self.inner.commit([replace(entry, decision=_unsettled(entry.decision)) for entry in entries], rules)


def _unsettled(decision: Decision) -> Decision:
    return replace(decision, ledger=[])


class SplitCommit(InlineConnection):
    """Writes the ledger in a transaction of its own."""

    def planned(self, statements: Sequence[Statement]) -> Sequence[Statement]:
        again: list[Statement] = [("COMMIT", [()]), ("BEGIN IMMEDIATE", [()])]
        return [one for plan in statements for one in (*(again if "INTO ledger" in plan[0] else ()), plan)]


class LyingDisk(Disk):
    """Says that it has synced, and has not."""

    def sync(self, name: str) -> None:
        self._operate("sync", name, None)


class Carried:
    """The port `Transport`: another one, as it is. What follows differs in one method."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner

    @property
    def connected(self) -> bool:
        return self.inner.connected

    @property
    def failure(self) -> str | None:
        return self.inner.failure

    @property
    def generation(self) -> int:
        return self.inner.generation

    async def start(self, filters: Sequence[str], on_batch: OnBatch, dropped: Sequence[str] = ()) -> None:
        await self.inner.start(filters, on_batch, dropped)

    async def resubscribe(self, filters: Sequence[str]) -> None:
        await self.inner.resubscribe(filters)

    def acknowledge(self, tokens: Sequence[AckToken]) -> None:
        self.inner.acknowledge(tokens)

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        await self.inner.publish(topic, payload, expires_in=expires_in)

    async def stop(self) -> None:
        await self.inner.stop()


class AutomaticAcks(Carried):
    """Acknowledges what it hands over by itself, as clients do that nobody has told not to."""

    async def start(self, filters: Sequence[str], on_batch: OnBatch, dropped: Sequence[str] = ()) -> None:
        def arrived(batch: Sequence[tuple[Arrival, AckToken]]) -> None:
            on_batch(batch)
            self.inner.acknowledge([token for _, token in batch])

        await self.inner.start(filters, arrived, dropped)


class QueueingTransport(Carried):
    """Keeps what the broker does not take, and tries again by itself: however old it is by then."""

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        while True:
            try:
                return await self.inner.publish(topic, payload, expires_in=expires_in)
            except UnavailableError:
                await asyncio.sleep(1)  # virtual time


class RenamingTransport(Carried):
    """Gives a command another id each time that it is sent."""

    _sent = 0

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        if topic.endswith("/cmd"):
            self._sent += 1
            command = json.loads(payload)
            payload = json.dumps(command | {"id": f"{command['id']}-{self._sent}"}).encode()
        await self.inner.publish(topic, payload, expires_in=expires_in)


@dataclass(frozen=True, slots=True)
class Bug:
    """A planted bug, and the promises of which it breaks at least one."""

    adapters: Adapters
    breaks: frozenset[str]


def _bug(breaks: str, adapters: Adapters) -> Bug:
    return Bug(adapters, frozenset(breaks.split()))


BUGS: dict[str, Bug] = {
    "acknowledged before the commit": _bug("I1", Adapters(store=EarlyStore)),
    "the ledger outside the transaction": _bug("I2 I5", Adapters(connection=SplitCommit)),
    "duplicates forgotten at a restart": _bug("I3 I5 I6 I11", Adapters(store=ForgetfulStore)),
    "half a snapshot taken for a whole one": _bug("I1 I3 I5 I6 I12", Adapters(store=HastySnapshots)),
    "the end of the journal lost without a word": _bug("I1 I12", Adapters(store=TrimmingStore)),
    "syncs that are none": _bug("I1 I12", Adapters(disk=LyingDisk)),
    "effects forgotten at a restart": _bug("I2 I3 I4", Adapters(store=UndeliveringStore)),
    "receipts that are not kept": _bug("I3 I5", Adapters(store=NoReceiptsStore)),
    "acknowledged on arrival": _bug("I1", Adapters(transport=AutomaticAcks)),
    "an expired command is sent": _bug("I4", Adapters(transport=QueueingTransport)),
    "a new id for each try": _bug("I2 I4", Adapters(transport=RenamingTransport)),
}
