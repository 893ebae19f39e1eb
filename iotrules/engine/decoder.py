"""A stream's messages, decoded in one go by a compiled codec: straight into the values that the stream declares.

House rule: it only takes what the careful way (`decode`) would read the same; all else it leaves to that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, Literal, get_args

import msgspec

from iotrules.engine.sources import LARGEST_NUMBER, Counted
from iotrules.model.rules import EventTime, Field, FieldType, Stream

FAILURES = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for what it does not take."""

_TIMES: dict[str, int] = {"unix_s": 1_000_000_000, "unix_ms": 1_000_000, "unix_us": 1_000, "unix_ns": 1}
_FARTHEST = 2**62
"""Of an event time, ns from 1970."""

_NUMBER = Annotated[int, msgspec.Meta(ge=0, lt=LARGEST_NUMBER)]


@dataclass(frozen=True, slots=True)
class Decoder:
    """`decode` gives an object; `fields`, `time` and `ids` are where in it to look, as attributes behind dots."""

    stream: Stream
    decode: Callable[[bytes], Any]
    fields: dict[str, str]
    time: str | None
    scale: int
    ids: tuple[str, ...]
    values_of: Callable[[Any], dict[str, Any]]

    def time_of(self, message: Any) -> int | None:
        """Its event time in ns."""
        if self.time is None:
            return None
        given: int = attrgetter(self.time)(message)
        return given * self.scale

    def identity_of(self, message: Any) -> Counted | None:
        """Where it stands in its source's count."""
        if not self.ids:
            return None
        *head, number = (attrgetter(place)(message) for place in self.ids)
        return Counted(tuple(head), number)


def decoder_of(stream: Stream) -> Decoder | None:
    """The decoder, or None for a stream whose messages can only be read one value at a time."""
    if stream.time is not None and stream.time.format not in _TIMES:
        return None
    wanted: list[tuple[tuple[str, ...], Any]] = [(found.path, _type(found)) for found in stream.fields]
    if any(found.coerce_number for found in stream.fields):
        return None
    if stream.time is not None:
        wanted.append((stream.time.path, _time_type(stream.time)))
    wanted += [(path, str | int) for path in stream.id_paths[:-1]]
    wanted += [(path, _NUMBER) for path in stream.id_paths[-1:]]
    if _clash([path for path, _ in wanted]):
        return None
    places: dict[tuple[str, ...], str] = {}
    decode = msgspec.json.Decoder(_struct(wanted, places)).decode
    fields = {found.name: places[found.path] for found in stream.fields}
    time, scale = (None, 1) if stream.time is None else (places[stream.time.path], _TIMES[stream.time.format])
    return Decoder(
        stream, decode, fields, time, scale, tuple(places[path] for path in stream.id_paths), _reader(fields)
    )


def _clash(paths: list[tuple[str, ...]]) -> bool:
    """Is one place in the message read as two things?"""
    starts = {path[:length] for path in paths for length in range(1, len(path))}
    return len(set(paths)) < len(paths) or not starts.isdisjoint(paths)


def _type(found: Field) -> Any:
    match found.type:
        case FieldType.FLAG:
            return bool | None
        case FieldType.TEXT:
            return Literal[found.one_of] | None if found.one_of else str | None
        case FieldType.NUMBER:
            limits = msgspec.Meta(ge=found.low, le=found.high)
            return Annotated[float, limits] | None if found.low is not None else float | None


def _time_type(time: EventTime) -> Any:
    farthest = _FARTHEST // _TIMES[time.format]
    return Annotated[int, msgspec.Meta(gt=-farthest, lt=farthest)]


def _struct(
    wanted: list[tuple[tuple[str, ...], Any]],
    places: dict[tuple[str, ...], str],
    at: tuple[str, ...] = (),
    before: str = "",
) -> type[msgspec.Struct]:
    """The type of the object at path `at`. What may be missing is None then; `places` gets where things are."""
    keys = list(dict.fromkeys(path[len(at)] for path, _ in wanted))
    members: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for index, key in enumerate(keys):
        name, path = f"v{index}", (*at, key)
        below = [(inner, type_) for inner, type_ in wanted if inner[: len(path)] == path]
        if below[0][0] == path:
            places[path] = before + name
            type_ = below[0][1]
        else:
            type_ = _struct(below, places, path, f"{before}{name}.")
        if all(_may_be_missing(inner) for _, inner in below):
            default = None if below[0][0] == path else msgspec.field(default_factory=type_)
            members.append((name, type_, default))
        else:
            members.append((name, type_))
    members.sort(key=len)  # what must be there comes first
    rename = {f"v{index}": key for index, key in enumerate(keys)}
    return msgspec.defstruct("Message", members, rename=rename, gc=False, kw_only=True)


def _may_be_missing(type_: Any) -> bool:
    return type(None) in get_args(type_)


def _reader(fields: dict[str, str]) -> Callable[[Any], dict[str, Any]]:
    """What makes a dictionary of the values of a decoded message."""
    names = tuple(fields)
    if len(names) == 1:
        only = attrgetter(*fields.values())
        return lambda message: {names[0]: only(message)}
    get = attrgetter(*fields.values()) if names else lambda _: ()
    return lambda message: dict(zip(names, get(message), strict=True))


def decode_whole(decoder: Decoder, payload: bytes) -> Any:
    """The message's object, or None if this decoder does not take it."""
    try:
        if not payload.isascii():
            payload.decode()  # what is skipped is not looked into
        return decoder.decode(payload)
    except FAILURES:
        return None
