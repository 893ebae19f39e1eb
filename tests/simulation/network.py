"""The way between the engine and the broker: it delays, loses and cuts. A Transport around another.

House rule: it never does what MQTT can't do: order within a connection stays, and what is not acknowledged comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from iotrules.model.errors import UnavailableError
from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken, OnBatch, Transport
from iotrules.transports.memory import MemoryBroker

ENGINE = "engine"
NOTICES_AFTER = 1.0
"""Virtual seconds until somebody who is not answered gives up."""


class Weather:
    """How the network is at the moment."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self.slow = 0.0
        self.loses_acks = False
        self.publishing: str = ""
        """"" all is well; "refused", or "taken": and the engine is not told."""

    async def cut(self, secs: float) -> None:
        if secs:
            self._broker.cut(ENGINE)
            await asyncio.sleep(secs)  # virtual time
            self._broker.join(ENGINE)
        else:
            self._broker.drop_connection(ENGINE)

    async def lose_acks(self, secs: float) -> None:
        self.loses_acks = True
        await asyncio.sleep(secs)  # virtual time
        self.loses_acks = False
        self._broker.drop_connection(ENGINE)

    async def lose_publishing(self, secs: float, *, taken: bool) -> None:
        self.publishing = "taken" if taken else "refused"
        await asyncio.sleep(secs)  # virtual time
        self.publishing = ""

    async def slow_down(self, secs: float, by: float) -> None:
        self.slow = by
        await asyncio.sleep(secs)  # virtual time
        self.slow = 0.0


class Network:
    """The port `Transport`. `now` is the engine's clock; `published` is told of what the broker gets."""

    def __init__(
        self, inner: Transport, weather: Weather, now: Callable[[], int], published: Callable[[str, bytes], None]
    ) -> None:
        self._inner = inner
        self._published = published
        self._weather = weather
        self._now = now
        self._on_batch: OnBatch = lambda batch: None
        self._last = 0.0

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
        self._on_batch = on_batch
        await self._inner.start(filters, self._arrived, dropped)

    async def resubscribe(self, filters: Sequence[str]) -> None:
        await self._inner.resubscribe(filters)

    def acknowledge(self, tokens: Sequence[AckToken]) -> None:
        if not self._weather.loses_acks:
            self._inner.acknowledge(tokens)

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        state = self._weather.publishing
        if state != "refused":
            if self._inner.connected:
                self._published(topic, payload)
            await self._inner.publish(topic, payload, expires_in=expires_in)
        if state:
            await asyncio.sleep(NOTICES_AFTER)  # virtual time
            raise UnavailableError(f"nobody answered about a message to {topic} (by script)")

    async def stop(self) -> None:
        await self._inner.stop()

    def _arrived(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        loop = asyncio.get_running_loop()
        due = max(self._last, loop.time() + self._weather.slow)
        if due > loop.time():
            self._last = due
            loop.call_at(due, self._hand_over, batch)
        else:
            self._hand_over(batch)

    def _hand_over(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        now = self._now()
        self._on_batch([(msgspec.structs.replace(arrival, received=now), token) for arrival, token in batch])
