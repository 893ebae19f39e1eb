"""The other end of the control socket: one request to the engine that runs on a store, and its answer."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from iotrules.model.errors import UnavailableError
from iotrules.runtime.control import Json, RefusedError, control_path

ANSWER_WITHIN = 30.0
"""Seconds; an engine that can't write its store answers when it can again."""

MAX_ANSWER_BYTES = 1024 * 1024


def ask_engine(store: Path, request: str, /, **fields: object) -> Json:
    """The fields of the engine's answer, once what was asked for is durable.

    RefusedError: the engine says why not. UnavailableError: there is no engine, or it does not answer.
    """
    line = msgspec.json.encode({"request": request, **fields}) + b"\n"
    try:
        answer = msgspec.json.decode(_exchange(control_path(store), line), type=Json)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise UnavailableError(
            f"no engine is running on the store {store}: start it with `iotrules run`, or name another with --store"
        ) from error
    except TimeoutError as error:
        raise UnavailableError(
            f"the engine on {store} did not answer within {ANSWER_WITHIN:g} s; it may still do what it was asked for, "
            "so look before you ask again"
        ) from error
    except OSError as error:
        raise UnavailableError(f"the engine on {store} can't be asked: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise UnavailableError(
            f"the engine on {store} ended before it answered; look whether it was done before you ask again"
        ) from error
    if not answer.pop("ok", False):
        raise RefusedError(str(answer.get("error", "the engine refused without a reason")))
    return answer


def _exchange(path: Path, line: bytes) -> bytes:
    """Send a line, receive a line; less than one where the other end hangs up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_WITHIN)
        connection.connect(str(path))
        connection.sendall(line)
        received = b""
        while not received.endswith(b"\n") and len(received) < MAX_ANSWER_BYTES:
            more = connection.recv(65536)
            if not more:
                break
            received += more
        return received
