"""What waits to be decided on: arrivals with their tokens, receipts and requests with who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from iotrules.model.decisions import Decision, LedgerChange
from iotrules.model.inputs import Arrival, Input, Messages, Receipt
from iotrules.ports import AckToken

MAX_BATCH = 2_000
"""Messages decided on and committed at once; bounds how far decided and durable can be apart."""


@dataclass(slots=True)
class Work:
    """What one turn of the loop takes: inputs in order, with what has to happen once they are durable."""

    inputs: list[Input] = field(default_factory=list)
    tokens: list[AckToken] = field(default_factory=list)
    waiting: dict[str, asyncio.Future[LedgerChange | None]] = field(default_factory=dict)
    asked: list[tuple[Input, asyncio.Future[Decision]]] = field(default_factory=list)


class Inbox:
    """One consumer. Bounded by what the transport may have unacknowledged and by the deliverer's lanes."""

    def __init__(self) -> None:
        self._arrivals: list[tuple[Arrival, AckToken]] = []
        self._receipts: list[tuple[Receipt, asyncio.Future[LedgerChange | None]]] = []
        self._asked: list[tuple[Input, asyncio.Future[Decision]]] = []
        self._at_end: list[Callable[[], None]] = []
        self._filled = asyncio.Event()

    def at_end(self, then: Callable[[], None]) -> None:
        """Call `then` once everything that waits now has been taken."""
        self._at_end.append(then)
        self._filled.set()

    def put_batch(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        self._arrivals.extend(batch)
        self._filled.set()

    async def settle(self, receipt: Receipt) -> LedgerChange | None:
        """Hand in a receipt; returns once it is durable, with what the engine made of the effect (None: nothing)."""
        future: asyncio.Future[LedgerChange | None] = asyncio.get_running_loop().create_future()
        self._receipts.append((receipt, future))
        self._filled.set()
        return await future

    async def ask(self, value: Input) -> Decision:
        """Hand in what a person asks for; returns once it is durable, with what the engine decided."""
        future: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._asked.append((value, future))
        self._filled.set()
        return await future

    def wake(self) -> None:
        """Make a waiting `take` return, with nothing if there is nothing."""
        self._filled.set()

    async def take(self, patience: float) -> Work:
        """Everything that waits, up to a bound; after `patience` seconds without anything, nothing."""
        try:
            async with asyncio.timeout(patience):
                await self._filled.wait()
        except TimeoutError:
            return Work()
        work = Work()
        taken, self._arrivals = self._arrivals[:MAX_BATCH], self._arrivals[MAX_BATCH:]
        if taken:
            work.inputs.append(Messages(tuple(arrival for arrival, _ in taken)))
            work.tokens = [token for _, token in taken]
        for receipt, future in self._receipts:
            work.inputs.append(receipt)
            work.waiting[receipt.effect] = future
        self._receipts = []
        work.asked, self._asked = self._asked, []
        work.inputs += [value for value, _ in work.asked]
        if not self._arrivals:
            self._filled.clear()
            while self._at_end:
                self._at_end.pop()()
        return work
