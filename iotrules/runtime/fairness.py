"""Who is next when more has come than is decided on at once: every topic in its turn, each in its own order.

House rule: while there is room for all, everything keeps the order in which it came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken

Pair: TypeAlias = tuple[Arrival, AckToken]


class Turns:
    """What waits. Bounded by what the transport may have handed over without an acknowledgement."""

    def __init__(self) -> None:
        self._fresh: list[Pair] = []
        self._lanes: dict[str, deque[tuple[int, Pair]]] = {}
        """By topic, with the place in the order in which all came; the topic whose turn is next is first."""
        self._waiting = 0
        self._count = 0

    def __len__(self) -> int:
        return len(self._fresh) + self._waiting

    def put(self, batch: Sequence[Pair]) -> None:
        self._fresh.extend(batch)

    def take(self, most: int) -> list[Pair]:
        """At most so many, in the order in which they came; of each topic as many as are due to it."""
        if not self._lanes and len(self._fresh) <= most:
            taken, self._fresh = self._fresh, []
            return taken
        self._queue_up()
        chosen: list[tuple[int, Pair]] = []
        while self._lanes and len(chosen) < most:
            topic = next(iter(self._lanes))
            lane = self._lanes.pop(topic)
            chosen.append(lane.popleft())
            if lane:
                self._lanes[topic] = lane  # at the end: the others come first
        self._waiting -= len(chosen)
        chosen.sort(key=lambda one: one[0])
        return [pair for _, pair in chosen]

    def _queue_up(self) -> None:
        for pair in self._fresh:
            self._count += 1
            lane = self._lanes.get(pair[0].topic)
            if lane is None:
                lane = self._lanes[pair[0].topic] = deque()
            lane.append((self._count, pair))
        self._waiting += len(self._fresh)
        self._fresh = []


class Portion:
    """How many messages are decided on at once: so many as take about `target` seconds, by what the last ones took."""

    def __init__(self, target: float, least: int, most: int) -> None:
        self._target = target
        self._least = least
        self._most = most
        self._each = 0.0

    @property
    def size(self) -> int:
        """Messages."""
        if self._each <= 0:
            return self._most
        return max(self._least, min(self._most, int(self._target / self._each)))

    def learn(self, messages: int, seconds: float) -> None:
        """Deciding on so many took so long."""
        if messages >= self._least:  # a few tell more of the clock than of the messages
            each = seconds / messages
            self._each = each if not self._each else 0.7 * self._each + 0.3 * each
