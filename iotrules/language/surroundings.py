"""What the rules of all files are checked against: streams, commands, zones, other rules, the registry of devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from iotrules.language.typed import RuleLabels
from iotrules.model.registry import Registry
from iotrules.model.rules import CommandTopics, Stream
from iotrules.model.zones import Zone


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A stream or zone is None if it is declared but has problems of its own; so is a registry that is given."""

    streams: Mapping[str, Stream | None]
    commands: CommandTopics | None
    commands_declared: bool
    zones: Mapping[str, Zone | None] = field(default_factory=dict)
    rules: RuleLabels = field(default_factory=dict)
    templates: frozenset[str] = frozenset()
    registry: Registry | None = None
    registry_given: bool = False
