"""Where rule files name functions: in steps, and as what is given for a parameter that is a function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iotrules.model.errors import FileError
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import Node, Scalar, Sequence, Source, node_at, parse

Entries = tuple[tuple[Scalar, Node], ...]


def invoked(files: Mapping[str, str]) -> Iterator[tuple[Source, Scalar]]:
    """Every function's name with its file (name → text); files that can't be read name none."""
    rules: list[tuple[Source, str, Node]] = []
    for file, text in files.items():
        try:
            root = parse(text, file)
        except FileError:
            continue  # load_files says so
        source = Source.of(text, file)
        rules += [(source, key.text, rule) for key, rule in _entries(node_at(root, ["rules"]))]
    parameters = {name: frozenset(_functions(rule)) for _, name, rule in rules}
    for source, _, rule in rules:
        yield from ((source, node) for node in _named(rule, parameters) if isinstance(node.value, str))


def _entries(node: Node | None) -> Entries:
    return node.entries if isinstance(node, MappingNode) else ()


def _functions(rule: Node) -> Iterator[str]:
    """The parameters of a template that are functions."""
    for key, declared in _entries(node_at(rule, ["params"])):
        type_ = node_at(declared, ["type"])
        if isinstance(type_, Scalar) and type_.value == "function":
            yield key.text


def _named(rule: Node, parameters: Mapping[str, frozenset[str]]) -> Iterator[Scalar]:
    own, template = frozenset(_functions(rule)), node_at(rule, ["use"])
    theirs = parameters.get(template.text, frozenset()) if isinstance(template, Scalar) else frozenset()
    steps = node_at(rule, ["do"])
    found = [node_at(step, ["invoke"]) for step in (steps.items if isinstance(steps, Sequence) else ())]
    for node in found:
        stands_for = isinstance(node, Scalar) and node.style == "plain" and node.text in own | theirs
        if isinstance(node, Scalar) and not stands_for:
            yield node
    given = [node_at(rule, ["params", name, "default"]) for name in own]
    given += [node_at(rule, ["with", name]) for name in theirs]
    yield from (node for node in given if isinstance(node, Scalar))
