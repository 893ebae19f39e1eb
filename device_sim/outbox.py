"""What is on its way to the broker: kept until the broker has it, in order per topic, bounded in memory."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from device_sim.device import Publication
from iotrules.model.errors import UnavailableError
from iotrules.ports import Transport

LANE = 10_000
"""How many messages of one topic wait for a broker that is away; then the oldest is dropped, counted."""
IN_FLIGHT = 500
"""How many messages of replays are with the broker at a time."""
FIRST_RETRY, LAST_RETRY = 0.1, 2.0


@dataclass(slots=True)
class Outbox:
    """Publishes at least once. `counts` gets published, acknowledged, retried and dropped."""

    tasks: asyncio.TaskGroup
    transport: Transport
    counts: Counter[str]
    on_acknowledged: Callable[[Publication], None]
    lanes: dict[str, deque[Publication]] = field(default_factory=dict)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))
    under_way: set[asyncio.Task[None]] = field(default_factory=set)

    def offer(self, publication: Publication) -> None:
        """Take a message now. One of a topic is in flight at a time, so that a retry can't overtake."""
        lane = self.lanes.get(publication.topic)
        if lane is None:
            self.lanes[publication.topic] = deque([publication])
            self._begin(self._empty_lane(publication.topic))
            return
        if len(lane) >= LANE:
            lane.popleft()
            self.counts["dropped"] += 1
        lane.append(publication)

    async def put(self, publication: Publication) -> None:
        """Take a message when there is room for it: many of one topic are in flight at a time."""
        await self.room.acquire()
        task = self._begin(self._send(publication))
        task.add_done_callback(lambda _: self.room.release())

    async def drain(self, seconds: float) -> None:
        """Wait until the broker has everything, but no longer than that; the rest is given up and counted."""
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=seconds)
        for task in self.under_way:
            task.cancel()
        self.counts["dropped"] += len(self.under_way) + sum(len(lane) for lane in self.lanes.values())

    def _begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = self.tasks.create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        return task

    async def _empty_lane(self, topic: str) -> None:
        lane = self.lanes[topic]
        while lane:
            await self._send(lane.popleft())
        del self.lanes[topic]

    async def _send(self, publication: Publication) -> None:
        self.counts["published"] += 1
        delay = FIRST_RETRY
        while not await self._attempt(publication):
            self.counts["retried"] += 1
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_RETRY)
        self.counts["acknowledged"] += 1
        self.on_acknowledged(publication)

    async def _attempt(self, publication: Publication) -> bool:
        try:
            await self.transport.publish(publication.topic, publication.payload)
        except UnavailableError:
            return False
        return True
