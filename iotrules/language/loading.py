"""Rule files to a checked rule set: every problem of every file at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from iotrules.language.blanks import refuse_blanks
from iotrules.language.checking import check_condition
from iotrules.language.firing import refuse_circles
from iotrules.language.guards import check_inhibitions
from iotrules.language.heads import rule_labels, template_names
from iotrules.language.instances import build_named, read_templates
from iotrules.language.parts import Part
from iotrules.language.registry import read_registry
from iotrules.language.streams import build_commands, build_stream, refuse_overlaps
from iotrules.language.surroundings import Surroundings
from iotrules.language.typed import Scope
from iotrules.language.zones import build_zone
from iotrules.model.errors import FileError, Problem, RuleError
from iotrules.model.expression import Expression
from iotrules.model.inputs import RegistryFile
from iotrules.model.rules import RuleSet, Stream
from iotrules.model.zones import Zone
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import Node, Place, Scalar, Source, describe, nearest, parse, quoted

_SECTIONS = ("streams", "zones", "commands", "rules")
_ENOUGH = 200


@dataclass(frozen=True, slots=True)
class _File:
    source: Source
    root: MappingNode


def load_files(files: Mapping[str, str], registry: RegistryFile | None = None) -> RuleSet:
    """All rule files (name → text) as one set, with the device registry that they may read.

    RuleError carries every problem of all of them, in reading order.
    """
    problems: list[Problem] = []
    parsed = [file for name, text in files.items() if (file := _parse(name, text, problems))]
    parts = {section: _unique(_parts(parsed, section, problems), section) for section in ("streams", "zones", "rules")}
    streams = {name: build_stream(part) for name, part in _until_enough(parts["streams"], problems)}
    known = {name: stream for name, stream in streams.items() if stream}
    declared = _commands_part(parsed, problems)
    commands = build_commands(declared) if declared else None
    with_parts = [(parts["streams"][name], stream) for name, stream in known.items()]
    refuse_overlaps(with_parts, (declared, commands) if declared and commands else None)
    zones = {name: build_zone(part) for name, part in _until_enough(parts["zones"], problems)}
    labels = rule_labels(parts["rules"], streams)
    names = template_names(parts["rules"])
    devices = None if registry is None else read_registry(registry, streams, problems)
    around = Surroundings(streams, commands, declared is not None, zones, labels, names, devices, registry is not None)
    templates = read_templates(parts["rules"], around)
    rules = {name: build_named(part, templates, around) for name, part in _until_enough(parts["rules"], problems)}
    refuse_circles(parts["rules"], rules)
    check_inhibitions(parts["rules"], rules)
    in_sections = [(section, list(named.values())) for section, named in parts.items()]
    refuse_blanks([*in_sections, ("commands", [declared] if declared else [])], problems)
    if problems:
        order = {name: index for index, name in enumerate([*files, *([registry.name] if registry else ())])}
        raise RuleError(sorted(set(problems), key=lambda p: (order[p.file], p.line, p.column)))
    return RuleSet(known, commands, {name: rule for name, rule in rules.items() if rule}, devices)


def _until_enough(parts: dict[str, Part], problems: list[Problem]) -> Iterator[tuple[str, Part]]:
    """The parts, until there are more problems than anybody reads."""
    for name, part in parts.items():
        if len(problems) >= _ENOUGH:
            return
        yield name, part


def _parse(name: str, text: str, problems: list[Problem]) -> _File | None:
    try:
        root = parse(text, name)
    except FileError as error:
        problems.extend(error.problems)
        return None
    source = Source.of(text, name)
    if not isinstance(root, MappingNode):
        message = f"a rule file is a mapping with {', '.join(_SECTIONS)}, not {describe(root)}"
        problems.append(source.problem(root.place, message))
        return None
    for key, _ in root.entries:
        if key.text not in _SECTIONS and len(problems) < _ENOUGH:
            message = f"unknown key {quoted(key.text)}{nearest(key.text, _SECTIONS)}"
            problems.append(source.problem(key.place, message, f"a rule file has {', '.join(_SECTIONS)}"))
    return _File(source, root)


def _parts(files: list[_File], section: str, problems: list[Problem]) -> Iterator[Part]:
    for file in files:
        for key, node in file.root.entries:
            if key.text == section:
                yield from _entries(file.source, key, node, problems)


def _entries(source: Source, section: Scalar, node: Node, problems: list[Problem]) -> Iterator[Part]:
    if isinstance(node, MappingNode):
        yield from (Part(source, key, value, problems) for key, value in node.entries)
        return
    hint = f"each entry has a name: {section.text}: {{NAME: …}}"
    message = f"{quoted(section.text)} must be a mapping of names, not {describe(node)}"
    problems.append(source.problem(section.place, message, hint))


def _unique(parts: Iterator[Part], section: str) -> dict[str, Part]:
    """By name; a name that another file has already is refused, with both places."""
    found: dict[str, Part] = {}
    for part in parts:
        first = found.setdefault(part.name, part)
        if first is not part:
            place = f"{first.source.file}:{first.key.line}"
            part.wrong(f"the {section[:-1]} {quoted(part.name)} is already in {place}", hint="give it another name")
    return found


def _commands_part(files: list[_File], problems: list[Problem]) -> Part | None:
    found: Part | None = None
    for file in files:
        for key, node in file.root.entries:
            if key.text != "commands":
                continue
            part = Part(file.source, key, node, problems)
            if found:
                part.wrong(f"commands is already in {found.source.file}:{found.key.line}", hint="keep one")
            found = found or part
    return found


def check_expression(
    text: str, stream: Stream, file: str = "<condition>", zones: Mapping[str, Zone] = MappingProxyType({})
) -> Expression:
    """The checked tree of one condition over a stream. RuleError with every problem, placed in `text`."""
    scope = Scope(stream.name, {field.name: field for field in stream.fields}, stream.captures, zones=zones)
    when, problems = check_condition(text, scope)
    if when is None or problems:
        source = Source.of(text, file)
        raise RuleError([source.problem(_place(text, p.offset), p.message, p.hint) for p in problems])
    return when


def _place(text: str, offset: int) -> Place:
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")
