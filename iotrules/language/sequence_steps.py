"""One step of a `sequence:`, to the messages that it is about: their stream, and a condition on each by itself.

House rule: a step is `STREAM where CONDITION` in one text, or the same as a mapping; problems stand inside the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from iotrules.language.checking import check_condition
from iotrules.language.documents import EventDocument, SequenceStepDocument
from iotrules.language.parts import Part
from iotrules.language.surroundings import Surroundings
from iotrules.language.syntax import ExpressionError
from iotrules.language.typed import Scope, Steps
from iotrules.language.words import refuse_name
from iotrules.model.expression import Clock, Expression, names, windows
from iotrules.model.rules import Field, Stream
from iotrules.model.sequences import EventPattern
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import check_node, entry, nearest, node_at, quoted

Kind = Literal["first", "then", "without"]
KINDS: tuple[Kind, ...] = ("first", "then", "without")
USAGE = 'write first: STREAM where CONDITION, as in door where state == "open"'
_TEXT = re.compile(r"\s*(?P<stream>[^\s]+)(?:\s+(?P<word>[^\s]+)(?P<condition>.*))?\s*", re.DOTALL)
_LOOKS_BACK = "what looks back with before may come ahead of every step, when no step has values yet"


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of the list. `pattern` and `stream` are None where they are wrong, and noted."""

    index: int
    kind: Kind
    pattern: EventPattern | None
    stream: Stream | None
    name: str
    before: int | None


@dataclass(frozen=True, slots=True)
class Come:
    """What is known where a step is read: all that is declared, and the steps that come before it and after it."""

    around: Surroundings
    items: tuple[Item, ...] = ()
    later: tuple[str, ...] = ()
    looks_back: bool = False
    """Is it a `without` with `before`?"""

    @property
    def named(self) -> dict[str, Stream]:
        """The streams of the steps that have a name and must come before."""
        return {item.name: item.stream for item in self.items if item.name and item.stream and item.kind != "without"}


def read_item(part: Part, index: int, come: Come) -> Item | None:
    """The entry at `index` of the rule's sequence; None, with its problems noted, where not even its kind is known."""
    path: tuple[str | int, ...] = ("sequence", index)
    node = node_at(part.node, path)
    if not isinstance(node, MappingNode):
        part.wrong("a step of a sequence is a mapping", *path, hint=USAGE)
        return None
    document, problems = check_node(node, SequenceStepDocument, part.source)
    part.problems.extend(problems)
    given = [kind for kind in KINDS if entry(node, kind)]
    if document is None or len(given) != 1:
        if not problems or len(given) > 1:
            part.wrong("a step says one of first, then and without", *path, hint=USAGE)
        return None
    return _event(part, index, given[0], document, come)


def _event(part: Part, index: int, kind: Kind, document: SequenceStepDocument, come: Come) -> Item | None:
    """A step from its short text, or from a mapping. `as` and `before` may stand beside it or in the mapping."""
    path: tuple[str | int, ...] = ("sequence", index, kind)
    node = node_at(part.node, path)
    inner = EventDocument.model_validate({})
    if isinstance(node, MappingNode):
        found, problems = check_node(node, EventDocument, part.source)
        part.problems.extend(problems)
        if found is None or problems:
            return None
        inner = found
    before = inner.before if inner.before is not None else document.before
    come = replace(come, looks_back=before is not None)
    pattern, stream = _pattern(part, path, getattr(document, kind), inner, come)
    name = inner.as_ if inner.as_ is not None else document.as_
    return Item(
        index=index,
        kind=kind,
        pattern=pattern,
        stream=stream,
        name=_name(part, kind, name, come, *_place(part, path, "as")),
        before=_before(part, kind, before, *_place(part, path, "before")),
    )


def _place(part: Part, path: tuple[str | int, ...], key: str) -> tuple[str | int, ...]:
    """Where `as` or `before` of a step stands: in its mapping, or beside its text."""
    inside = node_at(part.node, (*path, key)) is not None
    if inside and node_at(part.node, (*path[:-1], key)) is not None:
        part.wrong(f"{key} is here twice", *path[:-1], key, hint="keep the one in the step's mapping")
    return (*path, key) if inside else (*path[:-1], key)


def _pattern(
    part: Part, path: tuple[str | int, ...], given: object, inner: EventDocument, come: Come
) -> tuple[EventPattern | None, Stream | None]:
    """The messages that a step is about, and their stream."""
    if isinstance(given, str):
        return of_text(part, path, given, come)
    if not isinstance(given, dict):
        part.wrong(f"{path[-1]} is STREAM where CONDITION, or a mapping with stream and where", *path, hint=USAGE)
        return None, None
    if inner.stream is None:
        part.wrong("the step names no stream", *path, hint="say stream: NAME")
        return None, None
    stream = _stream(part, (*path, "stream"), inner.stream, 0, come)
    if inner.where is None:
        return (EventPattern(inner.stream, None, inner.stream) if stream else None), stream
    text = f"{inner.stream} where {' '.join(inner.where.split())}"
    return on_message(part, stream, inner.where, 0, text, come, *path, "where"), stream


