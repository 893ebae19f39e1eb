"""A fleet file from text: checked as a document, then as a whole, with every problem at its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from device_sim.documents import FleetDocument
from iotrules.model.errors import ConfigError, FileError, Problem
from iotrules.yamlfile import Node, Place, Source, check_node, nearest, node_at, parse

SHIPPED = Path(__file__).parent / "fleets"
"""Fleets that come with the simulator."""


def load_fleet(text: str, file: str) -> FleetDocument:
    """The fleet that a file describes; FileError with all its problems."""
    node = parse(text, file)
    source = Source.of(text, file)
    document, problems = check_node(node, FleetDocument, source)
    if document is None or problems:
        raise FileError(problems)
    problems = [*_twice(document, node, source), *_unknown_devices(document, node, source)]
    if problems:
        raise FileError(problems)
    return document


def _twice(document: FleetDocument, node: Node, source: Source) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, group in document.fleet.items():
        for id in group.device_ids():
            owner = owners.setdefault(id, name)
            if owner != name:
                place = _place(node, "fleet", name, "id")
                yield source.problem(place, f"the group {owner} has a device {id} too", "give them different ids")
                break


def _unknown_devices(document: FleetDocument, node: Node, source: Source) -> Iterator[Problem]:
    known = [id for group in document.fleet.values() for id in group.device_ids()]
    ids = set(known)
    for index, fault in enumerate(document.faults):
        if fault.device not in ids:
            place = _place(node, "faults", index, "device")
            yield source.problem(place, f"the fleet has no device {fault.device}{nearest(fault.device, known)}")


def _place(root: Node, *path: str | int) -> Place:
    return (node_at(root, path) or root).place


def read_fleet(name: str) -> FleetDocument:
    """The fleet of a file, or of one that is shipped (`demo`). ConfigError: unreadable; FileError: wrong."""
    shipped = SHIPPED / f"{name}.yaml"
    path = shipped if name.isidentifier() and shipped.is_file() and not Path(name).exists() else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the fleet file {path} can't be read: {_reason(error)}") from error
    return load_fleet(text, str(path))


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
