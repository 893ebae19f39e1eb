"""The Runtime API as a client sees it on the wire, well behaved or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from iotrules.functions.runtime_api import BODY_LIMIT, Delivery, RuntimeApi

BASE = "/2018-06-01/runtime"
NEXT = f"GET {BASE}/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n".encode()
EVENT = Delivery("r-1", 1_700_000_000_000, "arn:aws:lambda:us-east-1:000000000000:function:f", b'{"a":1}')


@dataclass
class Told:
    """An environment that only remembers what it was told."""

    events: list[tuple[object, ...]] = field(default_factory=list)
    polls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def polled(self) -> None:
        self.polls.release()

    def answered(self, body: bytes | None) -> None:
        self.events.append(("answered", body))

    def failed(self, error_type: str, message: str) -> None:
        self.events.append(("failed", error_type, message))

    def init_failed(self, error_type: str, message: str) -> None:
        self.events.append(("init_failed", error_type, message))

    def left(self) -> None:
        self.gone.set()


class Wire:
    """One raw connection to the API under test."""

    def __init__(self, api: RuntimeApi, told: Told, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.api, self.told, self.reader, self.writer = api, told, reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers.get("Content-Length", "0")))
        return int(head[0].split()[1]), headers, body

    async def take_event(self) -> tuple[int, dict[str, str], bytes]:
        await self.send(NEXT)
        await self.told.polls.acquire()
        self.api.hand(EVENT)
        return await self.receive()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    told = Told()
    api = RuntimeApi(told)
    host, _, port = (await api.listen()).partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield Wire(api, told, reader, writer)
    api.close()
    writer.close()


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {BASE}{path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_an_event_comes_with_lambdas_headers(wire: Wire) -> None:
    status, headers, body = await wire.take_event()
    assert (status, body) == (200, EVENT.event)
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "r-1"
    assert headers["Lambda-Runtime-Deadline-Ms"] == "1700000000000"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == EVENT.function_arn


async def test_an_answer_and_the_next_poll_in_one_write(wire: Wire) -> None:
    await wire.take_event()
    await wire.send(post("/invocation/r-1/response", b"42") + NEXT)
    assert (await wire.receive())[0] == 202
    await wire.told.polls.acquire()
    assert wire.told.events == [("answered", b"42")]
    wire.api.hand(EVENT)
    assert (await wire.receive())[0] == 200


async def test_a_request_in_many_pieces(wire: Wire) -> None:
    await wire.take_event()
    for byte in post("/invocation/r-1/response", b'{"long": "answer"}'):
        await wire.send(bytes([byte]))
    assert (await wire.receive())[0] == 202
    assert wire.told.events == [("answered", b'{"long": "answer"}')]


async def test_what_is_sent_behind_an_open_poll_waits_for_it(wire: Wire) -> None:
    await wire.send(NEXT + post("/invocation/r-1/response", b"1"))
    await wire.told.polls.acquire()
    wire.api.hand(EVENT)
    assert [(await wire.receive())[0], (await wire.receive())[0]] == [200, 202]
    assert wire.told.events == [("answered", b"1")]


@pytest.mark.parametrize("path", ["/invocation/r-0/response", "/invocation/r-0/error"])
async def test_a_stale_request_id_is_forbidden(wire: Wire, path: str) -> None:
    await wire.take_event()
    await wire.send(post(path, b"{}"))
    status, _, body = await wire.receive()
    assert (status, b"InvalidRequestID" in body) == (403, True)
    assert wire.told.events == []


async def test_a_second_answer_is_forbidden(wire: Wire) -> None:
    await wire.take_event()
    await wire.send(post("/invocation/r-1/response", b"1") + post("/invocation/r-1/response", b"2"))
    assert [(await wire.receive())[0], (await wire.receive())[0]] == [202, 403]
    assert wire.told.events == [("answered", b"1")]


async def test_a_poll_with_an_event_in_hand_is_forbidden(wire: Wire) -> None:
    await wire.take_event()
    await wire.send(NEXT)
    assert (await wire.receive())[0] == 403


async def test_an_answer_over_the_limit_is_thrown_away_and_told(wire: Wire) -> None:
    await wire.take_event()
    await wire.send(post("/invocation/r-1/response", b"x" * (BODY_LIMIT + 1)) + NEXT)
    assert (await wire.receive())[0] == 413
    assert wire.told.events == [("answered", None)]
    await asyncio.wait_for(wire.told.polls.acquire(), 5)


@pytest.mark.parametrize(
    ("body", "headers", "told"),
    [
        (b'{"errorType": "ValueError", "errorMessage": "boom"}', (), ("ValueError", "boom")),
        (b"not json", ("Lambda-Runtime-Function-Error-Type: Runtime.Odd",), ("Runtime.Odd", "")),
        (b"[]", (), ("Runtime.UnknownReason", "")),
        (b"[" * 100_000, (), ("Runtime.UnknownReason", "")),
        (b'{"errorType": 5, "errorMessage": null}', (), ("5", "")),
    ],
)
async def test_errors_are_told_however_they_are_written(
    wire: Wire, body: bytes, headers: tuple[str, ...], told: tuple[str, str]
) -> None:
    await wire.send(post("/init/error", body, *headers))
    assert (await wire.receive())[0] == 202
    await wire.take_event()
    await wire.send(post("/invocation/r-1/error", body, *headers))
    assert (await wire.receive())[0] == 202
    assert wire.told.events == [("init_failed", *told), ("failed", *told)]


async def test_a_client_that_asks_first_is_told_to_go_on(wire: Wire) -> None:
    await wire.take_event()
    head, _, body = post("/invocation/r-1/response", b"7", "Expect: 100-continue").partition(b"\r\n\r\n")
    await wire.send(head + b"\r\n\r\n")
    assert (await wire.receive())[0] == 100
    await wire.send(body)
    assert (await wire.receive())[0] == 202


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n\r\n", 404),
        (b"GET /other HTTP/1.1\r\n\r\n", 404),
        (b"hello\r\n\r\n", 400),
        (b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 1_400_000, 431),
    ],
    ids=["unknown", "elsewhere", "no http", "chunked", "negative", "endless head"],
)
async def test_what_is_not_the_api_is_refused(wire: Wire, data: bytes, status: int) -> None:
    await wire.send(data)
    assert (await wire.receive())[0] == status
    assert wire.told.events == []


async def test_a_client_that_leaves_while_it_polls_is_told(wire: Wire) -> None:
    await wire.send(NEXT)
    await wire.told.polls.acquire()
    wire.writer.close()
    await asyncio.wait_for(wire.told.gone.wait(), 5)


async def test_a_client_that_floods_an_open_poll_is_cut_off(wire: Wire) -> None:
    await wire.send(NEXT)
    await wire.told.polls.acquire()
    wire.writer.write(b"x" * 200_000)
    await asyncio.wait_for(wire.told.gone.wait(), 5)
