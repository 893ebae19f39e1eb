"""Ordered steps within a time: the body of a rule with `sequence`, checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from iotrules.model.expression import Expression, names
from iotrules.model.times import duration_words


@dataclass(frozen=True, slots=True)
class EventPattern:
    """A message of `stream` for which `when` is true (None: any message); `text` as its author wrote it.

    `steps` are the names of earlier steps that `when` reads: their fields and captures are called `NAME.FIELD`.
    """

    stream: str
    when: Expression | None
    text: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SequenceStep:
    """A step that must come. Templates call it `name`, if it has one; `index` is its place in the rule's list."""

    pattern: EventPattern
    name: str
    index: int


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What must not come once `after` steps have come, until the next one; behind the last step, until `within` ends.

    With `before`, from that many ns before the first step on instead.
    """

    pattern: EventPattern
    after: int
    before: int | None
    index: int


class Matching(Enum):
    """What a new first step means to a run that waits for its next step."""

    NEWEST = "newest"
    FIRST = "first"
    EVERY = "every"


@dataclass(frozen=True, slots=True)
class Sequence:
    """Steps in order, all within `within` ns of the first; `clear` ends the alert, else `within` after it fired."""

    steps: tuple[SequenceStep, ...]
    without: tuple[Forbidden, ...]
    within: int
    matching: Matching
    clear: EventPattern | None

    @property
    def waits(self) -> bool:
        """Is something forbidden behind the last step, so that only the end of `within` completes it?"""
        return any(one.after == len(self.steps) for one in self.without)

    def read_later(self, step: SequenceStep) -> frozenset[str]:
        """What later conditions read of a step's message, without its name."""
        prefix = f"{step.name}."
        readers = (one.when for one in self.patterns if one.when is not None and step.name in one.steps)
        read = frozenset[str]().union(*(names(when) for when in readers))
        return frozenset(name.removeprefix(prefix) for name in read if name.startswith(prefix))

    @property
    def patterns(self) -> tuple[EventPattern, ...]:
        """Of the steps, of what is forbidden, and of `clear`."""
        told = tuple(step.pattern for step in self.steps) + tuple(one.pattern for one in self.without)
        return told if self.clear is None else (*told, self.clear)


def sequence_text(sequence: Sequence) -> str:
    """`door where open, then motion where seen, without badge, within 90s`, in the order of its author."""
    told = {one.index: (", then " if one.index else "") + one.pattern.text for one in sequence.steps}
    told |= {one.index: f", without {one.pattern.text}" for one in sequence.without}
    return "".join(told[index] for index in sorted(told)) + f", within {duration_words(sequence.within)}"
