"""The control socket: what other processes on this machine ask of a running engine, one JSON object a line.

House rule: an answer is given when what was asked for is durable, and no client can make the engine wait: requests are
bounded in size and number, and who is slow is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import structlog

from iotrules.model.decisions import Decision
from iotrules.model.errors import ConfigError, IotrulesError, UnavailableError
from iotrules.model.inputs import Input, Operator
from iotrules.yamlfile import nearest, quoted

Json: TypeAlias = dict[str, Any]
Answerer: TypeAlias = Callable[[Json], Awaitable[Json]]
"""Takes the request's fields, gives those of the answer. IotrulesError: it could not be done, and this is why."""

Ask: TypeAlias = Callable[[Input], Awaitable[Decision]]
"""The runtime's normal path for an input; returns once it is durable."""

MAX_PATH_BYTES = 100
"""Of the socket's path: some systems take 103, others 107."""

MAX_REQUEST_BYTES = 64 * 1024
MAX_CLIENTS = 32
PATIENCE = 60.0
"""Seconds: how long a client may be silent, and how long it may take to read an answer."""

MAX_NAME, MAX_WHY, MAX_TARGET = 100, 300, 4096

log = structlog.get_logger()


class RefusedError(IotrulesError):
    """The engine could not do what a person asked for, or did not understand it."""


class Decide(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of `approve` and `reject`."""

    command: str
    who: str
    why: str = ""


def control_path(store: Path) -> Path:
    """Where the control socket of the engine on this store is."""
    return Path(f"{store}.sock")


def operator_requests(ask: Ask) -> dict[str, Answerer]:
    """`approve` and `reject`: a person decides about a command that is held."""

    def answerer(action: str) -> Answerer:
        async def decide(fields: Json) -> Json:
            asked = _decide(fields)
            decision = await ask(Operator(action, asked.command, asked.who, asked.why))
            if decision.refused:
                raise RefusedError(decision.refused)
            return {"command": asked.command}

        return decide

    return {action: answerer(action) for action in ("approve", "reject")}


def _decide(fields: Json) -> Decide:
    try:
        asked = msgspec.convert(fields, Decide)
    except msgspec.ValidationError as error:
        raise RefusedError(f"bad request: {error}") from error
    for name, text, most in (("who", asked.who, MAX_NAME), ("why", asked.why, MAX_WHY)):
        if len(text) > most or not text.isprintable():
            raise RefusedError(f"{name} is at most {most} characters that print")
    if not asked.who.strip():
        raise RefusedError("who is empty: say who decides")
    if len(asked.command) > MAX_TARGET:
        raise RefusedError(f"no command's id has more than {MAX_TARGET} characters")
    return asked


class ControlServer:
    """A Unix socket that only its owner may use. Opened by the one engine that holds the store's lock."""

    def __init__(self, path: Path) -> None:
        size = len(os.fsencode(path))
        if size > MAX_PATH_BYTES:
            raise ConfigError(
                f"the control socket {path} has a path of {size} bytes, a socket takes {MAX_PATH_BYTES}: "
                "name a store with a shorter path by --store"
            )
        self._path = path
        self._requests: Mapping[str, Answerer] = {}
        self._server: asyncio.Server | None = None
        self._file: tuple[int, int] | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def open(self, requests: Mapping[str, Answerer]) -> None:
        """Listen, and answer these requests. ConfigError if that can't be."""
        self._requests = requests
        listening = _listen(self._path)
        self._file = _identity(self._path)
        self._server = await asyncio.start_unix_server(self._met, sock=listening, limit=MAX_REQUEST_BYTES)

    async def close(self) -> None:
        """Hang up on everybody; who waits for an answer gets none."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with contextlib.suppress(OSError):
            if _identity(self._path) == self._file:  # else it is that of the engine that has taken over
                self._path.unlink()

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.create_task(self._attend(reader, writer), name="control client")
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._clients) > MAX_CLIENTS:
                await _say(writer, {"ok": False, "error": f"over {MAX_CLIENTS} clients: try again later"})
            else:
                await self._serve(reader, writer)
        except (OSError, TimeoutError) as error:
            log.info("a client of the control socket is gone or too slow", reason=repr(error))
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other, until the client hangs up."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                await _say(writer, {"ok": False, "error": f"a request has at most {MAX_REQUEST_BYTES} bytes"})
                return
            await _say(writer, await self._answer(line))

    async def _answer(self, line: bytes) -> Json:
        try:
            return {"ok": True} | await self._carry_out(line)
        except IotrulesError as error:
            return {"ok": False, "error": str(error)}

    async def _carry_out(self, line: bytes) -> Json:
        try:
            fields = msgspec.json.decode(line, type=Json)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RefusedError(f"a request is one JSON object on a line: {error}") from error
        name = str(fields.pop("request", ""))
        answerer = self._requests.get(name)
        if answerer is None:
            known = ", ".join(sorted(self._requests))
            raise RefusedError(f"unknown request {quoted(name)}{nearest(name, self._requests)}; there is {known}")
        return await answerer(fields)


async def _say(writer: asyncio.StreamWriter, answer: Json) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
    async with asyncio.timeout(PATIENCE):
        await writer.drain()


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _listen(path: Path) -> socket.socket:
    """A socket at the path, its owner's only from its first moment. What a killed engine left is replaced."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
            raise ConfigError(f"{path} is in the way of the control socket: it is no socket, so move it away")
        path.unlink(missing_ok=True)
        os.fchmod(listening.fileno(), 0o600)
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(MAX_CLIENTS)
    except OSError as error:
        listening.close()
        raise UnavailableError(f"the control socket {path}: {error.strerror}") from error
    except ConfigError:
        listening.close()
        raise
    return listening
