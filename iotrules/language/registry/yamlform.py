"""A registry as YAML: `labels`, `attributes` and `devices`, a mapping for each."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from iotrules.language.registry.tables import MAX_TEXT, Cell, Row, Table
from iotrules.model.errors import FileError
from iotrules.model.rules import FieldType
from iotrules.yamlfile import Mapping, Node, Scalar, Sequence, check_node, describe, entry, nearest, parse, quoted


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AttributeDocument(_Document):
    unit: str | None = None
    type: Literal["number", "text", "flag"] | None = None


class RegistryDocument(_Document):
    labels: list[str]
    attributes: dict[str, AttributeDocument | None] | None = None
    devices: list[Any] = Field(default_factory=list)
    """Each a mapping of labels and attributes, checked on its own."""


def read_yaml(table: Table, text: str) -> None:
    """Fill the table."""
    try:
        root = parse(text, table.source.file)
    except FileError as error:
        table.problems.extend(error.problems)
        return
    if not isinstance(root, Mapping):
        table.wrong(root.place, f"a registry is a mapping with labels, attributes, devices, not {describe(root)}")
        return
    document, problems = check_node(root, RegistryDocument, table.source)
    table.problems.extend(problems)
    if document is None or not document.labels:
        if document is not None:
            table.wrong(root.place, '"labels" names what tells devices apart', "write labels: [site, device]")
        return
    table.labels = tuple(document.labels)
    table.label_places = tuple(node.place for node in _items(root, "labels"))
    _declare(table, root, document)
    for node in _items(root, "devices"):
        row = _row(table, node, closed=document.attributes is not None)
        if row is not None and not table.add(row):
            return


def _items(root: Node, name: str) -> tuple[Node, ...]:
    found = entry(root, name)
    return found[1].items if found and isinstance(found[1], Sequence) else ()


def _declare(table: Table, root: Node, document: RegistryDocument) -> None:
    found = entry(root, "attributes")
    keys = {key.text: key for key, _ in found[1].entries} if found and isinstance(found[1], Mapping) else {}
    for name, given in (document.attributes or {}).items():
        about = given or AttributeDocument()
        kind = FieldType(about.type) if about.type else None
        if name in table.labels:
            table.wrong(keys[name].place, f"{name} is a label already")
        elif about.unit and kind not in (None, FieldType.NUMBER):
            table.wrong(keys[name].place, f"a unit is for numbers, and {name} is a {about.type}")
        else:
            table.column(name, keys[name].place, about.unit or "", kind)


def _row(table: Table, node: Node, *, closed: bool) -> Row | None:
    """A device; `closed`: only attributes that are declared."""
    if not isinstance(node, Mapping):
        table.wrong(node.place, f"a device is a mapping of labels and attributes, not {describe(node)}")
        return None
    labels: dict[str, Cell] = {}
    values: dict[str, Cell] = {}
    for key, value in node.entries:
        cell = _cell(table, key, value)
        if key.text in table.labels:
            if cell is not None:
                labels[key.text] = cell
        elif _known(table, key, closed=closed) and cell is not None:
            values[key.text] = cell
    lacking = [name for name in table.labels if entry(node, name) is None]
    if lacking:
        table.wrong(node.place, f"the device has no {', '.join(lacking)}", "every device has all labels")
    return (
        Row(node.place, tuple(labels[name] for name in table.labels), values)
        if len(labels) == len(table.labels)
        else None
    )


def _known(table: Table, key: Scalar, *, closed: bool) -> bool:
    if key.text in table.columns:
        return True
    if closed:
        near = nearest(key.text, (*table.labels, *table.columns))
        table.wrong(key.place, f"unknown attribute {quoted(key.text)}{near}", "attributes: names all that there are")
        return False
    table.column(key.text, key.place)
    return key.text in table.columns


def _cell(table: Table, key: Scalar, node: Node) -> Cell | None:
    if not isinstance(node, Scalar):
        table.wrong(key.place, f"{quoted(key.text)} must be text, a number, or true or false, not {describe(node)}")
        return None
    if len(node.text) > MAX_TEXT:
        table.wrong(node.place, f"{quoted(node.text, 20)}: a value has at most {MAX_TEXT} characters")
    number = isinstance(node.value, int) and not isinstance(node.value, bool)
    return Cell(float(node.value) if number and node.value is not None else node.value, node.text, node.place)
