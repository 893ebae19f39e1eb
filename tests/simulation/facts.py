"""What was seen to happen in a run, written down where it happened; nothing of it is the engine's word."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from iotrules.model.inputs import Input

Message = tuple[str, bytes]
"""Topic and payload."""


@dataclass(frozen=True, slots=True)
class Journaled:
    """An input that the runtime gave to the store to commit."""

    now: int
    body: bytes
    value: Input


@dataclass(frozen=True, slots=True)
class Published:
    """What the engine gave to the broker: ns of the world's clock and of the engine's."""

    at: int
    engine_now: int
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Executed:
    """A command that a device carried out, ns of the world's clock."""

    at: int
    device: str
    payload: bytes


@dataclass(slots=True)
class Facts:
    """Everything that the judge knows. `journal` is what should be durable: sequence → input."""

    taken: list[Message] = field(default_factory=list)
    """What the broker took from devices."""
    acknowledged: list[Message] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    invoked: list[tuple[str, bytes]] = field(default_factory=list)
    """(function, event)"""
    journal: dict[int, Journaled] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    """What can't be, seen while it ran."""
    lines: list[str] = field(default_factory=list)
    """The history, for people: `   12.300 the engine is killed`."""
    events: int = 0
    """How many things happened: messages, commits, commands, faults, starts."""
    starts: int = 0
    found: int = 0
    """Flipped bits that the store found."""

    points: Counter[str] = field(default_factory=Counter)
    """How often the engine came to each point at which a script may end it."""
    calm: bool = False
    """No more faults."""

    def came_to(self, point: str) -> None:
        self.points[point] += not self.calm

    def note(self, seconds: float, what: str) -> None:
        self.events += 1
        self.lines.append(f"{seconds:9.3f} {what}")
