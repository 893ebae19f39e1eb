"""The deliverer: carries out the effects in the ledger, in order per lane, each until it is settled.

House rule: an effect gets here only after it was committed, leaves only while the store is surely ours, and the next
one of its lane leaves only after the receipt of the one before is durable.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from iotrules.engine.state import Remembered
from iotrules.model.backoff import backoff
from iotrules.model.decisions import Effect, Invoke, Key, PublishMessage, SendCommand
from iotrules.model.errors import UnavailableError
from iotrules.model.inputs import Receipt
from iotrules.model.times import SECOND
from iotrules.ports import Clock, Functions, Lease, LedgerRow, Transport
from iotrules.runtime.inbox import Inbox

MAX_ATTEMPTS = 3
"""Of a function, as Lambda's asynchronous invocation: one try and two retries."""

FIRST_BACKOFF, LAST_BACKOFF = 0.5, 30.0
"""Seconds, doubling, with jitter."""

Lane = tuple[str, str]


class Deliverer:
    """One task per lane that has something to deliver: (function, key), or all that is published for a key."""

    def __init__(
        self,
        transport: Transport,
        functions: Functions,
        clock: Clock,
        inbox: Inbox,
        remembered: Callable[[Key], Remembered],
        jitter: random.Random,
        lease: Lease,
    ) -> None:
        self._transport = transport
        self._functions = functions
        self._clock = clock
        self._inbox = inbox
        self._remembered = remembered
        self._jitter = jitter
        self._lease = lease
        self._lanes: dict[Lane, deque[LedgerRow]] = {}
        self._held: set[str] = set()
        self._fault: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, rows: Iterable[LedgerRow]) -> None:
        """Take over effects that are in the ledger, in its order; those that it has already are left alone."""
        for row in rows:
            if row.effect.id in self._held:
                continue
            self._held.add(row.effect.id)
            lane = _lane(row.effect)
            waiting = self._lanes.get(lane)
            if waiting is None:
                self._lanes[lane] = deque([row])
                task = asyncio.create_task(self._run(lane), name=f"deliver {lane}")
                self._tasks.add(task)
                task.add_done_callback(self._ended)
            else:
                waiting.append(row)

    @property
    def waiting(self) -> int:
        """Effects that are not settled yet."""
        return sum(len(lane) for lane in self._lanes.values())

    def check(self) -> None:
        """Raise what ended a lane that should not have ended: better no engine than one that stops no machine."""
        if self._fault is not None:
            raise self._fault

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fault = task.exception()
            self._inbox.wake()

    async def stop(self) -> None:
        """Stop delivering; what is not settled stays in the ledger."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, lane: Lane) -> None:
        waiting = self._lanes[lane]
        while waiting:
            await self._deliver(waiting[0])
            self._held.discard(waiting.popleft().effect.id)
        del self._lanes[lane]

    async def _deliver(self, row: LedgerRow) -> None:
        """Try until the engine says that the effect is settled."""
        attempts, next_try = row.attempts, row.next_try
        while True:
            if pause := self._wait(attempts, next_try):
                await asyncio.sleep(pause)  # the backoff
            await self._lease.confirm()
            receipt = await self._attempt(row.effect, attempts)
            change = await self._inbox.settle(receipt)
            if change is None or change.state != "pending":
                return
            attempts += receipt.outcome == "retry"
            next_try = change.next_try

    def _wait(self, attempts: int, next_try: int) -> float:
        """Seconds until the next try; never more than its backoff, for the clock may have been set back meanwhile."""
        longest = backoff(attempts - 1, FIRST_BACKOFF, LAST_BACKOFF) if attempts else 0.0
        return min(max(0, next_try - self._clock.now()) / SECOND, longest)

    async def _attempt(self, effect: Effect, attempts: int) -> Receipt:
        match effect:
            case Invoke():
                return await self._invoke(effect, attempts)
            case SendCommand() | PublishMessage():
                return await self._publish(effect, attempts)

    async def _invoke(self, effect: Invoke, attempts: int) -> Receipt:
        device = self._remembered(effect.key)
        event = effect.event | {"state": device.body, "state_version": device.version}
        try:
            result = await self._functions.invoke(effect.function, msgspec.json.encode(event), str(uuid.uuid4()))
        except UnavailableError as error:
            return Receipt(effect.id, "retry", str(error), self._later(attempts))
        except KeyError:
            known = ", ".join(sorted(self._functions.names())) or "none"
            detail = f'no function "{effect.function}"; the template has: {known}'
            return Receipt(effect.id, "failed", detail)
        if result.answer is not None:
            return Receipt(effect.id, "done", answer=result.answer, state_version=device.version, usage=result.usage)
        detail = f"{result.error_type}: {result.error_message}"
        if attempts + 1 >= MAX_ATTEMPTS:
            return Receipt(effect.id, "failed", f"{detail} (gave up after {MAX_ATTEMPTS} attempts)", usage=result.usage)
        return Receipt(effect.id, "retry", detail, self._later(attempts), usage=result.usage)

    async def _publish(self, effect: SendCommand | PublishMessage, attempts: int) -> Receipt:
        expires_in = None
        if isinstance(effect, SendCommand):
            left = effect.expires - self._clock.now()
            if left <= 0:
                return Receipt(effect.id, "expired", "not sent before it expired")
            expires_in = left / SECOND
        try:
            await self._transport.publish(effect.topic, effect.payload, expires_in=expires_in)
        except UnavailableError as error:
            return Receipt(effect.id, "retry", str(error), self._later(attempts))
        except ValueError as error:  # the broker will never take it
            return Receipt(effect.id, "failed", str(error))
        return Receipt(effect.id, "done")

    def _later(self, attempts: int) -> int:
        """When to try again: doubling, with full jitter over the upper half."""
        seconds = backoff(attempts, FIRST_BACKOFF, LAST_BACKOFF) * self._jitter.uniform(0.5, 1.0)
        return self._clock.now() + round(seconds * SECOND)


def _lane(effect: Effect) -> Lane:
    match effect:
        case Invoke(function=function, key=key):
            return (f"invoke {function}", key.text)
        case SendCommand(key=key) | PublishMessage(key=key):
            return ("publish", key.text)
