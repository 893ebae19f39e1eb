"""One MQTT 5 connection: a paho client on a thread of its own, that tells the event loop things in batches.

A connection is used once, so that its packet identifiers can't be mistaken for another connection's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from iotrules.model.errors import ConfigError, UnavailableError
from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken
from iotrules.transports.address import BrokerAddress
from iotrules.transports.reasons import TAKEN_OVER, explain_failure, explain_refusal
from iotrules.transports.tls import tls_context

KEEP_ALIVE = 20
"""Seconds. Brokers may refuse 0, and with it a dead peer would go unnoticed."""

UNREAD_LIMIT, UNREAD_BYTES = 50_000, 128 * 1024 * 1024
"""So much read and not yet acknowledged by us stops the reading, until there is less.

A broker that keeps to our Receive Maximum stays far below with QoS 1. What comes at QoS 0, or from one that does not
keep to it, waits in the sockets, and with the broker.
"""

LARGEST_TAKEN = 16 * 1024 * 1024
"""Bytes of a packet that the broker may send us; it discards larger ones, so that none can fill our memory."""

_SESSION_EXPIRY = 24 * 3600
_WINDOW = 1000
_ANY_SIZE = 268_435_455  # MQTT 5 §1.5.5: the largest remaining length
_PUBLISH_OVERHEAD = 32
_USER_TIMEOUT_MS = 10_000  # with KEEP_ALIVE: a silent peer is noticed after 1.5 of them


@dataclass(frozen=True, slots=True)
class Settings:
    """How to connect."""

    address: BrokerAddress
    client_id: str
    persistent: bool
    receive_maximum: int
    connect_timeout: float
    clock: Callable[[], int]
    retained: bool = True
    """Is what the broker retained wanted, with a new subscription?"""
    outstanding: Outstanding = field(default_factory=lambda: Outstanding())


class Opened(NamedTuple):
    """The broker's welcome: whether it knew our session, and how many publishes it takes at once."""

    session_present: bool
    window: int


class Closed(NamedTuple):
    """Why a connection ended; `final`: another client took our client id, and coming back would fight it.

    `wordless`: the broker hung up without a reason, as some do when another client takes the id.
    """

    reason: str
    final: bool
    wordless: bool


class Token(NamedTuple):
    """What acknowledges one message."""

    connection: Connection
    packet_id: int
    """0: it came at QoS 0, and the broker waits for nothing."""
    size: int = 0


class Outstanding:
    """How much a transport has read and not acknowledged, over all of its connections.

    The thread that reads adds what it took, the event loop what is acknowledged: each writes its own numbers.
    """

    __slots__ = ("_bytes_done", "_bytes_taken", "_done", "_taken")

    def __init__(self) -> None:
        self._taken = self._bytes_taken = self._done = self._bytes_done = 0

    def take(self, size: int) -> None:
        self._taken += 1
        self._bytes_taken += size

    def settle(self, size: int) -> None:
        self._done += 1
        self._bytes_done += size

    @property
    def messages(self) -> int:
        return self._taken - self._done

    @property
    def is_full(self) -> bool:
        return self.messages > UNREAD_LIMIT or self._bytes_taken - self._bytes_done > UNREAD_BYTES


Batch: TypeAlias = list[tuple[Arrival, AckToken]]
Taken: TypeAlias = list[tuple[int, ReasonCode]]