def of_text(
    part: Part, path: tuple[str | int, ...], text: str, come: Come
) -> tuple[EventPattern | None, Stream | None]:
    """`STREAM`, or `STREAM where CONDITION`: the messages that it is about, and their stream."""
    found = _TEXT.fullmatch(text)
    if found is None:
        part.wrong("the step names no stream", *path, hint=USAGE)
        return None, None
    name = found["stream"]
    stream = _stream(part, path, name, found.start("stream"), come)
    if found["word"] is None:
        return (EventPattern(name, None, name) if stream else None), stream
    if found["word"] != "where" or not found["condition"].strip():
        near = nearest(found["word"], ["where"]) if found["word"] != "where" else ""
        error = ExpressionError(found.start("word"), f"expected where and a condition behind {name}{near}", USAGE)
        part.wrong_inside(error, *path)
        return None, stream
    condition, offset = found["condition"], found.start("condition")
    return on_message(part, stream, condition, offset, " ".join(text.split()), come, *path), stream


def _stream(part: Part, path: tuple[str | int, ...], name: str, offset: int, come: Come) -> Stream | None:
    streams = come.around.streams
    if name not in streams:
        hint = f"streams: {', '.join(sorted(streams)) or 'none is declared'}"
        error = ExpressionError(offset, f"unknown stream {quoted(name)}{nearest(name, streams)}", hint)
        part.wrong_inside(error, *path)
    return streams.get(name)


def on_message(
    part: Part, stream: Stream | None, condition: str, offset: int, text: str, come: Come, *path: str | int
) -> EventPattern | None:
    """The messages of the stream with this condition, which begins `offset` characters into the text at `path`."""
    if stream is None:
        return None
    when, problems = check_condition(condition, _scope(part, stream, come))
    if when is not None:
        problems = list(_over_time(when, condition))
    for problem in sorted(problems, key=lambda found: found.offset):
        part.wrong_inside(ExpressionError(offset + problem.offset, problem.message, problem.hint), *path)
    if when is None or problems:
        return None
    read = {name.partition(".")[0] for name in names(when) if "." in name}
    return EventPattern(stream.name, when, text, tuple(sorted(read)))


def _scope(part: Part, stream: Stream, come: Come) -> Scope:
    """The message's own fields and captures, and those of the named steps that have come."""
    named = {} if come.looks_back else come.named
    around = come.around
    return Scope(
        stream.name,
        {field.name: field for field in (*stream.fields, *_fields_of(named.items()))},
        (*stream.captures, *(f"{name}.{capture}" for name, other in named.items() for capture in other.captures)),
        zones=around.zones,
        arguments=part.arguments,
        registry=around.registry,
        registry_given=around.registry_given,
        steps=Steps(tuple(come.named), come.later, _LOOKS_BACK if come.looks_back else ""),
    )


def _fields_of(named: Iterable[tuple[str, Stream]]) -> Iterator[Field]:
    """The fields of named steps, by `NAME.FIELD`."""
    for name, stream in named:
        yield from (replace(field, name=f"{name}.{field.name}") for field in stream.fields)


def _over_time(when: Expression, text: str) -> Iterator[ExpressionError]:
    """Functions over samples: a step is one message. The clock is that of the message."""
    for name in dict.fromkeys(window.kind.value for window in windows(when) if not isinstance(window.kind, Clock)):
        found = re.search(rf"\b{name}\s*\(", text)
        hint = "compare the message's own values, or let a rule with from watch the window"
        message = f"{name}() looks at samples over time, and a step of a sequence is one message"
        yield ExpressionError(found.start() if found else 0, message, hint)


def _name(part: Part, kind: Kind, name: str | None, come: Come, *path: str | int) -> str:
    if name is None:
        return ""
    if kind == "without":
        part.wrong("what must not come has no values to name", *path, hint="leave as out")
    elif fault := refuse_name(name, "stream"):
        part.wrong(fault.replace("stream", "step"), *path)
    elif name in come.around.streams:
        part.wrong(f"{quoted(name)} is a stream, so a step can't be called so", *path, hint="give it another as")
    return name


def _before(part: Part, kind: Kind, given: str | float | None, *path: str | int) -> int | None:
    if given is None:
        return None
    if kind != "without":
        part.wrong("before belongs to a step with without", *path)
        return None
    return part.duration(given, 0, *path, least=1)


def names_said(entries: Sequence[object]) -> list[str]:
    """What `as` of each entry of a sequence says, as it stands there; "" where nothing does."""
    return [_said(one) for one in entries]


def _said(given: object) -> str:
    if not isinstance(given, dict):
        return ""
    inner = [value.get("as") for kind in KINDS if isinstance(value := given.get(kind), dict)]
    found = [name for name in (given.get("as"), *inner) if isinstance(name, str)]
    return found[0] if found else ""
