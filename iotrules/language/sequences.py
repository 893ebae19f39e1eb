"""`sequence:` of a rule: ordered steps over streams, to the checked body.

House rule: a step is `STREAM where CONDITION` in one text, or the same as a mapping; problems stand inside the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from iotrules.language.checking import check_condition
from iotrules.language.documents import EventDocument, RuleDocument, SequenceStepDocument
from iotrules.language.parts import Part
from iotrules.language.syntax import ExpressionError
from iotrules.language.typed import Scope
from iotrules.language.words import refuse_name
from iotrules.model.expression import Clock, Expression, windows
from iotrules.model.rules import Absence, Condition, Ladder, Stream
from iotrules.model.sequences import EventPattern, Forbidden, Matching, Sequence, SequenceStep
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import check_node, entry, nearest, node_at, quoted

MAX_SEQUENCE_STEPS = 16
Kind = Literal["first", "then", "without"]
_KINDS: tuple[Kind, ...] = ("first", "then", "without")
_TEXT = re.compile(r"\s*(?P<stream>[^\s]+)(?:\s+(?P<word>[^\s]+)(?P<condition>.*))?\s*", re.DOTALL)
_NOT_WITH_SEQUENCE = (
    "from", "when", "for", "levels", "absent", "expect", "max_gap", "every", "across", "fresh", "min_members",
)  # fmt: skip
_ONLY_WITH_SEQUENCE = ("within", "matching")
_USAGE = 'write first: STREAM where CONDITION, as in door where state == "open"'


class Watched(NamedTuple):
    """What a rule watches, the stream (of a sequence, its last step's), what it is kept by, what a summary may name."""

    body: Condition | Ladder | Absence | Sequence
    stream: Stream
    by: tuple[str, ...]
    readable: Scope


@dataclass(frozen=True, slots=True)
class _Item:
    """An entry of the list. `pattern` and `stream` are None where they are wrong, and noted."""

    index: int
    kind: Kind
    pattern: EventPattern | None
    stream: Stream | None
    name: str
    before: int | None


def has_sequence(part: Part) -> bool:
    """Is it a rule with `sequence`? If not, the keys that belong to one are noted."""
    found = node_at(part.node, ["sequence"]) is not None
    for key in () if found else _ONLY_WITH_SEQUENCE:
        if part.gives(key):
            part.wrong_key(f"{key} belongs to a rule with sequence", key)
    return found


def read_sequence(part: Part, document: RuleDocument, streams: Mapping[str, Stream | None]) -> Watched | None:
    """The rule's sequence, or None with its problems noted. A stream is None if it has problems of its own."""
    noted = len(part.problems)
    for key in _NOT_WITH_SEQUENCE:
        if node_at(part.node, [key]) is not None:
            part.wrong_key(f"{key} does not belong to a rule with sequence", key)
    count = len(document.sequence or ())
    if count > MAX_SEQUENCE_STEPS:
        part.wrong(f"a sequence has at most {MAX_SEQUENCE_STEPS} steps, not {count}", "sequence")
        return None
    items = [item for index in range(count) if (item := _item(part, index, streams))]
    within = _within(part, document)
    by = _by(part, document, items)
    steps = _steps(part, items)
    last = next((item.stream for item in reversed(items) if item.kind != "without"), None)
    clear = _clear(part, document.clear, streams, last, by)
    if document.sequence is not None and len(items) == count:
        _check_order(part, items)
    if last is None or within is None or len(part.problems) > noted:
        return None
    body = Sequence(steps, _forbidden(items), within, Matching(document.matching or "newest"), clear)
    return Watched(body, last, by, _readable(part, steps, items, last, by))


def _item(part: Part, index: int, streams: Mapping[str, Stream | None]) -> _Item | None:
    path: tuple[str | int, ...] = ("sequence", index)
    node = node_at(part.node, path)
    if not isinstance(node, MappingNode):
        part.wrong("a step of a sequence is a mapping", *path, hint=_USAGE)
        return None
    document, problems = check_node(node, SequenceStepDocument, part.source)
    part.problems.extend(problems)
    given = [kind for kind in _KINDS if entry(node, kind)]
    if document is None or len(given) != 1:
        if not problems or len(given) > 1:
            part.wrong("a step says one of first, then and without", *path, hint=_USAGE)
        return None
    return _event(part, index, given[0], document, streams)


def _event(
    part: Part, index: int, kind: Kind, document: SequenceStepDocument, streams: Mapping[str, Stream | None]
) -> _Item | None:
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
    pattern, stream = _pattern(part, path, getattr(document, kind), inner, streams)
    name = inner.as_ if inner.as_ is not None else document.as_
    before = inner.before if inner.before is not None else document.before
    return _Item(
        index=index,
        kind=kind,
        pattern=pattern,
        stream=stream,
        name=_name(part, kind, name, *_place(part, path, "as")),
        before=_before(part, kind, before, *_place(part, path, "before")),
    )


def _place(part: Part, path: tuple[str | int, ...], key: str) -> tuple[str | int, ...]:
    """Where `as` or `before` of a step stands: in its mapping, or beside its text."""
    inside = node_at(part.node, (*path, key)) is not None
    if inside and node_at(part.node, (*path[:-1], key)) is not None:
        part.wrong(f"{key} is here twice", *path[:-1], key, hint="keep the one in the step's mapping")
    return (*path, key) if inside else (*path[:-1], key)


def _pattern(
    part: Part,
    path: tuple[str | int, ...],
    given: object,
    inner: EventDocument,
    streams: Mapping[str, Stream | None],
) -> tuple[EventPattern | None, Stream | None]:
    """The messages that a step is about, and their stream."""
    if isinstance(given, str):
        return _of_text(part, path, given, streams)
    if not isinstance(given, dict):
        part.wrong(f"{path[-1]} is STREAM where CONDITION, or a mapping with stream and where", *path, hint=_USAGE)
        return None, None
    if inner.stream is None:
        part.wrong("the step names no stream", *path, hint="say stream: NAME")
        return None, None
    stream = _stream(part, (*path, "stream"), inner.stream, 0, streams)
    if inner.where is None:
        return (EventPattern(inner.stream, None, inner.stream) if stream else None), stream
    when = _condition(part, stream, inner.where, 0, *path, "where")
    text = f"{inner.stream} where {' '.join(inner.where.split())}"
    return (EventPattern(inner.stream, when, text) if when else None), stream


def _of_text(
    part: Part, path: tuple[str | int, ...], text: str, streams: Mapping[str, Stream | None]
) -> tuple[EventPattern | None, Stream | None]:
    found = _TEXT.fullmatch(text)
    if found is None:
        part.wrong("the step names no stream", *path, hint=_USAGE)
        return None, None
    name = found["stream"]
    stream = _stream(part, path, name, found.start("stream"), streams)
    if found["word"] is None:
        return (EventPattern(name, None, name) if stream else None), stream
    if found["word"] != "where" or not found["condition"].strip():
        near = nearest(found["word"], ["where"]) if found["word"] != "where" else ""
        error = ExpressionError(found.start("word"), f"expected where and a condition behind {name}{near}", _USAGE)
        part.wrong_inside(error, *path)
        return None, stream
    when = _condition(part, stream, found["condition"], found.start("condition"), *path)
    return (EventPattern(name, when, " ".join(text.split())) if when else None), stream


def _stream(
    part: Part,
    path: tuple[str | int, ...],
    name: str,
    offset: int,
    streams: Mapping[str, Stream | None],
) -> Stream | None:
    if name not in streams:
        hint = f"streams: {', '.join(sorted(streams)) or 'none is declared'}"
        error = ExpressionError(offset, f"unknown stream {quoted(name)}{nearest(name, streams)}", hint)
        part.wrong_inside(error, *path)
    return streams.get(name)


def _condition(part: Part, stream: Stream | None, text: str, offset: int, *path: str | int) -> Expression | None:
    """The condition of a step, which begins `offset` characters into the text at `path`."""
    if stream is None:
        return None
    fields = {field.name: field for field in stream.fields}
    scope = Scope(stream.name, fields, stream.captures, arguments=part.arguments)
    when, problems = check_condition(text, scope)
    if when is not None:
        problems = list(_over_time(when, text))
    for problem in sorted(problems, key=lambda found: found.offset):
        part.wrong_inside(ExpressionError(offset + problem.offset, problem.message, problem.hint), *path)
    return None if problems else when


def _over_time(when: Expression, text: str) -> Iterator[ExpressionError]:
    """Functions over samples: a step is one message. The clock is that of the message."""
    for name in dict.fromkeys(window.kind.value for window in windows(when) if not isinstance(window.kind, Clock)):
        found = re.search(rf"\b{name}\s*\(", text)
        hint = "compare the message's own values, or let a rule with from watch the window"
        message = f"{name}() looks at samples over time, and a step of a sequence is one message"
        yield ExpressionError(found.start() if found else 0, message, hint)


def _name(part: Part, kind: Kind, name: str | None, *path: str | int) -> str:
    if name is None:
        return ""
    if kind == "without":
        part.wrong("what must not come has no values to name", *path, hint="leave as out")
    elif fault := refuse_name(name, "stream"):
        part.wrong(fault.replace("stream", "step"), *path)
    return name


def _before(part: Part, kind: Kind, given: str | float | None, *path: str | int) -> int | None:
    if given is None:
        return None
    if kind != "without":
        part.wrong("before belongs to a step with without", *path)
        return None
    return part.duration(given, 0, *path, least=1)


def _within(part: Part, document: RuleDocument) -> int | None:
    if document.within is None:
        if not part.gives("within"):
            part.wrong("a sequence says within what time", hint="say within: 90s, counted from the first step")
        return None
    return part.duration(document.within, 0, "within", least=1)


def _by(part: Part, document: RuleDocument, items: list[_Item]) -> tuple[str, ...]:
    """The labels of the key: with several streams they must be said, and be captures of each."""
    streams = list({item.stream.name: item.stream for item in items if item.stream}.values())
    if document.by is None:
        shared = [name for name in (streams[0].captures if streams else ()) if all(name in s.captures for s in streams)]
        if len(streams) > 1 and not part.gives("by"):
            hint = f"captures that all of them have: {', '.join(shared) or 'none'}"
            part.wrong("a sequence over several streams says by", "sequence", hint=hint)
        return tuple(shared)
    for index, name in enumerate(document.by):
        lacking = next((stream for stream in streams if name not in stream.captures), None)
        if lacking is not None:
            hint = f"the topic of {lacking.name} has {', '.join(lacking.captures) or 'no captures'}"
            message = f"{quoted(name)} is no capture of {lacking.name}{nearest(name, lacking.captures)}"
            part.wrong(message, "by", index, hint=hint)
        elif name in document.by[:index]:
            part.wrong(f"{quoted(name)} is here twice", "by", index)
    return tuple(document.by)


def _check_order(part: Part, items: list[_Item]) -> None:
    """One `first`, at the start, and something behind it."""
    if not items or items[0].kind != "first":
        part.wrong("a sequence begins with first", "sequence", *((0,) if items else ()), hint=_USAGE)
        return
    for item in items[1:]:
        if item.kind == "first":
            part.wrong("first is the first step only", "sequence", item.index, hint="write then")
    if len(items) == 1:
        part.wrong("a sequence has at least two steps", "sequence", hint="say then: or without: behind first:")


def _steps(part: Part, items: list[_Item]) -> tuple[SequenceStep, ...]:
    """The steps that must come. One without `as` is called by its stream, if no other step could be meant."""
    told = [(item, item.pattern) for item in items if item.kind != "without" and item.pattern]
    named = [item.name for item, _ in told if item.name]
    streams = Counter(pattern.stream for _, pattern in told)
    for item, _ in told:
        if any(other.name == item.name and other.index < item.index for other, _ in told if item.name):
            part.wrong(f"another step is called {quoted(item.name)}", "sequence", item.index, hint="give it another as")
    return tuple(
        SequenceStep(pattern, item.name or _implied(pattern.stream, streams, named), item.index)
        for item, pattern in told
    )


def _implied(stream: str, streams: Mapping[str, int], named: list[str]) -> str:
    return stream if streams[stream] == 1 and stream not in named else ""


def _forbidden(items: list[_Item]) -> tuple[Forbidden, ...]:
    return tuple(
        Forbidden(item.pattern, sum(other.kind != "without" for other in items[: item.index]), item.before, item.index)
        for item in items
        if item.kind == "without" and item.pattern
    )


def _clear(
    part: Part, given: object, streams: Mapping[str, Stream | None], last: Stream | None, by: tuple[str, ...]
) -> EventPattern | None:
    """`STREAM where CONDITION`, or a condition on the last step's stream."""
    if given is None or last is None:
        return None
    if not isinstance(given, str):
        hint = "a sequence's alert ends by one message: no for"
        part.wrong("clear of a sequence is a condition, or STREAM where CONDITION", "clear", hint=hint)
        return None
    if not re.match(r"\s*\S+\s+where\s", given):
        when = _condition(part, last, given, 0, "clear")
        return EventPattern(last.name, when, f"{last.name} where {' '.join(given.split())}") if when else None
    pattern, stream = _of_text(part, ("clear",), given, streams)
    lacking = [name for name in by if stream and name not in stream.captures]
    if lacking:
        part.wrong(f"the topic of {stream.name if stream else ''} has no {', '.join(lacking)}", "clear", hint="see by")
    return pattern


def _readable(
    part: Part, steps: tuple[SequenceStep, ...], items: list[_Item], last: Stream, by: tuple[str, ...]
) -> Scope:
    """What a summary may name: the last step's fields, the labels of `by`, and `NAME.…` of every named step."""
    streams = {item.stream.name: item.stream for item in items if item.stream}
    fields = {field.name: field for field in last.fields}
    labels = list(by)
    for step in steps:
        stream = streams[step.pattern.stream]
        if step.name:
            fields |= {f"{step.name}.{field.name}": field for field in stream.fields}
            labels += [f"{step.name}.{name}" for name in stream.captures]
    return Scope(last.name, fields, tuple(labels), arguments=part.arguments)
