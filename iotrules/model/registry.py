"""The device registry: what is known of every device beforehand, by its labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from iotrules.model.expression import Value
from iotrules.model.rules import FieldType


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column of the registry. `unit` is "" for none; `place` is `file:line` of what makes it text, where that may
    be a slip (one `n/a` in a column of numbers), else ""."""

    name: str
    type: FieldType
    unit: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """The devices of one registry file. A value that is not known is not there."""

    file: str
    labels: tuple[str, ...]
    attributes: dict[str, Attribute] = field(default_factory=dict)
    devices: dict[tuple[str, ...], dict[str, Value]] = field(default_factory=dict)
    """The labels' values, in the order of `labels` → the device's attributes. In the order of the file."""
