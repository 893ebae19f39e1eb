"""The parts of an explanation: a condition's tree with values, samples, a timer's progress, the rule's text.

House rule: every part is bounded where it is made, so that a device or a file can't make a transition large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from iotrules.model.expression import Value

NodeKind: TypeAlias = Literal["all", "any", "not", "test", "value"]


@dataclass(frozen=True, slots=True)
class Node:
    """One part of a condition, with what it was at one instant (None: unknown).

    `all`, `any` and `not` join their `parts`. A `test` is true, false or unknown; its parts are what it read.
    `words` say of a test what it is or what it lacks, and of an unknown value why it is unknown.
    """

    kind: NodeKind
    text: str
    value: Value | None
    words: str = ""
    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Samples:
    """Of `count` samples that are kept, the newest few, oldest first: (event time ns, value)."""

    name: str
    count: int
    newest: tuple[tuple[int, Value], ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """A timer: it ran for `held` of `wanted` ns (None: not known yet). `frozen`: it stands still while unknown."""

    held: int
    wanted: int | None
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule stands, with its lines as they were; `line` counts from 1."""

    file: str
    line: int
    text: tuple[str, ...] = ()
