"""The dashboard's process: one poller, the pages, and a server that only this machine can reach."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nicegui import app, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from iotrules.dashboard.board import Board
from iotrules.dashboard.pages import add_pages
from iotrules.dashboard.poller import Poller
from iotrules.model.errors import ConfigError, UnavailableError

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path d="M8 1l6 3.5v7L8 15l-6-3.5v-7z" fill="none" stroke="#0a6cc2" stroke-width="2"/></svg>'
)
POLICY = (
    b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data:; connect-src 'self'; object-src 'none';"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing to elsewhere. The framework compiles its templates in the page: unsafe-eval."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def serve(store: Path, host: str, port: int) -> None:
    """Serve the dashboard until interrupted. The store need not exist yet: the pages say so and wait.

    Raises ConfigError for a host that others can reach, UnavailableError if the port can't be had.
    """
    check_host(host)
    check_port(host, port)
    board = Board()
    poller = Poller(store, board)
    tasks: list[asyncio.Task[None]] = []
    app.on_startup(lambda: tasks.append(asyncio.create_task(poller.run())))
    app.on_shutdown(lambda: _stop(tasks))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[host, "localhost", "127.0.0.1"])
    app.add_middleware(SecurityHeaders)
    add_pages(board)
    _run(host, port)


def check_host(host: str) -> None:
    """ConfigError unless `host` is this machine's loopback."""
    with suppress(ValueError):
        if ipaddress.IPv4Address(host).is_loopback:
            return
    if host != "localhost":
        raise ConfigError(
            f"the dashboard can't listen on {host}: it has no authentication yet, so only this machine may reach it;"
            " use 127.0.0.1, and an SSH tunnel from elsewhere"
        )


def check_port(host: str, port: int) -> None:
    """UnavailableError unless `port` is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UnavailableError(
                f"port {port} of {host} can't be used: {error.strerror}; choose another with --port"
            ) from error


class SecurityHeaders:
    """ASGI middleware: every answer forbids other origins, framing and sniffing."""

    def __init__(self, inner: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                extra = [
                    (b"content-security-policy", POLICY),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self.inner(scope, receive, with_headers)


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _run(host: str, port: int) -> None:
    ui.run(
        host=host,
        port=port,
        title="iotrules",
        favicon=ICON,
        dark=None,
        language="en-US",
        show=False,
        reload=False,
        tailwind=False,
        binding_refresh_interval=None,
        message_history_length=100,
        show_welcome_message=False,
    )
