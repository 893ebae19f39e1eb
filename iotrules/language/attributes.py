"""What the rest of a rule has to do with the registry: its meaning, its summary, and whose silence is one."""

from __future__ import annotations

import re
from typing import Any

from iotrules.language.dotted import attribute_fault
from iotrules.language.typed import Scope
from iotrules.model.expression import attributes
from iotrules.model.registry import Registry
from iotrules.model.rules import Absence, Clear, Condition, FieldType, Ladder, Stream
from iotrules.model.sequences import Sequence

_PREFIX = "attr."


def is_registered(registry: Registry | None, stream: Stream, by: tuple[str, ...]) -> bool:
    """Whether a rule with `absent` expects the devices of the registry: those that the stream's topic tells apart.

    A topic without one of the registry's labels is about other things: the silence of those is no device's.
    """
    if registry is None or not by:
        return False
    return set(registry.labels) <= set(stream.captures) and set(by) <= set(registry.labels)


def registry_read(body: Condition | Ladder | Absence | Sequence, registry: Registry | None) -> list[Any]:
    """The attributes that a rule's conditions read, each with its type and unit."""
    if registry is None:
        return []
    names = sorted(frozenset[str]().union(*(attributes(node) for node in _conditions(body))))
    found = [registry.attributes[name] for name in names]
    return [[one.name, one.type.value, one.unit] for one in found]


def _conditions(body: Condition | Ladder | Absence | Sequence) -> list[Any]:
    match body:
        case Absence():
            return []
        case Sequence(patterns=patterns):
            return [pattern.when for pattern in patterns if pattern.when is not None]
        case Condition(when=when, clear=clear):
            return [when, *_ends(clear)]
        case Ladder(rungs=rungs, clear=clear):
            levels = [node for rung in rungs for node in _conditions(rung.condition)]
            return levels if clear is None else [*levels, *_ends(clear)]


def _ends(clear: Clear) -> list[Any]:
    return [] if clear.when is None else [clear.when]


def attribute_slots(scope: Scope, text: str) -> dict[str, FieldType]:
    """What a summary may say with `{attr.NAME}`. Any number, where only the registry is what is wrong."""
    if scope.registry_given and scope.registry is None:
        return dict.fromkeys(re.findall(r"\{(attr\.[^{}:]*)", text), FieldType.NUMBER)
    if scope.registry is None or not set(scope.registry.labels) <= set(scope.labels):
        return {}
    return {_PREFIX + name: found.type for name, found in scope.registry.attributes.items()}


def slot_fault(scope: Scope, name: str) -> tuple[str, str] | None:
    """Why `{attr.NAME}` can't stand in this rule's summary; None for other names."""
    return attribute_fault(scope, name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else None
