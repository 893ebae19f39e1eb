"""`sequence:` of a rule: its steps in order, within, by and clear, to the checked body.

House rule: a step is read when those before it are, so that its condition may name them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from iotrules.language.documents import RuleDocument
from iotrules.language.parts import Part
from iotrules.language.sequence_steps import USAGE, Come, Item, names_said, of_text, on_message, read_item
from iotrules.language.surroundings import Surroundings
from iotrules.language.typed import Scope
from iotrules.model.rules import Absence, Condition, Ladder, Stream
from iotrules.model.sequences import EventPattern, Forbidden, Matching, Sequence, SequenceStep
from iotrules.yamlfile import nearest, node_at, quoted

MAX_SEQUENCE_STEPS = 16
_NOT_WITH_SEQUENCE = (
    "from", "when", "for", "levels", "absent", "expect", "max_gap", "every", "across", "fresh", "min_members",
)  # fmt: skip
_ONLY_WITH_SEQUENCE = ("within", "matching")


class Watched(NamedTuple):
    """What a rule watches, the stream (of a sequence, its last step's), what it is kept by, what a summary may name."""

    body: Condition | Ladder | Absence | Sequence
    stream: Stream
    by: tuple[str, ...]
    readable: Scope


def has_sequence(part: Part) -> bool:
    """Is it a rule with `sequence`? If not, the keys that belong to one are noted."""
    found = node_at(part.node, ["sequence"]) is not None
    for key in () if found else _ONLY_WITH_SEQUENCE:
        if part.gives(key):
            part.wrong_key(f"{key} belongs to a rule with sequence", key)
    return found


def read_sequence(part: Part, document: RuleDocument, around: Surroundings) -> Watched | None:
    """The rule's sequence, or None with its problems noted. A stream is None if it has problems of its own."""
    noted = len(part.problems)
    for key in _NOT_WITH_SEQUENCE:
        if node_at(part.node, [key]) is not None:
            part.wrong_key(f"{key} does not belong to a rule with sequence", key)
    entries = document.sequence or []
    if len(entries) > MAX_SEQUENCE_STEPS:
        part.wrong(f"a sequence has at most {MAX_SEQUENCE_STEPS} steps, not {len(entries)}", "sequence")
        return None
    items = _items(part, entries, around)
    within = _within(part, document)
    by = _by(part, document, items)
    steps = _steps(part, items)
    last = next((item.stream for item in reversed(items) if item.kind != "without"), None)
    clear = _clear(part, document.clear, Come(around, tuple(items)), last, by)
    if document.sequence is not None and len(items) == len(entries):
        _check_order(part, items)
    if last is None or within is None or len(part.problems) > noted:
        return None
    body = Sequence(steps, _forbidden(items), within, Matching(document.matching or "newest"), clear)
    return Watched(body, last, by, _readable(part, steps, items, last, by, around))


def _items(part: Part, entries: list[object], around: Surroundings) -> list[Item]:
    """The entries that could be read, in order."""
    said = names_said(entries)
    items: list[Item] = []
    for index in range(len(entries)):
        come = Come(around, tuple(items), tuple(name for name in said[index:] if name))
        item = read_item(part, index, come)
        items += [item] if item else []
    return items


def _within(part: Part, document: RuleDocument) -> int | None:
    if document.within is None:
        if not part.gives("within"):
            part.wrong("a sequence says within what time", hint="say within: 90s, counted from the first step")
        return None
    return part.duration(document.within, 0, "within", least=1)


def _by(part: Part, document: RuleDocument, items: list[Item]) -> tuple[str, ...]:
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


def _check_order(part: Part, items: list[Item]) -> None:
    """One `first`, at the start, and something behind it."""
    if not items or items[0].kind != "first":
        part.wrong("a sequence begins with first", "sequence", *((0,) if items else ()), hint=USAGE)
        return
    for item in items[1:]:
        if item.kind == "first":
            part.wrong("first is the first step only", "sequence", item.index, hint="write then")
    if len(items) == 1:
        part.wrong("a sequence has at least two steps", "sequence", hint="say then: or without: behind first:")


def _steps(part: Part, items: list[Item]) -> tuple[SequenceStep, ...]:
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


def _forbidden(items: list[Item]) -> tuple[Forbidden, ...]:
    return tuple(
        Forbidden(item.pattern, sum(other.kind != "without" for other in items[: item.index]), item.before, item.index)
        for item in items
        if item.kind == "without" and item.pattern
    )


def _clear(part: Part, given: object, come: Come, last: Stream | None, by: tuple[str, ...]) -> EventPattern | None:
    """`STREAM where CONDITION`, or a condition on the last step's stream; all steps have come."""
    if given is None or last is None:
        return None
    if not isinstance(given, str):
        hint = "a sequence's alert ends by one message: no for"
        part.wrong("clear of a sequence is a condition, or STREAM where CONDITION", "clear", hint=hint)
        return None
    if not re.match(r"\s*\S+\s+where\s", given):
        return on_message(part, last, given, 0, f"{last.name} where {' '.join(given.split())}", come, "clear")
    pattern, stream = of_text(part, ("clear",), given, come)
    lacking = [name for name in by if stream and name not in stream.captures]
    if lacking:
        part.wrong(f"the topic of {stream.name if stream else ''} has no {', '.join(lacking)}", "clear", hint="see by")
    return pattern


def _readable(
    part: Part,
    steps: tuple[SequenceStep, ...],
    items: list[Item],
    last: Stream,
    by: tuple[str, ...],
    around: Surroundings,
) -> Scope:
    """What a summary may name: the last step's fields, the labels of `by`, attributes of the key, and `NAME.…` of
    every named step.
    """
    streams = {item.stream.name: item.stream for item in items if item.stream}
    fields = {field.name: field for field in last.fields}
    labels = list(by)
    for step in steps:
        stream = streams[step.pattern.stream]
        if step.name:
            fields |= {f"{step.name}.{field.name}": field for field in stream.fields}
            labels += [f"{step.name}.{name}" for name in stream.captures]
    return Scope(
        last.name,
        fields,
        tuple(labels),
        arguments=part.arguments,
        registry=around.registry,
        registry_given=around.registry_given,
    )
