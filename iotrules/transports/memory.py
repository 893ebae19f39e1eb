"""A broker inside the process, and the Transport to it: for runs in virtual time and for tests.

It keeps MQTT's promises (sessions, at least once, order, Receive Maximum, expiry) without socket or thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from iotrules.model.errors import UnavailableError
from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken, OnBatch

_NS = 1_000_000_000


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT topic filter matches a topic (MQTT 5 §4.7): `+` is one level, `#` the rest."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


class _Message(NamedTuple):
    topic: str
    payload: bytes
    expires_at: int | None


class _Token(NamedTuple):
    generation: int
    packet_id: int


@dataclass(slots=True)
class _Session:
    """What the broker remembers of one client: `queue` is yet to be sent, `unacknowledged` was."""

    filters: tuple[str, ...] = ()
    queue: deque[_Message] = field(default_factory=deque)
    unacknowledged: dict[int, _Message] = field(default_factory=dict)
    client: MemoryTransport | None = None

    def disconnect(self) -> None:
        """What was not acknowledged is to be sent again, first."""
        self.queue.extendleft(reversed(self.unacknowledged.values()))
        self.unacknowledged.clear()
        self.client = None


class MemoryBroker:
    """Routes messages to sessions. With `available = False` it refuses everything; `clock` is in ns."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self.clock = clock
        self.available = True
        self.cut_off: set[str] = set()
        """Client ids that do not reach us, and we not them."""
        self._sessions: dict[str, _Session] = {}

    def publish(self, topic: str, payload: bytes, expires_in: float | None = None) -> None:
        """Take a message, as from a client that is not of this process's transports."""
        if not topic or "+" in topic or "#" in topic:
            raise ValueError(f"can't publish to {topic!r}: not a topic")
        expires_at = None if expires_in is None else self.clock() + int(expires_in * _NS)
        message = _Message(topic, payload, expires_at)
        for session in self._sessions.values():
            if any(topic_matches(name, topic) for name in session.filters):
                session.queue.append(message)
                if session.client is not None:
                    session.client.wake()

    def drop_connection(self, client_id: str) -> None:
        """Cut a client's connection; it comes back by itself in the next turn of the event loop."""
        session = self._sessions.get(client_id)
        if session is not None and session.client is not None:
            session.client.drop_connection()

    def cut(self, client_id: str) -> None:
        """Take a client's connection away, until `join`; its session stays."""
        self.cut_off.add(client_id)
        self.drop_connection(client_id)

    def join(self, client_id: str) -> None:
        """A client that was cut off may come back; it tries again by itself."""
        self.cut_off.discard(client_id)

    def accepts(self, client_id: str) -> bool:
        """Can this client connect now?"""
        return self.available and client_id not in self.cut_off

    def connect(self, client: MemoryTransport, client_id: str, *, clean: bool) -> _Session:
        """The client's session; a second client with the same id takes it over from the first."""
        if not self.accepts(client_id):
            raise UnavailableError("the broker does not accept connections")
        session = self._sessions.setdefault(client_id, _Session())
        if session.client is not None and session.client is not client:
            session.client.taken_over()
        session.client = client
        if clean:
            session.queue.clear()
        return session

    def forget(self, client_id: str) -> None:
        """End a client's session."""
        self._sessions.pop(client_id, None)


class MemoryTransport:
    """A client of a MemoryBroker; batches come in the next turn of the event loop."""

    def __init__(
        self, broker: MemoryBroker, client_id: str, *, persistent: bool = True, receive_maximum: int = 1000
    ) -> None:
        self._broker = broker
        self._client_id = client_id
        self._persistent = persistent
        self._receive_maximum = receive_maximum
        self._filters: tuple[str, ...] = ()
        self._on_batch: OnBatch | None = None
        self._session: _Session | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awake = False
        self.generation = 0
        self._packet_id = 0
        self.failure: str | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker has us now."""
        return self._session is not None

    async def start(self, filters: Sequence[str], on_batch: OnBatch, dropped: Sequence[str] = ()) -> None:
        """Connect and subscribe; UnavailableError if the broker is not available."""
        self._loop = asyncio.get_running_loop()
        self._filters = tuple(filters)
        self._on_batch = on_batch
        self.failure = None
        self._connect(clean=not self._persistent)

    async def resubscribe(self, filters: Sequence[str]) -> None:
        """Have exactly these filters from now on."""
        self._filters = tuple(filters)
        if self._session is not None:
            self._session.filters = self._filters

    def acknowledge(self, tokens: Sequence[AckToken]) -> None:
        """Acknowledge; tokens of an earlier connection are skipped."""
        if self._session is None:
            return
        for token in tokens:
            if isinstance(token, _Token) and token.generation == self.generation:
                self._session.unacknowledged.pop(token.packet_id, None)
        self.wake()

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        """Hand a message to the broker; UnavailableError if it is away."""
        if self._session is None or not self._broker.available:
            raise UnavailableError(f"the broker did not take a message to {topic}: not connected")
        self._broker.publish(topic, payload, expires_in)
        await asyncio.sleep(0)  # as at a real broker, others run before its answer comes

    async def stop(self) -> None:
        """Disconnect; a persistent session stays with the broker."""
        if self._session is not None and not self._persistent:
            self._broker.forget(self._client_id)
        self._disconnect()
        self._on_batch = None

    def drop_connection(self) -> None:
        """Lose the connection as by a network fault, and come back by ourselves."""
        if self._session is None or self._loop is None:
            return
        self._disconnect()
        self._loop.call_soon(self._come_back)

    def taken_over(self) -> None:
        """Another client has connected with our client id: stay away."""
        self._disconnect()
        self._on_batch = None
        self.failure = f"another client has connected with our client id {self._client_id!r}"

    def wake(self) -> None:
        """There may be something to hand over."""
        if self._loop is not None and not self._awake:
            self._awake = True
            self._loop.call_soon(self._drain)

    def _connect(self, *, clean: bool) -> None:
        self.generation += 1
        self._session = self._broker.connect(self, self._client_id, clean=clean)
        self._session.filters = self._filters
        self.wake()

    def _disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.disconnect()

    def _come_back(self) -> None:
        if self._on_batch is None or self._session is not None:
            return
        if not self._broker.accepts(self._client_id):
            assert self._loop is not None  # noqa: S101 - set by start
            self._loop.call_later(0.2, self._come_back)
            return
        self._connect(clean=False)

    def _drain(self) -> None:
        self._awake = False
        session = self._session
        if session is None or self._on_batch is None:
            return
        batch: list[tuple[Arrival, AckToken]] = []
        now = self._broker.clock()
        while session.queue and len(session.unacknowledged) < self._receive_maximum:
            message = session.queue.popleft()
            if message.expires_at is None or message.expires_at > now:
                batch.append((Arrival(message.topic, message.payload, now), self._sent(session, message)))
        if batch:
            self._on_batch(batch)

    def _sent(self, session: _Session, message: _Message) -> _Token:
        self._packet_id += 1
        session.unacknowledged[self._packet_id] = message
        return _Token(self.generation, self._packet_id)