class Connection:
    """Owns a socket and a thread, from `open` until `closed` is done.

    On the event loop, `on_batch` gets messages, and `on_taken` the packet identifiers that the broker took.
    """

    def __init__(
        self, settings: Settings, on_batch: Callable[[Batch], None], on_taken: Callable[[Taken], None]
    ) -> None:
        self._settings = settings
        self._on_batch = on_batch
        self._on_taken = on_taken
        self._loop = asyncio.get_running_loop()
        self._arrivals: deque[tuple[Arrival, AckToken]] = deque()
        self._taken: deque[tuple[int, ReasonCode]] = deque()
        self._room = threading.Event()
        self._awake = False
        self._stopping = False
        self._reason = ""
        self._last_error = ""
        self._in_order: deque[int] = deque()
        """Packet identifiers of what came and is not acknowledged, as it came."""
        self._ours: set[int] = set()
        """Of these, what is ours and waits for those before it."""
        self._final = False
        self._largest_packet = _ANY_SIZE
        self._subscriptions: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._opened: asyncio.Future[Opened] = self._loop.create_future()
        self.closed: asyncio.Future[Closed] = self._loop.create_future()
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._run, name=f"mqtt {settings.client_id}", daemon=True)

    # On the event loop's thread.

    async def open(self) -> Opened:
        """Connect; UnavailableError says why it didn't work."""
        self._thread.start()
        try:
            await self._first_of(self._opened)
        except BaseException:
            self.close()
            raise
        if self._opened.done():
            return self._opened.result()
        self.close()
        settings = self._settings
        raise UnavailableError(
            f"the broker {settings.address.url} did not answer within {settings.connect_timeout:g} s"
        )

    async def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe at QoS 1. ConfigError: not topic filters. UnavailableError: the broker says no."""
        if not filters:
            return
        # Retained messages come with a new subscription only, not again with each connection.
        wanted = self._settings.retained
        handling = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB if wanted else SubscribeOptions.RETAIN_DO_NOT_SEND
        options = SubscribeOptions(qos=1, retainHandling=handling)
        try:
            _, packet_id = self._client.subscribe([(name, options) for name in filters])
        except ValueError as error:
            raise ConfigError(f"not topic filters: {', '.join(filters)} ({error})") from error
        if packet_id is None:
            raise UnavailableError("the connection to the broker was lost while subscribing")
        answer: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._subscriptions[packet_id] = answer
        await self._first_of(answer)
        if not answer.done():
            raise UnavailableError(f"the broker did not answer a subscription to {', '.join(filters)}")
        _check_subscriptions(filters, answer.result())

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Ask the broker to end these subscriptions of the session; it may still send what it had queued."""
        if filters:
            self._client.unsubscribe(list(filters))

    def publish(self, topic: str, payload: bytes, expires_in: int | None) -> int:
        """Send at QoS 1, and return the packet identifier; ValueError: an impossible topic, or too large."""
        if not topic:
            raise ValueError("an empty topic")
        if len(topic) + len(payload) + _PUBLISH_OVERHEAD > self._largest_packet:
            raise ValueError(f"the broker takes no more than {self._largest_packet} bytes")
        properties = _properties(PacketTypes.PUBLISH)
        if expires_in is not None:
            properties.MessageExpiryInterval = expires_in
        return self._client.publish(topic, payload, qos=1, retain=False, properties=properties).mid

    def acknowledge(self, packet_id: int) -> None:
        """Tell the broker that a message is ours, once all that came before it are: it may insist on that order.

        Source: MQTT 5.0, 4.6 [MQTT-4.6.0-2].
        """
        self._ours.add(packet_id)
        while self._in_order and self._in_order[0] in self._ours:
            first = self._in_order.popleft()
            self._ours.discard(first)
            self._client.ack(first, 1)

    def settle(self, tokens: Sequence[AckToken]) -> None:
        """These don't count any more as read and not acknowledged, whichever connection they came by."""
        for token in tokens:
            if isinstance(token, Token):
                self._settings.outstanding.settle(token.size)
        self._room.set()

    def close(self) -> None:
        """Say goodbye after what was already to be sent; `closed` is done when the thread has ended."""
        self._stopping = True
        self._client.disconnect()

    async def _first_of(self, wanted: asyncio.Future[Any]) -> None:
        limit = self._settings.connect_timeout
        await asyncio.wait({wanted, self.closed}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if self.closed.done() and not wanted.done():
            raise UnavailableError(self.closed.result().reason)

    def _drain(self) -> None:
        self._awake = False
        arrivals, taken = self._arrivals, self._taken
        batch = [arrivals.popleft() for _ in range(len(arrivals))]
        if taken:
            self._on_taken([taken.popleft() for _ in range(len(taken))])
        if not batch:
            return
        if self._stopping:  # nobody will acknowledge these
            self.settle([token for _, token in batch])
        else:
            self._on_batch(batch)

    def _set_opened(self, opened: Opened) -> None:
        if not self._opened.done():
            self._opened.set_result(opened)

    def _set_subscribed(self, packet_id: int, codes: list[ReasonCode]) -> None:
        answer = self._subscriptions.pop(packet_id, None)
        if answer is not None and not answer.done():
            answer.set_result(codes)

    def _set_closed(self) -> None:
        reason = self._reason or self._last_error or "the broker closed the connection"
        wordless = not (self._reason or self._last_error or self._stopping)
        self.closed.set_result(Closed(reason, self._final, wordless))

    # On the connection's own thread, where everything that paho does happens.

    def _run(self) -> None:
        try:
            self._connect()
            while self._client.loop(1.0) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._wait_for_room()
        except Exception as error:  # noqa: BLE001 - the thread's supervised spot: paho may meet a malformed packet
            self._reason = explain_failure(error, self._settings.address)
            self._client.disconnect()
        self._tell(self._set_closed)

    def _connect(self) -> None:
        settings = self._settings
        properties = _properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = settings.receive_maximum
        properties.MaximumPacketSize = LARGEST_TAKEN
        properties.SessionExpiryInterval = _SESSION_EXPIRY if settings.persistent else 0
        self._client.connect(
            settings.address.host,
            settings.address.port,
            keepalive=KEEP_ALIVE,
            clean_start=not settings.persistent,
            properties=properties,
        )
        if self._stopping:
            self._client.disconnect()

    def _wait_for_room(self) -> None:
        while self._settings.outstanding.is_full and not self._stopping:
            self._room.clear()
            self._room.wait(0.1)
            self._client.loop_misc()

    def _tell(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(call, *args)

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            self._tell(self._drain)

    def _on_message(self, _client: Client, _data: None, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError as error:
            topic = error.object.decode("utf-8", "backslashreplace")
        token = Token(self, message.mid if message.qos else 0, len(message.payload))
        if token.packet_id:
            self._in_order.append(token.packet_id)
        self._settings.outstanding.take(token.size)
        self._arrivals.append((Arrival(topic, bytes(message.payload), self._settings.clock()), token))
        self._wake()

    def _on_publish(self, _client: Client, _data: None, mid: int, code: ReasonCode, _p: Properties | None) -> None:
        self._taken.append((mid, code))
        self._wake()

    def _on_subscribe(
        self, _client: Client, _data: None, mid: int, codes: list[ReasonCode], _p: Properties | None
    ) -> None:
        self._tell(self._set_subscribed, mid, codes)

    def _on_connect(
        self,
        _client: Client,
        _data: None,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._reason = explain_refusal(code, self._settings.address)
            return
        self._largest_packet = getattr(properties, "MaximumPacketSize", _ANY_SIZE)
        window = min(_WINDOW, getattr(properties, "ReceiveMaximum", _WINDOW))
        self._tell(self._set_opened, Opened(flags.session_present, window))

    def _on_disconnect(
        self, _client: Client, _data: None, flags: DisconnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        if not flags.is_disconnect_packet_from_server:
            return
        self._reason = f"the broker closed the connection: {str(code).lower()}"
        if code.value == TAKEN_OVER:
            self._final = True
            self._reason = f"another client has connected with our client id {self._settings.client_id!r}"

    def _note_error(self, text: str) -> None:
        self._last_error = f"connection lost: {text}"

    def _make_client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = settings.connect_timeout
        # The window is ours: with a limit of its own paho walks all it has sent at each acknowledgement.
        client.max_inflight_messages_set(0)
        if settings.address.username is not None:
            client.username_pw_set(settings.address.username, settings.address.password)
        if settings.address.tls:
            client.tls_set_context(tls_context(settings.address))
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.enable_logger(_errors_only(self._note_error))  # `on_log` would have each packet put into words
        client.on_socket_open = _tune
        client.on_socket_register_write = _leave_it_to_the_thread
        return client


def _errors_only(tell: Callable[[str], None]) -> logging.Logger:
    """A logger that stands alone, and passes on the words of errors."""
    logger, handler = logging.Logger("mqtt", logging.ERROR), logging.Handler()
    handler.emit = lambda record: tell(record.getMessage())  # type: ignore[method-assign]  # a class would say no more
    logger.addHandler(handler)
    return logger


def _tune(_client: Client, _data: None, sock: Any) -> None:
    """Send at once (Nagle with delayed acknowledgements costs 22 ms), and notice a peer that went silent."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)


def _leave_it_to_the_thread(_client: Client, _data: None, _sock: Any) -> None:
    """With such a callback paho wakes its loop to write, instead of writing from the calling thread."""


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves this constructor untyped


def _check_subscriptions(filters: Sequence[str], codes: Sequence[ReasonCode]) -> None:
    refused = [f"{name}: {str(code).lower()}" for name, code in zip(filters, codes, strict=False) if code.is_failure]
    if refused:
        raise UnavailableError(f"the broker refuses our subscription to {', '.join(refused)}")
