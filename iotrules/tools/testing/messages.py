"""From a case's `send` to the messages that a device would publish: event time, ids and fields filled in."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec

from iotrules.language.durations import duration
from iotrules.language.parts import Part
from iotrules.language.syntax import ExpressionError
from iotrules.model.errors import Problem
from iotrules.model.expression import Value
from iotrules.model.levels import filled_level_fault
from iotrules.model.rules import EventTime, Field, RuleSet, Stream
from iotrules.model.times import MILLISECOND, SECOND, duration_words
from iotrules.tools.testing.cases import Sent
from iotrules.tools.testing.documents import SendDocument
from iotrules.tools.testing.series import MAX_STEPS, Step, series
from iotrules.yamlfile import Mapping, Node, Scalar, Source, describe, nearest, quoted

_OPTIONS = ("every", "at", "key", "drop", "delay")


@dataclass(slots=True)
class Sender:
    """Makes messages, numbered through the case; `start` in ns since the Unix epoch."""

    rules: RuleSet
    start: int
    numbers: Iterator[int]

    @classmethod
    def of(cls, rules: RuleSet, start: int) -> Sender:
        return cls(rules, start, count(1))

    def messages(self, part: Part, key: AnyMapping[str, str]) -> list[Sent]:
        """The messages of one `send`, in order of time; what is wrong with it is noted in the part's problems."""
        document = part.document(SendDocument) if is_mapping(part) else None
        if document is None:
            return []
        before = len(part.problems)
        columns = dict(self._columns(part, document))
        if not columns and len(part.problems) == before:
            names = ", ".join(sorted(self._names())) or "none is declared"
            part.wrong("send has no series", hint=f'write STREAM.FIELD: "80x3 86"; there are: {names}')
        every = part.duration(document.every, 0, "every", least=MILLISECOND)
        offset = part.duration(document.at, 0, "at")
        delay = part.duration(document.delay, 0, "delay")
        length = max((len(steps) for steps in columns.values()), default=0)
        if length > 1 and document.every is None:
            part.wrong("several values need every: how far apart they are", hint="write every: 10s")
        _check_lengths(part, columns, length)
        labels = dict(key) | document.key
        topics = {
            stream: self._topic(part, stream, labels) for stream in dict.fromkeys(stream for stream, _ in columns)
        }
        dropped = _dropped(part, document, offset, every, length)
        if len(part.problems) > before:
            return []
        return [
            self._message(self.rules.streams[stream], topic, offset + step * every, delay, _row(columns, stream, step))
            for step in range(length)
            if offset + step * every not in dropped
            for stream, topic in topics.items()
        ]

    def _names(self) -> set[str]:
        return {f"{stream.name}.{field.name}" for stream in self.rules.streams.values() for field in stream.fields}

    def _columns(self, part: Part, document: SendDocument) -> Iterator[tuple[tuple[str, Field], tuple[Step, ...]]]:
        for name in document.model_extra or {}:
            stream, _, field_name = name.partition(".")
            known = self.rules.streams.get(stream)
            field = next((field for field in known.fields if field.name == field_name), None) if known else None
            if field is None:
                hint = f"a series is named STREAM.FIELD, the other keys of send are {', '.join(_OPTIONS)}"
                part.wrong_key(f"unknown field {quoted(name)}{nearest(name, self._names())}", name, hint=hint)
            elif (steps := _steps(part, name, field)) is not None:
                yield (stream, field), steps

    def _topic(self, part: Part, stream: str, labels: AnyMapping[str, str]) -> str:
        pattern = self.rules.streams[stream].topic
        lacking = [name for name in pattern.captures if name not in labels]
        if lacking:
            part.wrong(f"the key has no {', '.join(lacking)}", hint=f"key: must fill the topic {pattern.text}")
            return ""
        return pattern.fill(dict(labels))

    def _message(self, stream: Stream, topic: str, at: int, delay: int, row: AnyMapping[Field, Step]) -> Sent:
        """Measured at `at`, it arrives `delay` later; both in ns."""
        body: dict[str, Any] = {}
        number = next(self.numbers)
        for path in stream.id_paths:
            _put(body, path, number)
        if stream.time is not None:
            _put(body, stream.time.path, _written(stream.time, self.start + at))
        for field, value in row.items():
            if value is not None:
                _put(body, field.path, _whole(value))
        return Sent(at + delay, topic, msgspec.json.encode(body))


