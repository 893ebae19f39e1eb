"""The Transport over MQTT 5 with stock paho: at least once both ways, acknowledged by hand, reconnecting.

Each connection is a new paho client. Publishes that the broker has not taken belong to us, not to paho: they
go out again on the next connection, and one that was given up on is not sent any more.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from iotrules.model.errors import ConfigError, UnavailableError
from iotrules.ports import AckToken, OnBatch
from iotrules.transports.address import BrokerAddress
from iotrules.transports.connection import Batch, Connection, Opened, Settings, Taken, Token

RETRY_FIRST = 0.2
RETRY_LAST = 5.0
"""Seconds between attempts to connect: doubled each time from the first, to the last, with jitter."""

QUARREL = 5
"""So many connections that the broker took up with our session, and closed without a word before RETRY_LAST, with none
between them that lasted or failed, are those of two clients with one client id, each taking it from the other."""

_STOP_TIMEOUT = 3.0


@dataclass(slots=True)
class _Publication:
    topic: str
    payload: bytes
    expires_at: float | None
    taken: asyncio.Future[None]


class MqttTransport:
    """A client of a broker. If another takes its client id it stays away: see `failure`; publish raises.

    Without `retained` nothing is taken that the broker has kept from before our subscription.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        persistent: bool = True,
        receive_maximum: int = 1000,
        connect_timeout: float = 10.0,
        publish_timeout: float = 10.0,
        on_status: Callable[[str], None] | None = None,
        clock: Callable[[], int] = time.time_ns,
        permitted: Callable[[], bool] = lambda: True,
        retained: bool = True,
    ) -> None:
        """`permitted` is asked before each connection: another engine may have our client id by now."""
        self._permitted = permitted
        self._quarrel = 0
        self._settings = Settings(address, client_id, persistent, receive_maximum, connect_timeout, clock, retained)
        self._publish_timeout = publish_timeout
        self._on_status = on_status
        self._filters: tuple[str, ...] = ()
        self._on_batch: OnBatch | None = None
        self._connection: Connection | None = None
        self._ready = False
        self._window = 0
        self._waiting: deque[_Publication] = deque()
        self._under_way: dict[int, _Publication] = {}
        self._supervisor: asyncio.Task[None] | None = None
        self._attempt = 0
        self._settled = True
        self._gone: set[str] = set()
        self.generation = 0
        self.failure: str | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker has us, with our subscriptions, now."""
        return self._ready

    async def start(self, filters: Sequence[str], on_batch: OnBatch, dropped: Sequence[str] = ()) -> None:
        """Connect and subscribe. UnavailableError: no way in. ConfigError: unusable TLS files or filters."""
        if self._supervisor is not None:
            raise RuntimeError("this transport has been started already")
        self._filters = tuple(filters)
        self._on_batch = on_batch
        self.failure = None
        await self._connect(subscribe_always=True)
        if self._connection is not None:
            self._connection.unsubscribe(dropped)
        self._supervisor = asyncio.create_task(self._supervise(), name=f"mqtt {self._settings.client_id}")

    async def resubscribe(self, filters: Sequence[str]) -> None:
        """Have exactly these filters from now on; the broker is asked for what is new, and told of what is gone.

        ConfigError: not topic filters. UnavailableError: the broker says no.
        """
        self._gone = (self._gone | set(self._filters)) - set(filters)
        self._filters = tuple(filters)
        self._settled = False  # a session that the broker kept for us has the filters of before
        connection = self._connection
        if connection is None or not self._ready:
            return
        try:
            await self._settle_subscriptions(connection)
        except UnavailableError:
            if not connection.closed.done():  # else the next connection asks for them
                self._settled = True  # the broker has answered; asking it again and again would keep us away
                raise

    def acknowledge(self, tokens: Sequence[AckToken]) -> None:
        """Acknowledge in the order given; tokens of an earlier connection are skipped: the broker resends."""
        connection = self._connection
        for token in tokens:
            if isinstance(token, Token):
                if token.packet_id and token.connection is connection:
                    connection.acknowledge(token.packet_id)
                self._settings.outstanding.settle(token.size)

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        """Publish at QoS 1, and wait for the broker's acknowledgement, across reconnections if need be.

        `expires_in` (seconds) counts from now. UnavailableError: refused, expired, or not taken in time, but
        what was under way may still arrive. ValueError: a topic that can't be published to.
        """
        if self._supervisor is None or self.failure is not None:
            raise UnavailableError(self.failure or "the connection to the broker has not been started")
        loop = asyncio.get_running_loop()
        expires_at = None if expires_in is None else loop.time() + expires_in
        publication = _Publication(topic, payload, expires_at, loop.create_future())
        self._waiting.append(publication)
        self._pump()
        try:
            async with asyncio.timeout(self._publish_timeout):
                await publication.taken
        except TimeoutError:
            limit = f"{self._publish_timeout:g} s"
            raise UnavailableError(f"the broker did not take a message to {topic} within {limit}") from None

    async def stop(self) -> None:
        """Disconnect after the acknowledgements given so far; a persistent session stays with the broker."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait({supervisor})
        connection = self._drop_connection()
        self._fail_publishes("the connection to the broker is being stopped")
        if connection is not None:
            connection.close()
            await asyncio.wait({connection.closed}, timeout=_STOP_TIMEOUT)

    async def _connect(self, *, subscribe_always: bool) -> None:
        if not self._permitted():
            raise UnavailableError("another engine may have taken over: not connecting before that is known")
        connection = Connection(self._settings, self._hand_over, self._broker_took)
        # Before it opens: a session that was present delivers at once, and is acknowledged through this.
        self._connection = connection
        try:
            opened = await connection.open()
            self.generation += 1
            if subscribe_always or not self._settled or not opened.session_present:
                await self._settle_subscriptions(connection)
        except BaseException:
            self._drop_connection()
            connection.close()
            raise
        self._begin(opened)

    async def _settle_subscriptions(self, connection: Connection) -> None:
        connection.unsubscribe(sorted(self._gone))
        await connection.subscribe(self._filters)
        self._settled = True
        self._gone.clear()

    def _begin(self, opened: Opened) -> None:
        self._window = opened.window
        self._ready = True
        if not opened.session_present:
            self._quarrel = 0  # another client with our id would have kept it
        session = "our session was kept" if opened.session_present else "new session"
        self._say(f"connected to the broker {self._settings.address.url} ({session})")
        self._pump()

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        while self._connection is not None:
            since = loop.time()
            reason, final, wordless = await asyncio.shield(self._connection.closed)
            self._drop_connection()
            soon = loop.time() - since <= RETRY_LAST
            self._quarrel = self._quarrel + wordless if soon else 0
            if self._quarrel >= QUARREL:
                reason, final = self._quarrelling(), True
            if final:
                self._give_up(f"{reason}; this one stays away: give each its own client id (--name)")
                return
            if not soon:
                self._attempt = 0
            await self._reconnect(reason)

    async def _reconnect(self, reason: str) -> None:
        while True:
            delay = _retry_delay(self._attempt)
            self._attempt += 1
            self._say(f"not connected to the broker, trying again in {delay:.1f} s: {reason}")
            await asyncio.sleep(delay)
            try:
                await self._connect(subscribe_always=False)
                return
            except (UnavailableError, ConfigError) as error:
                reason = str(error)
                self._quarrel = 0  # the broker is away, rather than another client there

    def _quarrelling(self) -> str:
        return (
            f"the broker has closed {self._quarrel} connections in a row soon after it took them up, as when another "
            f"client uses our client id {self._settings.client_id!r}"
        )

    def _drop_connection(self) -> Connection | None:
        """Forget the connection; what was under way on it waits, in its order, for the next one."""
        connection, self._connection = self._connection, None
        self._ready = False
        self._waiting.extendleft(reversed(self._under_way.values()))
        self._under_way.clear()
        return connection

    def _hand_over(self, batch: Batch) -> None:
        if self._on_batch is not None:
            self._on_batch(batch)

    def _broker_took(self, taken: Taken) -> None:
        for packet_id, code in taken:
            publication = self._under_way.pop(packet_id, None)
            if publication is None or publication.taken.done():
                continue
            if code.is_failure:
                text = f"the broker refused a message to {publication.topic}: {str(code).lower()}"
                publication.taken.set_exception(UnavailableError(text))
            else:
                publication.taken.set_result(None)
        self._pump()

    def _pump(self) -> None:
        """Send what waits, as far as the broker's window lets us."""
        while self._ready and self._waiting and len(self._under_way) < self._window:
            publication = self._waiting.popleft()
            if not publication.taken.done():
                self._send(publication)

    def _send(self, publication: _Publication) -> None:
        assert self._connection is not None  # noqa: S101 - _ready means that there is one
        left = None
        if publication.expires_at is not None:
            left = publication.expires_at - asyncio.get_running_loop().time()
            if left <= 0:
                text = f"a message to {publication.topic} expired before the broker took it"
                publication.taken.set_exception(UnavailableError(text))
                return
        try:
            packet_id = self._connection.publish(
                publication.topic, publication.payload, None if left is None else math.ceil(left)
            )
        except ValueError as error:
            publication.taken.set_exception(ValueError(f"can't publish to {publication.topic!r}: {error}"))
        else:
            self._under_way[packet_id] = publication

    def _give_up(self, reason: str) -> None:
        self.failure = reason
        self._fail_publishes(reason)
        self._say(reason)

    def _fail_publishes(self, reason: str) -> None:
        for publication in self._waiting:
            if not publication.taken.done():
                publication.taken.set_exception(UnavailableError(reason))
        self._waiting.clear()

    def _say(self, text: str) -> None:
        if self._on_status is not None:
            self._on_status(text)


def _retry_delay(attempt: int) -> float:
    longest = min(RETRY_LAST, RETRY_FIRST * 2 ** min(attempt + 1, 10))
    return random.uniform(RETRY_FIRST, longest)  # noqa: S311 - spreads clients out, keeps no secret
