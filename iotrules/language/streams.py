"""`streams:` and `commands:` of rule files: what arrives, and how a device is told something."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from iotrules.language import units
from iotrules.language.documents import CommandsDocument, FieldDocument, StreamDocument, TimeDocument
from iotrules.language.limits import read_limit
from iotrules.language.pace import read_pace
from iotrules.language.parts import Part
from iotrules.language.topics import overlap, topic_pattern
from iotrules.language.words import refuse_name
from iotrules.model.rules import CommandTopics, EventTime, Field, FieldType, Stream, TopicPattern
from iotrules.model.times import MILLISECOND, SECOND
from iotrules.yamlfile import quoted

_AHEAD = 10 * SECOND
MAX_STREAMS = 300
LEAST_SAMPLES, MOST_SAMPLES = 2, 100_000


def build_stream(part: Part) -> Stream | None:
    """The stream, or None with its problems noted."""
    before = len(part.problems)
    document = part.document(StreamDocument)
    if reason := refuse_name(part.name, "stream"):
        part.wrong(reason)
    topic = read_topic(part, document.topic, "topic") if document else None
    if document is None or topic is None:
        return None
    pace = read_pace(part, document.max_gap, document.every)
    stream = Stream(
        name=part.name,
        topic=topic,
        fields=_fields(part, document, topic),
        time=_time(part, document.time) if document.time else None,
        id_paths=_ids(part, document.id),
        interval=part.duration(document.interval, 0, "interval", least=MILLISECOND) or None,
        location=part.location,
        partial=document.partial,
        fresh=part.duration(document.fresh, 0, "fresh", least=MILLISECOND) or None,
        max_samples=_max_samples(part, document.max_samples),
        max_gap=pace.max_gap,
        every=pace.every,
        limit=read_limit(part, document.limit),
        gaps=document.gaps != "ignore",
    )
    return stream if len(part.problems) == before else None


def read_topic(part: Part, text: str, *path: str) -> TopicPattern | None:
    """The pattern that was given at `path`, or None with its problem noted."""
    try:
        return topic_pattern(text)
    except ValueError as error:
        part.wrong(str(error), *path)
        return None


def _fields(part: Part, document: StreamDocument, topic: TopicPattern) -> tuple[Field, ...]:
    fields = []
    for name, given in document.fields.items():
        if reason := refuse_name(name, "field"):
            hint = "the key in the JSON may still be called so: give the field another name and say path:"
            part.wrong_key(reason, "fields", name, hint=hint)
        elif name in topic.captures:
            message = f"{name} is both a field and a capture of the topic"
            part.wrong_key(message, "fields", name, hint="give the field another name and say path:")
        fields.append(_field(part, name, given or FieldDocument()))
    return tuple(fields)


def _field(part: Part, name: str, document: FieldDocument) -> Field:
    kind = FieldType(document.type or ("text" if document.one_of is not None else "number"))
    _check_fit(part, name, document, kind)
    low, high = _range(part, name, document.range)
    return Field(
        name=name,
        path=_path(part, document.path, "fields", name, "path") if document.path is not None else (name,),
        type=kind,
        unit=_unit(part, name, document.unit),
        low=low,
        high=high,
        one_of=_choices(part, name, document.one_of),
        coerce_number=document.coerce is not None,
    )


def _check_fit(part: Part, name: str, document: FieldDocument, kind: FieldType) -> None:
    """Keys that make no sense for the field's type."""
    if kind is not FieldType.TEXT and document.one_of is not None:
        part.wrong_key(f"one_of is for text, and {name} is a {kind.value}", "fields", name, "one_of")
    if kind is FieldType.NUMBER:
        return
    for key in ("unit", "range", "coerce"):
        if getattr(document, key) is not None:
            part.wrong_key(f"{key} is for numbers, and {name} is a {kind.value}", "fields", name, key)


def _range(part: Part, name: str, given: list[float] | None) -> tuple[float | None, float | None]:
    if given is None:
        return None, None
    if len(given) != 2 or not given[0] < given[1]:
        part.wrong("a range is two numbers, the lower first", "fields", name, "range", hint="write [-40, 150]")
        return None, None
    return float(given[0]), float(given[1])


def _choices(part: Part, name: str, given: list[str] | None) -> tuple[str, ...]:
    if given is not None and (not given or len(set(given)) < len(given)):
        part.wrong("one_of is a list of different texts", "fields", name, "one_of")
    return tuple(given or ())


def _unit(part: Part, name: str, unit: str | None) -> str:
    try:
        if unit:
            units.check(unit)
    except units.UnitError as error:
        part.wrong(str(error), "fields", name, "unit")
    return unit or ""


def _path(part: Part, text: str, *where: str | int) -> tuple[str, ...]:
    path = tuple(text.split("."))
    if not all(path) or len(path) > 16:
        part.wrong(f"{quoted(text)} is no path: write the keys with dots between them, as in motor.rpm", *where)
    return path


def _time(part: Part, document: TimeDocument) -> EventTime:
    late = part.duration(document.late, 0, "time", "late")
    ahead = part.duration(document.ahead, _AHEAD, "time", "ahead")
    path = _path(part, document.field, "time", "field")
    return EventTime(path, document.format, ahead, late, document.on_late == "amend")


def _max_samples(part: Part, given: int | None) -> int | None:
    if given is not None and not LEAST_SAMPLES <= given <= MOST_SAMPLES:
        part.wrong(f'"max_samples": expected a whole number from {LEAST_SAMPLES} to {MOST_SAMPLES:,}', "max_samples")
    return given


def _ids(part: Part, given: str | list[str] | None) -> tuple[tuple[str, ...], ...]:
    if isinstance(given, str):
        return (_path(part, given, "id"),)
    if given == []:
        part.wrong("id is a list of keys that tell messages apart", "id", hint="write [boot, seq]")
    return tuple(_path(part, text, "id", index) for index, text in enumerate(given or ()))


def build_commands(part: Part) -> CommandTopics | None:
    """The topics of commands, or None with the problems noted."""
    document = part.document(CommandsDocument)
    if document is None:
        return None
    topic, ack = read_topic(part, document.topic, "topic"), read_topic(part, document.ack, "ack")
    if topic is None or ack is None:
        return None
    if overlap(topic, ack):
        part.wrong("commands and their answers would share a topic", "ack")
    return CommandTopics(topic, ack)


def refuse_overlaps(parts: Iterable[tuple[Part, Stream]], commands: tuple[Part, CommandTopics] | None) -> None:
    """A topic belongs to one stream: note every pair of patterns that some topic fits both."""
    known = sorted(parts, key=lambda pair: pair[1].name)
    if len(known) > MAX_STREAMS:
        known[-1][0].wrong(f"more than {MAX_STREAMS} streams", hint="devices of one kind share a stream, by captures")
        return
    for (_, one), (part, other) in combinations(known, 2):
        if overlap(one.topic, other.topic):
            place = f"{one.location.file}:{one.location.line}"
            part.wrong(f"some topics fit this stream and {one.name} ({place}), but a message has one stream", "topic")
    if commands is None:
        return
    for _, stream in known:
        for key, pattern in (("topic", commands[1].topic), ("ack", commands[1].ack)):
            if overlap(stream.topic, pattern):
                commands[0].wrong(f"some topics fit this and the stream {stream.name}", key)
