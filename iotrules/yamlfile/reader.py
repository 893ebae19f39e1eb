"""YAML text to a tree of our own, from the event stream: bounded in depth, size and aliases, without tags.

House rule: composer and constructors of the YAML library are never used. They recurse, resolve YAML 1.1 and
build objects; the event stream does none of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import yaml

from iotrules.model.errors import FileError, Problem
from iotrules.yamlfile import hints
from iotrules.yamlfile.nodes import Mapping, Node, Place, Scalar, Sequence, Style
from iotrules.yamlfile.scalars import ScalarError, resolve
from iotrules.yamlfile.source import Source, normal, quoted

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 30_000
MAX_ALIASED = 10_000
MAX_PROBLEMS = 100

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STYLES: dict[str | None, Style] = {"'": "single", '"': "double", "|": "block", ">": "block"}

# What YAML forbids, what it takes for a line break where no editor does, what turns the direction of text.
_FORBIDDEN = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_UNUSABLE = re.compile("[\0\ud800-\udfff]")  # what an escape in double quotes can still bring in


class _StopReading(Exception):
    """The problem is noted, and it makes no sense to read on."""


@dataclass(slots=True)
class _Reading:
    source: Source
    text: str
    events: Iterator[Any]
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, tuple[Node, int, int] | None] = field(default_factory=dict)
    """Anchor → its node, size and height; None while it is still open."""
    nodes: int = 0
    aliased: int = 0

    def note(self, place: Place, message: str, hint: str = "") -> None:
        self.problems.append(self.source.problem(place, message, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _StopReading

    def stop(self, place: Place, message: str, hint: str = "") -> _StopReading:
        self.problems.append(self.source.problem(place, message, hint))
        return _StopReading()


def parse(text: str, file: str) -> Node:
    """The tree of the one document in `text`; an empty file is a null. FileError with every problem found.

    `file` is the name for messages. A lone surrogate in `text` stands for a byte that is not UTF-8.
    """
    if len(text) > MAX_BYTES or len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB"
        raise FileError([Problem(file, 1, 1, message, "split it into several files")])
    text, source = normal(text), Source.of(text, file)
    _refuse_characters(text, source)
    reading = _Reading(source, text, yaml.parse(text, Loader=_LOADER))
    root = _read(reading)
    if reading.problems or root is None:
        raise FileError(reading.problems)
    return root


def _refuse_characters(text: str, source: Source) -> None:
    found = _FORBIDDEN.search(text)
    if not found:
        return
    code, before = ord(found[0]), text[: found.start()]
    place = before.count("\n") + 1, len(before) - before.rfind("\n")
    if 0xDC80 <= code <= 0xDCFF:
        problem = source.problem(place, f"the byte 0x{code - 0xDC00:02x} is not UTF-8", "save the file as UTF-8")
    else:
        problem = source.problem(place, f"the character U+{code:04X} is not allowed", "remove it")
    raise FileError([problem])


def _read(reading: _Reading) -> Node | None:
    try:
        return _document(reading)
    except _StopReading:
        return None
    except yaml.YAMLError as error:
        reading.problems.append(_syntax_problem(reading.source, error))
        return None


def _syntax_problem(source: Source, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or "it can't be read"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    line = min(line, len(source.lines))
    hint = hints.syntax_hint(source.lines[line - 1], column)
    return source.problem((line, column), f"not valid YAML: {said}", hint)


def _document(reading: _Reading) -> Node:
    root: Node = Scalar(None, "", 1, 1)
    documents = 0
    for event in reading.events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            _check_document(reading, event, documents)
        elif isinstance(event, yaml.NodeEvent):
            root, _ = _node(reading, event, 1)
    return root


def _check_document(reading: _Reading, event: Any, number: int) -> None:
    if number > 1:
        raise reading.stop(_place(event), "a second document in one file", "write it into a file of its own")
    if event.version not in (None, (1, 2)):
        reading.note(_place(event), "files are read as YAML 1.2, not as the version given", "remove the %YAML line")


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _node(reading: _Reading, event: Any, depth: int) -> tuple[Node, int]:
    """The node that begins with `event`, and its height (1 for a scalar)."""
    if depth > MAX_DEPTH:
        raise reading.stop(_place(event), f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(event, yaml.AliasEvent):
        return _alias(reading, event, depth)
    _count(reading, event, 1)
    _refuse_tag(reading, event)
    before = reading.nodes
    if event.anchor:
        reading.anchors[event.anchor] = None
    node, height = _content(reading, event, depth)
    if event.anchor:
        reading.anchors[event.anchor] = node, reading.nodes - before + 1, height
    return node, height


def _content(reading: _Reading, event: Any, depth: int) -> tuple[Node, int]:
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(reading, event, depth)
    if isinstance(event, yaml.SequenceStartEvent):
        return _sequence(reading, event, depth)
    return _scalar(reading, event), 1


def _count(reading: _Reading, event: Any, more: int) -> None:
    reading.nodes += more
    if reading.nodes > MAX_NODES:
        raise reading.stop(_place(event), f"more than {MAX_NODES} values in one file", "split it into several files")


def _refuse_tag(reading: _Reading, event: Any) -> None:
    if event.tag is not None:
        hint = 'remove it; to begin a text with "!", quote it; Fn::Sub and Ref have a long form without a tag'
        reading.note(_place(event), f"the tag {quoted(event.tag)} is not allowed", hint)


def _alias(reading: _Reading, event: Any, depth: int) -> tuple[Node, int]:
    name = event.anchor
    if name not in reading.anchors:
        hint = f"to begin a text with *, {hints.QUOTE}"
        raise reading.stop(_place(event), f"the alias *{name[:40]} has no anchor &{name[:40]} before it", hint)
    target = reading.anchors[name]
    if target is None:
        raise reading.stop(_place(event), f"the alias *{name[:40]} is inside of what it stands for")
    node, size, height = target
    reading.aliased += size
    if reading.aliased > MAX_ALIASED:
        raise reading.stop(_place(event), f"aliases stand for more than {MAX_ALIASED} values", "write them out")
    if depth + height - 1 > MAX_DEPTH:
        raise reading.stop(_place(event), f"nested more than {MAX_DEPTH} levels deep")
    _count(reading, event, size)
    return node, height


def _sequence(reading: _Reading, start: Any, depth: int) -> tuple[Node, int]:
    items: list[Node] = []
    height = 0
    while not isinstance(event := next(reading.events), yaml.SequenceEndEvent):
        item, below = _node(reading, event, depth + 1)
        items.append(item)
        height = max(height, below)
    flow = bool(start.flow_style)
    pairs = [(one, two) for one, two in pairwise(items) if isinstance(one, Scalar) and isinstance(two, Scalar)]
    _note_comma(reading, hints.split_by_comma(pairs) if flow else None)
    return Sequence(tuple(items), *_place(start), flow), height + 1


def _mapping(reading: _Reading, start: Any, depth: int) -> tuple[Node, int]:
    entries: list[tuple[Scalar, Node]] = []
    seen: dict[str, Scalar] = {}
    height = 0
    while not isinstance(event := next(reading.events), yaml.MappingEndEvent):
        key = _key(reading, event, depth)
        value, below = _node(reading, next(reading.events), depth + 1)
        height = max(height, below)
        if key.text in seen:
            first = seen[key.text].line
            reading.note(key.place, f"the key {quoted(key.text)} is here twice, first in line {first}", "remove one")
            continue
        seen[key.text] = key
        entries.append((key, value))
    flow = bool(start.flow_style)
    _note_comma(reading, hints.split_by_comma(hints.neighbours(entries)) if flow else None)
    return Mapping(tuple(entries), *_place(start), flow), height + 1


def _key(reading: _Reading, event: Any, depth: int) -> Scalar:
    key, _ = _node(reading, event, depth + 1)
    if not isinstance(key, Scalar):
        hint = f"if a text begins with {{ or [, {hints.QUOTE}"
        raise reading.stop(key.place, "a key must be a single word or text", hint)
    if key.text == "<<" and key.style == "plain":
        reading.note(key.place, "merge keys (<<) are not supported", "write the keys out")
    return key


def _note_comma(reading: _Reading, found: tuple[Scalar, str] | None) -> None:
    if found:
        reading.note(found[0].place, found[1], hints.QUOTE)


def _scalar(reading: _Reading, event: Any) -> Scalar:
    raw = reading.text[event.start_mark.index : event.end_mark.index]
    style: Style = _STYLES.get(event.style, "plain")
    place = _place(event)
    value: str | int | float | bool | None = event.value
    if style == "plain":
        try:
            value = resolve(event.value)
        except ScalarError as error:
            reading.note(place, str(error), error.hint)
    elif event.style == ">" and re.match(r">[-+]?[0-9]", raw):
        reading.note(place, f"{quoted(raw[:10].strip())} begins folded text in YAML", hints.QUOTE)
    if escaped := _UNUSABLE.search(event.value):
        reading.note(place, f"the character U+{ord(escaped[0]):04X} is not allowed", "remove it")
    scalar = Scalar(value, event.value, *place, raw, style)
    end = reading.text[event.end_mark.index : event.end_mark.index + 80].partition("\n")[0]
    if message := hints.cut_by_comment(scalar, end):
        reading.note(_place_after(event), message, hints.QUOTE)
    return scalar


def _place_after(event: Any) -> Place:
    return event.end_mark.line + 1, event.end_mark.column + 1
