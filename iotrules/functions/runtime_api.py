"""AWS's Lambda Runtime API (2018-06-01) for one execution environment, over raw asyncio on a loopback port.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import NamedTuple, Protocol, cast

import msgspec

BODY_LIMIT = 6_291_556
"""Bytes of an answer: 6 MB and a little, the number that Lambda names in its error."""
_HEAD_LIMIT = 1_310_720  # AWS's client sends a trace of up to 1 MB in a header
_PIPELINE_LIMIT = 65_536  # more than a request or two sent ahead while a poll is open is a broken client
_PREFIX = "/2018-06-01/runtime"
_REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}
_REASONS |= {411: "Length Required", 413: "Content Too Large", 431: "Request Header Fields Too Large"}


class Client(Protocol):
    """What the environment is told of its client's doings. All are called on the event loop's thread."""

    def polled(self) -> None:
        """The client waits for an event: `RuntimeApi.hand` may be called."""
        ...

    def answered(self, body: bytes | None) -> None:
        """The handler's answer to the event in hand; None: it was over the limit."""
        ...

    def failed(self, error_type: str, message: str) -> None:
        """The handler's error for the event in hand."""
        ...

    def init_failed(self, error_type: str, message: str) -> None:
        """The handler could not be loaded."""
        ...

    def left(self) -> None:
        """The client closed the connection that it was waiting on."""
        ...


class Request(NamedTuple):
    """One HTTP request; `body` is None when it was over the limit and thrown away."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


class Delivery(NamedTuple):
    """One event with what the headers of its delivery say."""

    request_id: str
    deadline_ms: int
    function_arn: str
    event: bytes


class RuntimeApi:
    """The listener of one environment and the connections to it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._poll: _Connection | None = None
        self._current = ""

    async def listen(self) -> str:
        """Open a loopback port of the kernel's choice; the address in the form of AWS_LAMBDA_RUNTIME_API."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, family=socket.AF_INET)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def hand(self, delivery: Delivery) -> None:
        """Answer the open poll with an event."""
        connection, self._poll = self._poll, None
        if connection is None:
            raise RuntimeError("no poll is open: hand() is for an environment that has polled")
        self._current = delivery.request_id
        headers = (
            f"Lambda-Runtime-Aws-Request-Id: {delivery.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {delivery.deadline_ms}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {delivery.function_arn}\r\n"
        )
        connection.reply(200, delivery.event, headers)
        connection.resume()

    def close(self) -> None:
        """Close the port and every connection; the client sees that as our end."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()

    def connected(self, connection: _Connection) -> None:
        """A connection was opened."""
        self._connections.add(connection)

    def disconnected(self, connection: _Connection) -> None:
        """A connection is gone; if it was the one that polled, so is the client."""
        self._connections.discard(connection)
        if self._poll is connection:
            self._poll = None
            self._client.left()

    def handle(self, connection: _Connection, request: Request) -> bool:
        """Act on a request; False: its reply comes later."""
        if not request.path.startswith(_PREFIX):
            return connection.refuse(404, "NotFound", f"there is no {request.path}")
        match (request.method, *request.path.removeprefix(_PREFIX).strip("/").split("/")):
            case ("GET", "invocation", "next"):
                return self._open_poll(connection)
            case ("POST", "invocation", request_id, "response"):
                return self._response(connection, request_id, request)
            case ("POST", "invocation", request_id, "error"):
                return self._error(connection, request_id, request)
            case ("POST", "init", "error"):
                connection.reply(202, b'{"status":"OK"}')
                self._client.init_failed(*read_error(request))
                return True
        return connection.refuse(404, "NotFound", f"there is no {request.method} {request.path}")

    def _open_poll(self, connection: _Connection) -> bool:
        if self._poll is not None or self._current:
            return connection.refuse(
                403, "InvalidStateTransition", "answer the event in hand before asking for the next"
            )
        self._poll = connection
        self._client.polled()
        return self._poll is not connection

    def _response(self, connection: _Connection, request_id: str, request: Request) -> bool:
        if not self._settle(connection, request_id):
            return True
        if request.body is None:
            connection.refuse(413, "RequestEntityTooLarge", f"an answer holds at most {BODY_LIMIT} bytes")
        else:
            connection.reply(202, b'{"status":"OK"}')
        self._client.answered(request.body)
        return True

    def _error(self, connection: _Connection, request_id: str, request: Request) -> bool:
        if self._settle(connection, request_id):
            connection.reply(202, b'{"status":"OK"}')
            self._client.failed(*read_error(request))
        return True

    def _settle(self, connection: _Connection, request_id: str) -> bool:
        if not self._current or request_id != self._current:
            connection.refuse(403, "InvalidRequestID", f"no event {request_id} is in hand")
            return False
        self._current = ""
        return True


