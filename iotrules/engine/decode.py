"""From the bytes of a message to the values of a stream's fields, its event time and its identity.

House rule: bad values are missing and counted with their reason; only what is no JSON object at all is refused.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from iotrules.engine.sources import LARGEST_NUMBER, Counted, Identity
from iotrules.model.errors import MessageError
from iotrules.model.expression import Value
from iotrules.model.rules import EventTime, Field, FieldType, Stream
from iotrules.model.times import MILLISECOND, SECOND

MAX_PAYLOAD = 256 * 1024
"""Bytes; AWS IoT Core takes 128 KiB."""

_EARLIEST, _LATEST = -(2**62), 2**62
_MISSING = object()


def decode_object(payload: bytes) -> dict[str, Any]:
    """The JSON object in `payload`; MessageError with one of a few reasons if there is none."""
    try:
        document = msgspec.json.decode(payload)
    except RecursionError:
        raise MessageError("not JSON", "nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError("not JSON", str(error)) from error
    if not isinstance(document, dict):
        raise MessageError("not an object", f"a JSON {_json_type(document)} where an object was expected")
    return document


def read_fields(stream: Stream, document: dict[str, Any]) -> tuple[dict[str, Value | None], list[tuple[str, str]]]:
    """Every field's value (None: missing), and (field, reason) for those that were there but can't be used.

    Of a stream with `partial` only fields that are there, `null` or not, so that the others can be told from them.
    """
    values: dict[str, Value | None] = {}
    faults: list[tuple[str, str]] = []
    for field in stream.fields:
        raw = _at(document, field.path)
        if raw is _MISSING or raw is None:
            if not (stream.partial and raw is _MISSING):
                values[field.name] = None
            continue
        value, fault = _read(field, raw)
        values[field.name] = value
        if fault:
            faults.append((field.name, fault))
    return values, faults


def read_time(rule: EventTime, document: dict[str, Any]) -> int | None:
    """The event time in ns, or None if the message has none that can be used."""
    raw = _at(document, rule.path)
    if rule.format == "iso8601":
        return _iso8601(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    scale = {"unix_s": SECOND, "unix_ms": MILLISECOND, "unix_us": 1_000, "unix_ns": 1}[rule.format]
    at = raw * scale  # a whole number stays one: nanoseconds don't fit a float
    return int(at) if _EARLIEST < at < _LATEST else None


def identity(stream: Stream, document: dict[str, Any], payload: bytes, at: int | None) -> Identity:
    """What makes a message the same message, None if nothing does.

    By the stream's `id` if all its parts are text or numbers, else by (event time, content); without both there is no
    deduplication.
    """
    if stream.id_paths:
        *head, last = (_at(document, path) for path in stream.id_paths)
        if type(last) is int and 0 <= last < LARGEST_NUMBER and all(type(part) in (str, int) for part in head):
            return Counted(tuple(head), last)
        if all(isinstance(part, str | int | float) for part in (*head, last)):
            return _digest(repr([*head, last]).encode(errors="replace"))
    return None if at is None else digest_of(at, payload)


def digest_of(at: int, payload: bytes) -> int:
    """64 bits for a message's event time and content."""
    return _digest(at.to_bytes(16, "big", signed=True) + payload)


def _digest(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big") >> 1


def _at(document: dict[str, Any], path: tuple[str, ...]) -> Any:
    node: Any = document
    for name in path:
        if not isinstance(node, dict) or name not in node:
            return _MISSING
        node = node[name]
    return node


def _read(field: Field, raw: Any) -> tuple[Value | None, str]:
    match field.type:
        case FieldType.FLAG:
            return (raw, "") if isinstance(raw, bool) else (None, "wrong type")
        case FieldType.TEXT:
            if not isinstance(raw, str):
                return None, "wrong type"
            return (None, "not one of its values") if field.one_of and raw not in field.one_of else (raw, "")
        case FieldType.NUMBER:
            return _number(field, raw)


def _number(field: Field, raw: Any) -> tuple[float | None, str]:
    if isinstance(raw, str) and field.coerce_number:
        raw = _parse_number(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None, "wrong type"
    try:
        value = float(raw)
    except OverflowError:
        return None, "out of range"
    if not math.isfinite(value):
        return None, "out of range"
    if (field.low is not None and value < field.low) or (field.high is not None and value > field.high):
        return None, "out of range"
    return value, ""


def _parse_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _iso8601(raw: Any) -> int | None:
    """An aware ISO 8601 instant; one without an offset is taken as UTC."""
    if not isinstance(raw, str):
        return None
    try:
        moment = datetime.fromisoformat(raw)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    at = (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds * 1_000
    return at if _EARLIEST < at < _LATEST else None


def _json_type(document: object) -> str:
    match document:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case str():
            return "string"
        case _:
            return "array"
