"""A loopback TCP proxy that can cut its connections or go deaf: network faults that the broker did not cause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType


class Proxy:
    """Forwards to `target` on 127.0.0.1; its own port is `port` while the context is entered.

    While `deaf` is set, what clients send is lost; what the target sends still arrives.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.deaf = False

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {writer, back}
            await asyncio.gather(_copy(reader, back, lambda: self.deaf), _copy(there, writer, lambda: False))
            self._writers -= {writer, back}
        except OSError:
            writer.close()
        finally:
            self._tasks.discard(task)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: Callable[[], bool]) -> None:
    try:
        while data := await reader.read(65536):
            if lost():
                continue
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
