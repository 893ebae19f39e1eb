"""A registry as CSV: `site,device,max_temp [degC],critical`, and a line for each device.

House rule: one line is one row, so that an unclosed quote is told where it is and not at the end of the file.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Collection, Iterator

from iotrules.language.registry.tables import MAX_TEXT, Cell, Row, Table
from iotrules.model.expression import Value
from iotrules.model.rules import FieldType
from iotrules.yamlfile import Place, nearest, quoted

_HEAD = re.compile(r"(?P<name>[^\[\]]*?)\s*(?:\[(?P<unit>[^\[\]]*)\])?")
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_FLAGS = {"true": True, "false": False}
_TYPES = {kind.value: kind for kind in FieldType}


def read_csv(table: Table, captures: Collection[str]) -> None:
    """Fill the table. Label columns are the first ones, as long as they are called like captures of topics."""
    lines = (number for number, line in enumerate(table.source.lines, 1) if line.strip())
    first = next(lines, None)
    header = None if first is None else _cells(table, first)
    if first is None or header is None:
        if first is None:
            table.wrong((1, 1), "the registry is empty", "begin with a line of column names: site,device,max_temp")
        return
    if _split(header[0])[0] not in captures:
        _without_labels(table, header[0], captures)
        return
    names = _header(table, header, captures)
    for number in lines:
        cells = _cells(table, number)
        if cells is None:
            continue
        if len(cells) != len(header):
            message = f"the line has {len(cells)} values, and the header {len(header)} columns"
            table.wrong((number, 1), message, 'leave a value empty where it is not known, and put "a, b" in quotes')
        elif not _add(table, names, cells):
            return


def _add(table: Table, names: list[str], cells: list[Cell]) -> bool:
    split = len(table.labels)
    values = dict(zip(names[split:], cells[split:], strict=True))
    return table.add(Row(cells[0].place, tuple(cells[:split]), values))


def _header(table: Table, header: list[Cell], captures: Collection[str]) -> list[str]:
    """The names of all columns; attributes are declared and the labels set."""
    names: list[str] = []
    labels: list[str] = []
    for cell in header:
        name, unit = _split(cell)
        if name in captures and len(names) == len(labels) and name not in labels:
            labels.append(name)
            if unit is not None:
                table.wrong(cell.place, f"{name} is a label, and labels are text")
        elif name in captures:
            _misplaced(table, cell, name, labels)
        else:
            _attribute(table, cell, name, unit)
        names.append(name)
    table.labels = tuple(labels)
    table.label_places = tuple(cell.place for cell in header[: len(labels)])
    return names


def _split(cell: Cell) -> tuple[str, str | None]:
    """A column's name and what stands in brackets behind it."""
    found = _HEAD.fullmatch(cell.text)
    return (found["name"], found["unit"]) if found else (cell.text, None)


def _misplaced(table: Table, cell: Cell, name: str, labels: list[str]) -> None:
    if name in labels:
        table.wrong(cell.place, f"the label {name} is here twice")
        return
    message = f"{name} is a capture of a topic, so it is a label, and labels come first"
    table.wrong(cell.place, message, "move it to the left; if it is an attribute, call it otherwise")


def _attribute(table: Table, cell: Cell, name: str, unit: str | None) -> None:
    kind = _TYPES.get(unit or "")
    if unit is not None and not unit.strip():
        table.wrong(cell.place, f"{name}: there is nothing in the brackets", "write a unit, as in max_temp [degC]")
    table.column(name, cell.place, "" if kind else (unit or "").strip(), kind)


def _without_labels(table: Table, first: Cell, captures: Collection[str]) -> None:
    hint = f"the topics' captures: {', '.join(sorted(captures)) or 'none, so there is nothing to tell devices by'}"
    if ";" in first.text or "\t" in first.text:
        hint = "columns are separated by commas: save it as CSV with commas"
    message = f"the first column is not called like a capture of a topic{nearest(first.text, captures)}"
    table.wrong(first.place, message, hint)


def _cells(table: Table, number: int) -> list[Cell] | None:
    """The values of a line; None if it can't be read, which is noted."""
    line = table.source.lines[number - 1]
    if fault := _character_fault(line):
        offset, message, hint = fault
        table.wrong((number, offset + 1), message, hint)
        return None
    try:
        texts = next(csv.reader([line], strict=True, skipinitialspace=True))
    except csv.Error as error:
        table.wrong((number, 1), f"not valid CSV: {error}", 'a " inside a value is written twice, and the value quoted')
        return None
    columns = list(_columns(line))
    return [_cell(table, text, (number, columns[min(at, len(columns) - 1)])) for at, text in enumerate(texts)]


def _character_fault(line: str) -> tuple[int, str, str] | None:
    for offset, character in enumerate(line):
        if "\ud800" <= character <= "\udfff":
            return offset, f"the byte 0x{(ord(character) - 0xDC00) & 0xFF:02x} is not UTF-8", "save the file as UTF-8"
        if not character.isprintable() and character != "\t":
            return offset, f"the character U+{ord(character):04X} is not allowed", "remove it"
    return None


def _columns(line: str) -> Iterator[int]:
    """Where each value begins, from 1."""
    quoting, begun = False, 1
    for at, character in enumerate(line, 1):
        if character == '"':
            quoting = not quoting
        elif character == "," and not quoting:
            yield begun
            begun = at + 1
    yield begun


def _cell(table: Table, text: str, place: Place) -> Cell:
    text = text.strip()
    if len(text) > MAX_TEXT:
        table.wrong(place, f"{quoted(text, 20)}: a value has at most {MAX_TEXT} characters")
    return Cell(_value(text), text, place)


def _value(text: str) -> Value | None:
    """`007` is text: digits with a zero before them are names of things, not numbers."""
    if not text:
        return None
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    number = float(text) if len(text) <= MAX_TEXT and _NUMBER.fullmatch(text) else None
    return text if number is None or not math.isfinite(number) else number
