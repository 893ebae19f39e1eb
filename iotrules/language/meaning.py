"""A hash of what a rule decides by: with the same one, two rules fire and clear alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as AnySequence
from typing import Any, NamedTuple

from iotrules.language.attributes import registry_read
from iotrules.language.pace import NO_PACE, Pace
from iotrules.language.unparse import unparse
from iotrules.model.expression import Expression, fields
from iotrules.model.guards import CONTINUE, NO_GUARDS, Guards
from iotrules.model.registry import Registry
from iotrules.model.rules import Absence, Clear, Condition, Field, Hold, Ladder, Missing, OnlyKeys, Parts, Rule, Stream
from iotrules.model.sequences import EventPattern, Sequence

CLEAR = "clear"
"""The part of a rule with levels that ends them all."""


class Meaning(NamedTuple):
    """Of a rule: in one hash, and by its parts."""

    whole: str
    parts: Parts


def meaning(
    stream: Stream,
    by: tuple[str, ...],
    body: Condition | Ladder | Absence,
    missing: Missing,
    registry: Registry | None = None,
    guards: Guards = NO_GUARDS,
    pace: Pace = NO_PACE,
    across: str = "",
    joined: AnySequence[Stream] = (),
) -> Meaning:
    """16 hex digits over the stream (or those joined), the fields that are read, by, across, conditions, holds,
    missing, only, downtime, pace; and what it is made of.

    Of the registry, what attributes that are read are: not their values, which may change without a rule's doing so.
    """
    parts: dict[str, Any] = {
        "stream": [stream.name, stream.topic.text, _time(stream)],
        "by": by,
        "body": _body(stream, body),
        "missing": missing.value,
    }
    read = registry_read(body, registry)
    if read:
        parts["registry"] = read
    if across:
        parts["across"] = across
    if joined:
        parts["joined"] = [[one.name, one.topic.text, _time(one), one.freshness, one.partial] for one in joined]
    if not isinstance(body, Absence):
        parts |= _said(stream, pace)
    parts |= _guards(guards)
    frame = _hash({name: part for name, part in parts.items() if name != "body"}, 8)
    return Meaning(_hash(parts, 8), Parts(frame, tuple(_parts(stream, body))))


def _parts(stream: Stream, body: Condition | Ladder | Absence) -> Iterator[tuple[str, str]]:
    """The hash of each part that has a state of its own; nothing for silence, which is one."""
    match body:
        case Condition():
            yield from _both("", stream, body)
        case Ladder(rungs, clear):
            for rung in rungs:
                yield from _both(rung.severity.word, stream, rung.condition)
            if clear is not None:
                yield CLEAR, _hash([_clear(stream, clear), _fields(stream, _read(clear.when))], 8)


def _both(level: str, stream: Stream, body: Condition) -> Iterator[tuple[str, str]]:
    raising = [_text(body.when), _hold(stream, body.hold), _fields(stream, fields(body.when))]
    when = body.clear.when
    ending = [_clear(stream, body.clear), _fields(stream, _read(when)), None if when else _text(body.when)]
    yield raises(level), _hash(raising, 8)
    yield clears(level), _hash(ending, 8)


def _read(when: Expression | None) -> frozenset[str]:
    return fields(when) if when else frozenset()


def raises(level: str) -> str:
    """The part of a rule that raises the alert, to a level ("": a rule without levels)."""
    return f"{level} when".strip()


def clears(level: str) -> str:
    """The part that ends what `raises` has begun."""
    return f"{level} {CLEAR}".strip()


def some_raise_alike(one: Rule, other: Rule) -> bool:
    """Is any level of both raised by the same?"""
    return any(part in other.parts.each for part in one.parts.each if part[0].endswith(raises("")))


def _guards(guards: Guards) -> dict[str, Any]:
    """What is not said is not in the hash, so that it stays from version to version."""
    only, downtime = guards
    parts: dict[str, Any] = {}
    if only:
        parts["only"] = [[sorted(one.days), one.begins, one.ends, one.zone] for one in only]
    if downtime != CONTINUE:
        parts["downtime"] = [downtime.policy.value, downtime.longest]
    return parts


def sequence_meaning(
    streams: Mapping[str, Stream | None],
    by: tuple[str, ...],
    body: Sequence,
    missing: Missing,
    guards: Guards = NO_GUARDS,
    registry: Registry | None = None,
) -> str:
    """The same over the streams of a sequence, their fields that are read, its steps, within and matching."""
    named = {pattern.stream: stream for pattern in body.patterns if (stream := streams.get(pattern.stream))}
    parts: dict[str, Any] = {
        "streams": [_watched(named[name], body) for name in sorted(named)],
        "by": by,
        "steps": [_pattern(step.pattern) for step in body.steps],
        "without": [[_pattern(one.pattern), one.after, one.before] for one in body.without],
        "within": body.within,
        "matching": body.matching.value,
        "clear": _pattern(body.clear) if body.clear else None,
        "missing": missing.value,
    }
    if read := registry_read(body, registry):
        parts["registry"] = read
    if names := {name for pattern in body.patterns for name in pattern.steps}:
        parts["names"] = [[step.name, place] for place, step in enumerate(body.steps) if step.name in names]
    return _hash(parts | _guards(guards), 8)


def of_keys(only_keys: OnlyKeys) -> str:
    """What is added to the meaning of a rule that looks at some keys only; nothing for all."""
    return "." + _hash(only_keys, 4) if only_keys else ""


def apart_from_keys(meaning: str) -> str:
    """The meaning as if the rule looked at every key: with the same one, two rules decide alike on keys of both."""
    return meaning.partition(".")[0]


def differ_in_parts(one: Rule, other: Rule) -> bool:
    """Do they decide by other conditions or holds, and have all else in common? Then what is alike keeps its state."""
    if one.meaning == other.meaning or one.only_keys != other.only_keys or not one.parts.each or not other.parts.each:
        return False
    return one.parts.frame == other.parts.frame and isinstance(one.body, Ladder) is isinstance(other.body, Ladder)


def _hash(parts: Any, size: int) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def _watched(stream: Stream, body: Sequence) -> list[Any]:
    """The fields that are read of its messages: by their own step, and by later ones."""
    own = (fields(one.when) for one in body.patterns if one.when and one.stream == stream.name)
    later = (body.read_later(step) for step in body.steps if step.pattern.stream == stream.name)
    return [stream.name, stream.topic.text, _time(stream), _fields(stream, frozenset[str]().union(*own, *later))]


def _pattern(pattern: EventPattern) -> list[Any]:
    return [pattern.stream, _text(pattern.when) if pattern.when else None]


def _body(stream: Stream, body: Condition | Ladder | Absence) -> list[Any]:
    match body:
        case Condition():
            return _condition(stream, body)
        case Ladder(rungs, clear):
            levels: list[Any] = [[rung.severity.word, _condition(stream, rung.condition)] for rung in rungs]
            return levels if clear is None else [*levels, _clear(stream, clear)]
        case Absence():
            return _absence(stream, body)


def _said(stream: Stream, pace: Pace) -> dict[str, int]:
    """Of the stream's other keys those that are said, so that a rule of before they were known means what it did."""
    keys = {
        "partial": int(stream.partial),
        "fresh": stream.fresh,
        "max_samples": stream.max_samples,
        "max_gap": pace.max_gap or stream.max_gap,
        "every": pace.every or stream.every,
    }
    return {name: value for name, value in keys.items() if value}


