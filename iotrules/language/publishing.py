"""`publish` and `to` of a step: templates in the levels of a topic, in the texts of a payload, in labels."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as AnyMapping

from iotrules.language.documents import PublishDocument
from iotrules.language.parts import Part
from iotrules.language.syntax import ExpressionError
from iotrules.model.levels import filled_level_fault
from iotrules.model.rules import JsonList, JsonObject, JsonTemplate, Slot, Template
from iotrules.yamlfile import Mapping, Node, Scalar, Sequence, check_node, node_at, place_in, quoted

MAX_TOPIC = 1024
MAX_DEPTH = 32
"""How deep lists and objects of a payload are nested; more than that is hardly meant."""

Read = Callable[[str], Template] | None
"""Reads a template; None: what it may name is not known, the rule's stream has problems."""


def read_publish(part: Part, index: int, read: Read) -> tuple[tuple[Template, ...], JsonTemplate] | None:
    """Topic and payload of step `index`, or None with the problems noted."""
    node = node_at(part.node, ["do", index, "publish"])
    if not isinstance(node, Mapping):
        hint = "write publish: {topic: TOPIC, payload: {…}}"
        part.wrong("publish is a mapping", "do", index, "publish", hint=hint)
        return None
    document, problems = check_node(node, PublishDocument, part.source)
    part.problems.extend(problems)
    payload = node_at(node, ["payload"])
    if document is None or payload is None:
        return None
    topic = _topic(part, document.topic, read, "do", index, "publish", "topic")
    return topic, _json(part, payload, read, 0)


def read_to(part: Part, index: int, given: AnyMapping[str, str], read: Read) -> tuple[tuple[str, Template], ...]:
    """The labels that a command goes to instead of the key's; what is wrong with them is noted."""
    found = []
    for name, text in given.items():
        level = _template(part, text, read, "do", index, "to", name)
        if level is not None:
            _check_level(part, level, "do", index, "to", name)
            found.append((name, level))
    return tuple(found)


def _topic(part: Part, text: str, read: Read, *path: str | int) -> tuple[Template, ...]:
    if not text or len(text) > MAX_TOPIC:
        part.wrong(f"a topic has from 1 to {MAX_TOPIC} characters", *path)
        return ()
    if text.startswith("$"):
        part.wrong("topics that begin with $ belong to the broker", *path)
        return ()
    whole = _template(part, text, read, *path)
    levels = _levels(whole) if whole else ()
    for level in levels:
        _check_level(part, level, *path)
    return levels


def _levels(whole: Template) -> tuple[Template, ...]:
    """Cut at each / of the literal text; a slot's format has none."""
    levels: list[list[str | Slot]] = [[]]
    for piece in whole.parts:
        if isinstance(piece, Slot):
            levels[-1].append(piece)
            continue
        first, *rest = piece.split("/")
        levels[-1] += [first] if first else []
        levels += [[text] if text else [] for text in rest]
    return tuple(Template(tuple(level)) for level in levels)


def _check_level(part: Part, level: Template, *path: str | int) -> None:
    """Refuse what can't be a level whatever its slots hold."""
    literal = "".join(piece for piece in level.parts if isinstance(piece, str))
    if literal or not level.parts:
        fault = filled_level_fault("x" * any(isinstance(piece, Slot) for piece in level.parts) + literal)
        if fault:
            part.wrong(f"{quoted(literal)}: {fault}", *path)


def _template(part: Part, text: str, read: Read, *path: str | int) -> Template | None:
    node = node_at(part.node, path)
    return _text(part, node, text, read) if isinstance(node, Scalar) else None


def _json(part: Part, node: Node, read: Read, depth: int) -> JsonTemplate:
    if depth > MAX_DEPTH:
        part.problems.append(part.source.problem(node.place, f"the payload is nested over {MAX_DEPTH} deep"))
        return None
    match node:
        case Mapping(entries=entries):
            return JsonObject(tuple((key.text, _json(part, value, read, depth + 1)) for key, value in entries))
        case Sequence(items=items):
            return JsonList(tuple(_json(part, item, read, depth + 1) for item in items))
        case Scalar(value=str() as text):
            return _text(part, node, text, read)
        case Scalar(value=value):
            return value if isinstance(value, bool | float | int) else None


def _text(part: Part, node: Scalar, text: str, read: Read) -> Template | None:
    if read is None:
        return None
    try:
        return read(text)
    except ExpressionError as error:
        part.problems.append(part.source.problem(place_in(node, error.offset), error.message, error.hint))
        return None
