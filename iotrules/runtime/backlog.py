"""Is what the broker had kept for us behind us? After each connection we send ourselves a mark, which comes back last.

House rule: while it is not, or while we are cut off, wall clock moves no timer.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence

import structlog

from iotrules.model.errors import UnavailableError
from iotrules.model.inputs import Arrival
from iotrules.model.times import SECOND
from iotrules.ports import AckToken, Clock, Transport

log = structlog.get_logger()

LIMIT = 10.0
"""Seconds to wait for the mark before time goes on without it."""


class Backlog:
    """Watches one transport. `changed` is called when time may pass again, or a new mark is needed."""

    def __init__(self, transport: Transport, topic: str, clock: Clock, changed: Callable[[], None]) -> None:
        self.topic = topic
        self._transport = transport
        self._clock = clock
        self._changed = changed
        self._drained = 0
        self._mark = b""
        self._generation = 0
        self._deadline = 0
        self._sending: asyncio.Task[None] | None = None

    @property
    def drained(self) -> bool:
        return self._transport.connected and self._drained == self._transport.generation

    @property
    def deadline(self) -> int | None:
        """Until when the mark is waited for, ns; None if it is not."""
        return self._deadline if self._mark and self._transport.connected else None

    def watch(self) -> None:
        """Send a mark on a new connection; give up on one that does not come back."""
        if self.drained or not self._transport.connected:
            return
        now = self._clock.now()
        if not self._mark or self._generation != self._transport.generation:
            self._generation = self._transport.generation
            self._mark = f"{self._generation} {uuid.uuid4()}".encode()
            self._deadline = now + round(LIMIT * SECOND)
            self._sending = asyncio.create_task(self._send(self._mark), name="backlog mark")
        elif now >= self._deadline:
            log.warning("backlog mark did not come back", topic=self.topic, waited_s=LIMIT)
            self._passed(self._mark)

    def take_marks(self, batch: Sequence[tuple[Arrival, AckToken]]) -> Callable[[], None] | None:
        """Acknowledge the marks in a batch; what to call once everything that came before them is decided on."""
        marks = [pair for pair in batch if pair[0].topic == self.topic]
        self._transport.acknowledge([token for _, token in marks])
        for arrival, _ in marks:
            if arrival.payload == self._mark:
                return lambda: self._passed(arrival.payload)
        return None

    def _passed(self, mark: bytes) -> None:
        """The mark of a connection that is gone says nothing."""
        if mark == self._mark and self._generation == self._transport.generation:
            self._mark = b""
            self._drained = self._generation
            self._changed()

    async def _send(self, mark: bytes) -> None:
        try:
            await self._transport.publish(self.topic, mark, expires_in=LIMIT)
        except UnavailableError as error:
            log.warning("backlog mark not sent", reason=str(error))
            if mark == self._mark:
                self._mark = b""  # the next look sends another
                self._changed()