def _clear(stream: Stream, clear: Clear) -> list[Any]:
    return [_text(clear.when) if clear.when else None, _hold(stream, clear.hold)]


def _time(stream: Stream) -> list[Any] | None:
    return [stream.time.path, stream.time.format] if stream.time else None


def _condition(stream: Stream, body: Condition) -> list[Any]:
    read = fields(body.when) | (fields(body.clear.when) if body.clear.when else frozenset())
    return [
        _text(body.when),
        _hold(stream, body.hold),
        _text(body.clear.when) if body.clear.when else None,
        _hold(stream, body.clear.hold),
        _fields(stream, read),
    ]


def _fields(stream: Stream, read: frozenset[str]) -> list[Any]:
    return [_field(field) for field in sorted(stream.fields, key=lambda f: f.name) if field.name in read]


def _absence(stream: Stream, body: Absence) -> list[Any]:
    return [_hold(stream, body.hold), body.seen_within]


def _text(node: Expression) -> str:
    return unparse(node, canonical=True)


def _hold(stream: Stream, hold: Hold) -> list[Any]:
    interval = stream.interval if hold.intervals is not None else None
    return [hold.nanoseconds, hold.intervals, interval]


def _field(field: Field) -> list[Any]:
    choices = sorted(field.one_of)
    return [
        field.name,
        field.path,
        field.type.value,
        field.unit,
        field.low,
        field.high,
        choices,
        field.coerce_number,
    ]
