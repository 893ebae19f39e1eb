"""What the engine decides on. Every input is journaled as it is, with its `now`: msgspec structs.

A new field needs a default, and a meaning never changes: journals of older versions are replayed through them.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Arrival(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message as it came from a transport; `received` in ns."""

    topic: str
    payload: bytes
    received: int


class Messages(msgspec.Struct, frozen=True, tag="m", array_like=True):
    """What a transport had, in its order."""

    arrivals: tuple[Arrival, ...]


class Tick(msgspec.Struct, frozen=True, tag="t", array_like=True):
    """Time has passed; nothing else happened."""


class RegistryFile(msgspec.Struct, frozen=True, array_like=True):
    """A device registry as it was read: the ending of its name says whether it is CSV or YAML."""

    name: str
    text: str


class Started(msgspec.Struct, frozen=True, tag="s", array_like=True):
    """The engine goes on after it was stopped at `stopped` (our clock, ns), as far as that is known."""

    stopped: int


class Reload(msgspec.Struct, frozen=True, tag="r", array_like=True):
    """The rule files in use from now on: file name → text. Parsed by the engine's caller and again at recovery.

    To use another registry, or none, put in the files in use with that one.
    """

    files: dict[str, str]
    dry_run: bool = False
    registry: RegistryFile | None = None


class Receipt(msgspec.Struct, frozen=True, tag="e", array_like=True):
    """What became of an attempt to deliver an effect: `done`, `retry` (at `next_try`) or `failed` for good.

    `answer` is what a function answered (JSON), with the version of the device's state that it was given.
    """

    effect: str
    outcome: str
    detail: str = ""
    next_try: int = 0
    answer: bytes | None = None
    state_version: int = 0
    usage: FunctionUsage | None = None


class Operator(msgspec.Struct, frozen=True, tag="o", array_like=True):
    """What a person decides: `action` (approve, reject) on `target` (a command's id), by name and with a reason."""

    action: str
    target: str
    who: str
    why: str = ""


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """A message that was put into the dead letters, under the number that it has there."""

    number: int
    topic: str
    payload: bytes


class Replay(msgspec.Struct, frozen=True, tag="replay", array_like=True):
    """Dead letters that a person has taken in once more, as if they came now."""

    letters: tuple[Letter, ...]
    who: str
    why: str = ""


class Discard(msgspec.Struct, frozen=True, tag="discard", array_like=True):
    """Dead letters, by their numbers, that a person throws away."""

    numbers: tuple[int, ...]
    who: str
    why: str = ""


class Shed(msgspec.Struct, frozen=True, tag="shed", array_like=True):
    """How many messages of each topic were not taken in, by the `limit` of their stream."""

    counts: tuple[tuple[str, int], ...]


class FunctionUsage(msgspec.Struct, frozen=True, array_like=True):
    """What one invocation cost: milliseconds, MB and the end of its log."""

    request_id: str
    cold: bool
    init_ms: float
    duration_ms: float
    billed_ms: int
    memory_mb: int
    max_memory_mb: int
    log_tail: str = ""


Input: TypeAlias = Messages | Tick | Started | Reload | Receipt | Operator | Replay | Discard | Shed

_decoder: msgspec.msgpack.Decoder[Input] = msgspec.msgpack.Decoder(
    Messages | Tick | Started | Reload | Receipt | Operator | Replay | Discard | Shed
)
_encoder = msgspec.msgpack.Encoder()


def encode_input(value: Input) -> bytes:
    """One journal row's body."""
    return _encoder.encode(value)


def decode_input(body: bytes) -> Input:
    """The input of a journal row's body; msgspec.MsgspecError if it is not one."""
    return _decoder.decode(body)
