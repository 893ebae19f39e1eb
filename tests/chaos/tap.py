"""A process between the engine and its broker: it notes what passes, and breaks the network when it is told to.

House rule: an acknowledgement of the engine is in the history before the broker can have it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from tests.chaos.history import History, message_id
from tests.chaos.packets import PUBACK, PUBLISH, Splitter, read_puback, read_publish

Note: TypeAlias = Callable[[bytes, Splitter], None]


class Tap:
    """Listens on a loopback port, and connects each client on to the broker."""

    def __init__(self, target: int, history: History) -> None:
        self._target = target
        self._history = history
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._delay = 0.0
        self._split = False

    def obey(self, order: dict[str, object]) -> None:
        """`{"do": "cut" | "refuse" | "silence" | "delay" | "split" | "normal"}`; `delay` has `seconds`."""
        self._history.add("network", order=order)
        match order["do"]:
            case "cut":
                self._cut()
            case "refuse":
                self._refusing = True
                self._cut()
            case "silence":
                self._open.clear()
            case "delay":
                self._delay = float(str(order["seconds"]))
            case "split":
                self._split = True
            case _:
                self._refusing, self._delay, self._split = False, 0.0, False
                self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client of the engine's side."""
        if self._refusing:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        names: dict[int, str] = {}
        await asyncio.gather(
            self._carry(reader, back, lambda data, parts: self._from_engine(data, parts, names)),
            self._carry(there, writer, lambda data, parts: self._to_engine(data, parts, names)),
        )
        self._writers -= {writer, back}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Note) -> None:
        parts = Splitter()
        try:
            while data := await reader.read(65536):
                note(data, parts)
                await self._open.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                for piece in _pieces(data) if self._split else (data,):
                    writer.write(piece)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def _from_engine(self, data: bytes, parts: Splitter, names: dict[int, str]) -> None:
        acknowledged = []
        for kind, flags, body in parts.feed(data):
            if kind == PUBACK:
                name = names.pop(read_puback(body), None)
                acknowledged.append(name or "unknown")
            elif kind == PUBLISH:
                self._note_command(flags, body)
        if acknowledged:
            self._history.add("engine_acked", m=acknowledged)

    def _note_command(self, flags: int, body: bytes) -> None:
        message = read_publish(flags, body)
        topic = message.topic.decode(errors="replace")
        if topic.endswith("/cmd") or topic.startswith("chaos/sink/"):
            text = message.payload.decode(errors="replace")
            self._history.add("engine_sent", topic=topic, retain=message.retain, body=text)

    def _to_engine(self, data: bytes, parts: Splitter, names: dict[int, str]) -> None:
        delivered = []
        for kind, flags, body in parts.feed(data):
            if kind == PUBLISH:
                message = read_publish(flags, body)
                name = message_id(message.topic, message.payload)
                names[message.packet_id] = name
                delivered.append(name)
        if delivered:
            self._history.add("delivered", n=len(delivered))

    def _cut(self) -> None:
        self._open.set()
        for writer in self._writers:
            writer.transport.abort()


def _pieces(data: bytes) -> list[bytes]:
    """Bytes one by one, of what is small; of the rest in odd pieces, or it would never end."""
    size = 1 if len(data) < 256 else 97
    return [data[at : at + size] for at in range(0, len(data), size)]


async def _run(port: int, target: int, history: Path) -> None:
    tap = Tap(target, History(history))
    server = await asyncio.start_server(tap.serve, "127.0.0.1", port)
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print("ready", flush=True)
    while line := await orders.readline():
        tap.obey(json.loads(line))
        print("done", flush=True)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--target", type=int, required=True)
    parser.add_argument("--history", type=Path, required=True)
    given = parser.parse_args()
    asyncio.run(_run(given.port, given.target, given.history))
