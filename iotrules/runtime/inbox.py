"""What waits to be decided on: arrivals with their tokens, receipts and requests with who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from iotrules.model.decisions import Decision, LedgerChange
from iotrules.model.inputs import Arrival, Input, Messages, Receipt
from iotrules.model.rules import RuleSet
from iotrules.model.times import SECOND
from iotrules.ports import AckToken
from iotrules.runtime.fairness import Pair, Portion, Turns
from iotrules.runtime.limits import Limits

MAX_BATCH, MIN_BATCH = 2_000, 50
"""Messages decided on and committed at once; bounds how far decided and durable can be apart."""

TURN = 0.03
"""Seconds that deciding on a batch is to take at most, by what it took so far: the next one's topics wait so long."""


@dataclass(slots=True)
class Work:
    """What one turn of the loop takes: inputs in order, with what has to happen once they are durable."""

    inputs: list[Input] = field(default_factory=list)
    tokens: list[AckToken] = field(default_factory=list)
    waiting: dict[str, asyncio.Future[LedgerChange | None]] = field(default_factory=dict)
    asked: list[tuple[Input, asyncio.Future[Decision]]] = field(default_factory=list)


class Inbox:
    """One consumer. Bounded by what the transport may have unacknowledged, by lanes of the deliverer, by clients."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._arrivals = Turns()
        self._portion = Portion(TURN, MIN_BATCH, MAX_BATCH)
        self._limits = Limits()
        self._receipts: list[tuple[Receipt, asyncio.Future[LedgerChange | None]]] = []
        self._asked: list[tuple[Input, asyncio.Future[Decision]]] = []
        self._at_end: list[Callable[[], None]] = []
        self._filled = asyncio.Event()

    def at_end(self, then: Callable[[], None]) -> None:
        """Call `then` once everything that waits now has been taken."""
        self._at_end.append(then)
        self._filled.set()

    def put_batch(self, batch: Sequence[tuple[Arrival, AckToken]], *, limited: bool) -> None:
        """Take over what the transport has read; `limited`: as far as the streams' limits let it in."""
        self._arrivals.put(self._limits.admit(batch) if limited else batch)
        self._filled.set()

    def use_limits(self, rules: RuleSet) -> None:
        """Limits are those of these rules from now on."""
        self._put_freed(self._limits.use(rules))

    def learn(self, messages: int, seconds: float) -> None:
        """Deciding on so many messages took so long."""
        self._portion.learn(messages, seconds)

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
        due = self._limits.next_due
        if due is not None:
            patience = min(patience, max(0.0, (due - self._now()) / SECOND))
        try:
            async with asyncio.timeout(patience):
                await self._filled.wait()
        except TimeoutError:
            if due is None or due > self._now():
                return Work()
        return self._take()

    def _take(self) -> Work:
        self._put_freed(self._limits.release(self._now()))
        work = Work()
        taken = self._arrivals.take(self._portion.size)
        if taken:
            work.inputs.append(Messages(tuple(arrival for arrival, _ in taken)))
            work.tokens = [token for _, token in taken]
        shed, tokens = self._limits.take_shed()
        if shed is not None:
            work.inputs.append(shed)
            work.tokens += tokens
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

    def _put_freed(self, pairs: Sequence[Pair]) -> None:
        if pairs:
            self._arrivals.put(pairs)
            self._filled.set()