def read_error(request: Request) -> tuple[str, str]:
    """Type and message of a reported error; the header speaks where the body can't be read."""
    kind = request.headers.get("lambda-runtime-function-error-type", "Runtime.UnknownReason")
    try:
        body = msgspec.json.decode(request.body or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return kind, ""
    if not isinstance(body, dict):
        return kind, ""
    return str(body.get("errorType") or kind), str(body.get("errorMessage") or "")


class _Connection(asyncio.Protocol):
    """HTTP/1.1 on one connection: requests in order, pipelined or not, bodies with a length."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._buffer = bytearray()
        self._head: Request | None = None
        self._missing = 0  # bytes of the body still to come
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._api.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._api.disconnected(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._waiting:
            if len(self._buffer) > _PIPELINE_LIMIT:
                self.abort()
            return
        self._advance()

    def resume(self) -> None:
        """The poll was answered: go on with what was sent behind it."""
        if self._waiting:
            self._waiting = False
            self._advance()

    def abort(self) -> None:
        """Close without sending what is left."""
        self._transport.abort()

    def reply(self, status: int, body: bytes, headers: str = "") -> None:
        """Send one HTTP answer."""
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"{headers}Content-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode("ascii") + body)

    def refuse(self, status: int, error_type: str, message: str) -> bool:
        """Answer with an error in the Runtime API's form; True: the request is dealt with."""
        self.reply(status, msgspec.json.encode({"errorMessage": message, "errorType": error_type}))
        return True

    def _advance(self) -> None:
        while not self._waiting and not self._transport.is_closing():
            if self._head is None and not self._read_head():
                return
            if self._head is None or not self._read_body():
                return

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                self._give_up(431, "the headers are too long")
            return False
        head = _parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        if head is None:
            self._give_up(400, "that is not an HTTP/1.1 request")
            return False
        length = head.headers.get("content-length", "0")
        if "transfer-encoding" in head.headers or not (length.isascii() and length.isdigit()):
            self._give_up(411, "send a body with its Content-Length")
            return False
        self._missing = int(length)
        self._head = head if self._missing <= BODY_LIMIT else head._replace(body=None)
        if head.headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _read_body(self) -> bool:
        """Take the body off the buffer, or throw away one that is too long; True: a request was done."""
        head = cast(Request, self._head)
        if head.body is None:
            dropped = min(self._missing, len(self._buffer))
            del self._buffer[:dropped]
            self._missing -= dropped
            if self._missing:
                return False
        else:
            if len(self._buffer) < self._missing:
                return False
            head = head._replace(body=bytes(self._buffer[: self._missing]))
            del self._buffer[: self._missing]
        self._head = None
        self._waiting = not self._api.handle(self, head)
        return True

    def _give_up(self, status: int, message: str) -> None:
        self.refuse(status, "InvalidRequest", message)
        self._transport.close()


def _parse_head(head: bytes) -> Request | None:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return None
    pairs = (line.partition(":") for line in lines)
    return Request(words[0], words[1], {name.strip().lower(): value.strip() for name, _, value in pairs}, b"")
