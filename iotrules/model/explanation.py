"""The answer to `why`: how one rule sees one key at one instant. Times and durations are ns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iotrules.model.decisions import AlertState, Key, Reading
from iotrules.model.evidence import Node, Place, Progress, Samples
from iotrules.model.expression import Value
from iotrules.model.rules import Severity


@dataclass(frozen=True, slots=True)
class ClearExplained:
    """What ends an alert or a level: that `tree` is `wanted`. Where no clear is given `text` is empty, and it is the
    condition that has to be false.
    """

    text: str
    tree: Node
    wanted: bool
    progress: Progress


@dataclass(frozen=True, slots=True)
class LevelExplained:
    """A level of a rule; a plain condition is one."""

    severity: Severity
    condition: str
    tree: Node
    hold: Progress
    latched: bool
    clear: ClearExplained


@dataclass(frozen=True, slots=True)
class Silence:
    """Of a rule with `absent`. `expected`: is the key still one that should report?

    `progress` is of the silence that counts; `silent` is how long there was no message, `heard` whether there ever was.
    """

    progress: Progress
    expected: bool
    silent: int
    heard: bool


@dataclass(frozen=True, slots=True)
class ScheduleExplained:
    """Of a rule with `only`: is it open, when that changes next (event time; None: not in the next weeks), its text."""

    open: bool
    changes: int | None
    openings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MutedExplained:
    """Why nobody is told of an alert that fires: `cause` is inhibited, flapping or cooldown, `words` say it.

    What is inhibited names the `rule` that mutes it, and keys of which that fires.
    """

    cause: str
    words: str
    rule: str = ""
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class StepExplained:
    """A step of a sequence, beside the run that has come farthest. `came`: did a message fit it?

    `tree` is its condition on that message, or on the newest one of its stream if none came; `message` is the event
    time of that message and `labels` say who sent it. Without a known message, or a condition, there is no tree.
    """

    text: str
    name: str
    came: bool
    message: int | None
    labels: tuple[tuple[str, str], ...]
    tree: Node | None


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """A message that somebody still knows: `faults` are field → what was wrong with its value."""

    reading: Reading
    faults: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`at` is the key's event time at `now`, `newest` that of its newest sample; None if there never was one.

    `gap` is the longest silence that does not break a hold, None while it is not known. `known`: has a message of this
    key ever been taken, or is it a device of the registry whose silence the rule is about? `overdue`: it should have
    fired by now, and nothing was decided since.
    """

    rule: str
    key: Key
    now: int
    known: bool
    state: AlertState
    severity: Severity
    episode: int
    verdict: str
    levels: tuple[LevelExplained, ...]
    ending: ClearExplained | None
    silence: Silence | None
    at: int | None
    newest: int | None
    gap: int | None
    stale: bool
    values: tuple[tuple[str, Value | None], ...]
    samples: tuple[Samples, ...]
    notes: tuple[str, ...]
    meaning: str
    place: Place
    steps: tuple[StepExplained, ...] = ()
    """Of a rule with `sequence`."""
    schedule: ScheduleExplained | None = None
    muted: MutedExplained | None = None
    overdue: bool = False