def check_key(part: Part, key: AnyMapping[str, str], rules: RuleSet, *path: str | int) -> None:
    """Note the labels that no topic has, and values that can't stand in a topic."""
    known = {name for stream in rules.streams.values() for name in stream.captures}
    for name, value in key.items():
        fault = filled_level_fault(value)
        if name not in known:
            part.wrong(f"no topic has {{{name}}}{nearest(name, known)}", *path, name)
        elif fault:
            part.wrong(f"{quoted(value)}: {fault}", *path, name)


def part_of(source: Source, name: str, node: Node, problems: list[Problem]) -> Part:
    """A node without a key of its own, such as an item of a list, to be checked like a named entry."""
    return Part(source, Scalar(name, name, *node.place), node, problems)


def is_mapping(part: Part) -> bool:
    """Whether the item is a mapping; if not, that is noted."""
    if not isinstance(part.node, Mapping):
        part.wrong(f"{part.name} must be a mapping of keys, not {describe(part.node)}")
    return isinstance(part.node, Mapping)


def instant(part: Part, given: object, *path: str | int) -> int:
    """The offset at `path`, an item of a list; -1 with its problem noted if it is none."""
    try:
        return duration(given if isinstance(given, str) else "")
    except ValueError as error:
        part.wrong(f"{quoted(str(path[0]))}: {error}", *path)
    return -1


def _steps(part: Part, name: str, field: Field) -> tuple[Step, ...] | None:
    node = next(value for key, value in getattr(part.node, "entries", ()) if key.text == name)
    if not isinstance(node, Scalar) or node.value is None:
        part.wrong(f"{quoted(name)} must be a series of values, not {describe(node)}", name, hint='write "80x3 86"')
        return None
    try:
        return series(node.text, field)
    except ExpressionError as error:
        part.wrong_inside(error, name)
        return None


def _check_lengths(part: Part, columns: AnyMapping[tuple[str, Field], tuple[Step, ...]], length: int) -> None:
    if length > MAX_STEPS:
        part.wrong(f"more than {MAX_STEPS} messages in one send")
    for (stream, field), steps in columns.items():
        if len(steps) not in (1, length):
            message = f"{len(steps)} values where the longest series of this send has {length}"
            hint = "make them equally long; a single value stands for all steps, and _ for a message without the field"
            part.wrong(message, f"{stream}.{field.name}", hint=hint)


def _dropped(part: Part, document: SendDocument, offset: int, every: int, length: int) -> set[int]:
    """The instants at which nothing is sent; each must be one at which something would have been."""
    found: set[int] = set()
    for index, text in enumerate(document.drop):
        at = instant(part, text, "drop", index)
        sent = every and at >= offset and (at - offset) % every == 0 and (at - offset) // every < length
        if at >= 0 and not sent:
            last = offset + max(length - 1, 0) * every
            span = f"every {duration_words(every)} from {duration_words(offset)} to {duration_words(last)}"
            part.wrong(f"no message of this send is at {text}", "drop", index, hint=f"they are {span}")
        found.add(at)
    return found


def _row(columns: AnyMapping[tuple[str, Field], tuple[Step, ...]], stream: str, step: int) -> dict[Field, Step]:
    mine = {field: steps for (name, field), steps in columns.items() if name == stream}
    return {field: steps[step] if len(steps) > 1 else steps[0] for field, steps in mine.items()}


def _whole(value: Value) -> Value:
    """A number without a fraction as devices write it: `86`, not `86.0`."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _put(body: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        inner = body.get(name)
        if not isinstance(inner, dict):
            inner = body[name] = {}
        body = inner
    body[path[-1]] = value


def _written(time: EventTime, at: int) -> int | float | str:
    """An instant (ns) as the stream's messages write it; instants here are whole milliseconds."""
    match time.format:
        case "iso8601":
            return datetime.fromtimestamp(at / SECOND, UTC).isoformat()
        case "unix_s":
            return at // SECOND if at % SECOND == 0 else at / SECOND
        case "unix_ms":
            return at // MILLISECOND
        case "unix_us":
            return at // 1_000
        case "unix_ns":
            return at
