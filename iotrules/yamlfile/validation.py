"""A YAML tree against a pydantic model: every problem at its place, in words for the file's author.

Models say `extra="forbid", strict=True`. A model may name keys that a later version will know, in a class
variable `later: ClassVar[frozenset[str]]`: they are refused as such and not as unknown.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from iotrules.model.errors import FileError, Problem
from iotrules.yamlfile.hints import mistaken_flow
from iotrules.yamlfile.nodes import Mapping, Node, Place, Scalar, Sequence, entry, to_plain
from iotrules.yamlfile.reader import parse
from iotrules.yamlfile.source import Source, nearest, quoted

M = TypeVar("M", bound=BaseModel)

_EXPECTED = {
    "string_type": "text",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "none_required": "nothing",
}
_TOLD = 50
"""Problems told of one document: looking for near names takes time, and nobody reads more."""

_OLD_FLAGS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def load_document(text: str, file: str, model: type[M]) -> M:
    """The file as a `model`. FileError with every problem, of YAML or of the model."""
    node = parse(text, file)
    document, problems = check_node(node, model, Source.of(text, file))
    if problems or document is None:
        raise FileError(problems)
    return document


def check_node(
    node: Node, model: type[M], source: Source, *, at: Scalar | None = None
) -> tuple[M | None, list[Problem]]:
    """A node as a `model`, and all its problems; `at` is the node's own key, where missing keys are reported.

    With problems the document is what remains without the keys that have one, so that the rest can be checked
    too; None if that is not a `model`.
    """
    plain = to_plain(node)
    try:
        return model.model_validate(plain), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    problems = list(_problems(details[:_TOLD], node, model, source, at))
    return _remainder(plain, details, model), problems


def _remainder(plain: Any, details: list[ErrorDetails], model: type[M]) -> M | None:
    if not isinstance(plain, dict):
        return None
    wrong = {detail["loc"][0] for detail in details if detail["loc"]}
    try:
        return model.model_validate({key: value for key, value in plain.items() if key not in wrong})
    except ValidationError:
        return None


def _problems(
    details: list[ErrorDetails], root: Node, model: type[BaseModel], source: Source, at: Scalar | None
) -> Iterator[Problem]:
    """One problem a place: what the alternatives of a union expected is joined with `or`."""
    grouped: dict[Place, list[tuple[ErrorDetails, Node]]] = {}
    for detail in details:
        place, node = _locate(root, detail, at)
        grouped.setdefault(place, []).append((detail, node))
    for place, group in grouped.items():
        for message, hint in _messages(group, model, _called(root, at)):
            yield source.problem(place, message, hint)


def _called(root: Node, at: Scalar | None) -> str:
    """A key by its name in quotes; a document that has none is called by the words that stand for its key."""
    if at is None:
        return "the file"
    return at.text if at.place == root.place else quoted(at.text)


def _locate(root: Node, detail: ErrorDetails, at: Scalar | None) -> tuple[Place, Node]:
    """The place to show and the node meant. Parts of the path that name no key (unions) are skipped."""
    place, node = at.place if at else root.place, root
    for step in detail["loc"]:
        found = entry(node, step) if isinstance(step, str) else None
        if found:
            key, node = found
            shown = detail["type"] in {"missing", "extra_forbidden"} or not isinstance(node, Scalar) or node.raw == ""
            place = key.place if shown else node.place
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
    return place, node


def _messages(group: list[tuple[ErrorDetails, Node]], model: type[BaseModel], whole: str) -> Iterator[tuple[str, str]]:
    """`whole` is what the document is called."""
    types_expected = [_EXPECTED[d["type"]] for d, _ in group if d["type"] in _EXPECTED]
    if types_expected:
        detail, node = group[0]
        expected = " or ".join(dict.fromkeys(types_expected))
        yield f"{_name(detail, whole)} must be {expected}, not {describe(node)}", _type_hint(types_expected, node)
        return
    for detail, node in group:
        yield _message(detail, node, model, whole), ""


def _message(detail: ErrorDetails, node: Node, model: type[BaseModel], whole: str) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_key(detail, model)
        case "missing":
            return f"the key {quoted(str(detail['loc'][-1]))} is missing"
        case "literal_error" | "enum":
            words = [word.strip("'\"") for word in context["expected"].replace(" or ", ", ").split(", ")]
            if detail["loc"][-1:] == ("[key]",):
                key = str(detail["loc"][-2])
                return f"{quoted(key)} must be one of {', '.join(words)}{nearest(key, words)}"
            near = nearest(node.text, words) if isinstance(node, Scalar) else ""
            return f"{_name(detail, whole)} must be one of {', '.join(words)}, not {describe(node)}{near}"
        case "value_error":
            return f"{_name(detail, whole)}: {context['error']}"
    said = detail["msg"]
    return f"{_name(detail, whole)}: {said[:1].lower()}{said[1:]}"


def _unknown_key(detail: ErrorDetails, model: type[BaseModel]) -> str:
    key = str(detail["loc"][-1])
    models = list(_models_at(model, detail["loc"][:-1]))
    if any(key in getattr(found, "later", ()) for found in models):
        return f"{quoted(key)} is part of the rule language but not supported by this version"
    names = [info.alias or name for found in models for name, info in found.model_fields.items()]
    return f"unknown key {quoted(key)}{nearest(key, names)}"


def _models_at(annotation: Any, path: tuple[int | str, ...]) -> Iterator[type[BaseModel]]:
    """The models that stand at a path of pydantic's in an annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _models_at(arguments[0], path)
    elif origin in (Union, types.UnionType):
        for alternative in arguments:
            yield from _models_at(alternative, path)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _models_in(annotation, path)
    elif arguments and path:
        yield from _models_at(arguments[1 if origin is dict else 0], path[1:])


def _models_in(model: type[BaseModel], path: tuple[int | str, ...]) -> Iterator[type[BaseModel]]:
    if not path:
        yield model
        return
    for name, info in model.model_fields.items():
        if path[0] in (name, info.alias):
            yield from _models_at(info.annotation, path[1:])
            return
    yield from _models_in(model, path[1:])


def _name(detail: ErrorDetails, whole: str) -> str:
    """`"for"`, or `item 2 of "do"`; `whole` where there is no path."""
    keys = [step for step in detail["loc"] if not isinstance(step, str) or "[" not in step]
    if not keys:
        return whole
    last = keys[-1]
    if isinstance(last, int):
        return f"item {last + 1} of {quoted(str(keys[-2]))}" if len(keys) > 1 else f"item {last + 1}"
    if len(keys) > 1 and last in {"str", "float", "int", "bool", "list"}:
        last = keys[-2]
    return quoted(str(last))


def describe(node: Node) -> str:
    """What a person would call a node: `the number 90`, `the text "yes"`, `a list`."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool()):
            return node.text.lower()
        case Scalar(value=str()):
            return f"the text {quoted(node.text)}"
        case Scalar():
            return f"the number {node.text}"


def _type_hint(expected: list[str], node: Node) -> str:
    if "text" in expected:
        if isinstance(node, Scalar) and node.value is not None:
            return f'put it in quotes: "{node.text}"'
        return mistaken_flow(node)
    if "true or false" in expected and isinstance(node, Scalar) and node.text.lower() in _OLD_FLAGS:
        return f"write {_OLD_FLAGS[node.text.lower()]}"
    return ""
