"""A registry's table to checked devices: each row once, labels that can be topic levels, one type a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iotrules.language.registry.csvform import read_csv
from iotrules.language.registry.tables import Cell, Column, EnoughProblems, Row, Table
from iotrules.language.registry.yamlform import read_yaml
from iotrules.model.errors import Problem
from iotrules.model.expression import Value
from iotrules.model.inputs import RegistryFile
from iotrules.model.levels import level_fault
from iotrules.model.registry import Attribute, Registry
from iotrules.model.rules import FieldType, Stream
from iotrules.yamlfile import MAX_BYTES, Source, nearest, quoted

MAX_CSV_BYTES = 4 * MAX_BYTES
_A = {FieldType.NUMBER: "a number", FieldType.TEXT: "text", FieldType.FLAG: "true or false"}


def read_registry(file: RegistryFile, streams: Mapping[str, Stream | None], problems: list[Problem]) -> Registry | None:
    """The registry, or None with its problems noted. With a stream that is wrong itself, labels can't be told: None."""
    if None in streams.values():
        return None
    before = len(problems)
    known = [stream for stream in streams.values() if stream is not None]
    is_csv = file.name.lower().endswith(".csv")
    if is_csv and len(file.text) > MAX_CSV_BYTES:
        hint = "keep in it only what rules read"
        problems.append(Problem(file.name, 1, 1, f"the file is larger than {MAX_CSV_BYTES // 1024} KiB", hint))
        return None
    table = Table(Source.of(file.text, file.name), is_csv, problems)
    try:
        if is_csv:
            read_csv(table, {name for stream in known for name in stream.captures})
        else:
            read_yaml(table, file.text)
        _check_labels(table, known)
        attributes = _attributes(table)
        devices = _devices(table, attributes)
    except EnoughProblems:
        return None
    return Registry(file.name, table.labels, attributes, devices) if len(problems) == before else None


def _check_labels(table: Table, streams: list[Stream]) -> None:
    """Labels are captures, and together those of some stream's devices."""
    captures = {name for stream in streams for name in stream.captures}
    hint = f"the topics have {', '.join(sorted(captures)) or 'no captures'}"
    for index, (name, place) in enumerate(zip(table.labels, table.label_places, strict=True)):
        if name in table.labels[:index]:
            table.wrong(place, f"the label {name} is here twice")
        elif name not in captures:
            table.wrong(place, f"the label {quoted(name)} is no capture of a topic{nearest(name, captures)}", hint)
    together = any(set(table.labels) <= set(stream.captures) for stream in streams)
    if captures.issuperset(table.labels) and table.labels and not together:
        table.wrong(table.label_places[0], f"no stream's topic has {' and '.join(table.labels)} together")


def _devices(table: Table, attributes: Mapping[str, Attribute]) -> dict[tuple[str, ...], dict[str, Value]]:
    devices: dict[tuple[str, ...], dict[str, Value]] = {}
    lines: dict[tuple[str, ...], int] = {}
    for row in table.rows:
        labels = _labels(table, row)
        if labels is None:
            continue
        if labels in lines:
            shown = " ".join(f"{name}={value}" for name, value in zip(table.labels, labels, strict=True))
            table.wrong(row.place, f"{shown} is already in line {lines[labels]}", "keep one row for each device")
            continue
        lines[labels] = row.place[0]
        devices[labels] = {
            name: value for name, cell in row.values.items() if name in attributes
            if (value := _value(cell, attributes[name], table)) is not None
        }  # fmt: skip
    return devices


def _labels(table: Table, row: Row) -> tuple[str, ...] | None:
    """The device's labels as texts; None if one can't be a level of a topic."""
    faults = list(_label_faults(table, row))
    for cell, message, hint in faults:
        table.wrong(cell.place, message, hint)
    return None if faults else tuple(cell.text for cell in row.labels)


def _label_faults(table: Table, row: Row) -> Iterator[tuple[Cell, str, str]]:
    for name, cell in zip(table.labels, row.labels, strict=True):
        fault = level_fault(cell.text) or ("a / in a topic level" if "/" in cell.text else "")
        if cell.value is None or not cell.text:
            yield cell, f"the device has no {name}", "every device has all labels"
        elif not table.untyped and not isinstance(cell.value, str):
            yield cell, f"{name} is a label, and labels are text", f'put it in quotes: "{cell.text}"'
        elif fault:
            yield cell, f"{quoted(cell.text)} can't be a {name}: {fault}", ""


def _attributes(table: Table) -> dict[str, Attribute]:
    cells: dict[str, list[Cell]] = {name: [] for name in table.columns}
    for row in table.rows:
        for name, cell in row.values.items():
            if name in cells and cell.value is not None:
                cells[name].append(cell)
    return {name: _attribute(table, column, cells[name]) for name, column in table.columns.items()}


def _attribute(table: Table, column: Column, cells: list[Cell]) -> Attribute:
    declared = column.type or (FieldType.NUMBER if column.unit else None)
    if declared is not None:
        _check_declared(table, column, declared, cells)
        return Attribute(column.name, declared, column.unit)
    kinds = list(dict.fromkeys(_kind(cell) for cell in cells))
    if len(kinds) <= 1:
        return Attribute(column.name, kinds[0] if kinds else FieldType.TEXT)
    if table.untyped:
        return Attribute(column.name, FieldType.TEXT, place=_first_text(table, cells))
    _refuse_mixed(table, column, cells)
    return Attribute(column.name, kinds[0])


def _kind(cell: Cell) -> FieldType:
    if isinstance(cell.value, bool):
        return FieldType.FLAG
    return FieldType.TEXT if isinstance(cell.value, str) else FieldType.NUMBER


def _check_declared(table: Table, column: Column, declared: FieldType, cells: list[Cell]) -> None:
    for cell in cells:
        if _kind(cell) is declared or (table.untyped and declared is FieldType.TEXT):
            continue
        said = f"is in {column.unit}" if column.unit else f"is {_A[declared]}"
        hint = f'put it in quotes: "{cell.text}"' if declared is FieldType.TEXT else "leave out what is not known"
        table.wrong(cell.place, f"{quoted(cell.text)} is {_A[_kind(cell)]}, and {column.name} {said}", hint)


def _refuse_mixed(table: Table, column: Column, cells: list[Cell]) -> None:
    first = cells[0]
    for cell in cells:
        if _kind(cell) is not _kind(first):
            message = f"{column.name} is {_A[_kind(cell)]} here and {_A[_kind(first)]} in line {first.place[0]}"
            table.wrong(cell.place, message, "write every value of an attribute alike, and leave out what is not known")


def _first_text(table: Table, cells: list[Cell]) -> str:
    """The first value that makes the column text, as a place for people."""
    odd = next((cell for cell in cells if isinstance(cell.value, str)), cells[0])
    return f"{quoted(odd.text)} in {table.source.file}:{odd.place[0]}"


def _value(cell: Cell, attribute: Attribute, table: Table) -> Value | None:
    if cell.value is None:
        return None
    return cell.text if attribute.type is FieldType.TEXT and table.untyped else cell.value
