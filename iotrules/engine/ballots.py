"""What the members of one group said last, and when by the group's clock.

House rule: a group's clock is the newest event time of any member, and goes on with ours between messages, as a key's
does; it never goes back, so members are kept in the order in which they spoke. Tallies follow from what is kept here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from iotrules.engine.tallies import Tally
from iotrules.language.unparse import unparse
from iotrules.model.expression import Expression, Value

MAX_MEMBERS = 10_000
"""Of one group; the one that has been silent for longest is left out, and counted."""

MAX_NAMED = 10
"""Members that are told by name."""


class Question(NamedTuple):
    """What each member works out at its messages, for how many ns that counts, and what is asked of all of it."""

    argument: Expression
    fresh: int
    kinds: frozenset[str]

    @property
    def name(self) -> str:
        """By which its answers are kept over restarts and reloads."""
        return f"{unparse(self.argument, canonical=True)}, {self.fresh}"


class Said(msgspec.Struct, array_like=True):
    """A member's newest message: when it came by the group's clock, its event time, and an answer per question."""

    at: int
    event: int
    values: list[Value | None]


class BallotsState(msgspec.Struct, array_like=True):
    """As stored: the questions' names, and what each member said, the oldest first."""

    questions: list[str] = []
    said: dict[str, Said] = {}


class Ballots:
    """The members of one group. A message costs O(questions), and O(1) amortised for members that go stale."""

    __slots__ = ("_longest", "decided", "questions", "registered", "said", "tallies")

    def __init__(self, questions: tuple[Question, ...]) -> None:
        self.questions = questions
        self.said: dict[str, Said] = {}
        self.tallies = tuple(Tally(question.fresh, question.kinds) for question in questions)
        self.registered = 0
        """How many members the device registry has; 0 without one that tells them apart."""
        self._longest = max((question.fresh for question in questions), default=0)
        self.decided = -1
        """The version of the tallies that the group's rules last decided on."""

    def time_of(self, member: str, event: int, clock: int) -> int:
        """The group's time of a member's message.

        A member whose clock is behind the group's by more than its values stay fresh neither stalls the group nor is
        stale: its time is counted on from when it spoke last.
        """
        if clock - event <= self._longest:
            return max(clock, event)
        before = self.said.get(member)
        if before is None or clock - before.at > self._longest:
            return clock
        return max(clock, before.at + event - before.event)

    def take(self, member: str, at: int, event: int, values: list[Value | None]) -> bool:
        """A member speaks at the group's time `at`. False if another one had to be left out for it."""
        said = self.said
        said.pop(member, None)
        said[member] = Said(at, event, values)
        for tally, value in zip(self.tallies, values, strict=True):
            tally.put(member, at, value)
        while at - said[oldest := next(iter(said))].at > self._longest:
            del said[oldest]
        if len(said) <= MAX_MEMBERS:
            return True
        self._leave_out(next(iter(said)))
        return False

    def _leave_out(self, member: str) -> None:
        del self.said[member]
        for tally in self.tallies:
            tally.drop(member)

    def value(self, kind: str, place: int, at: int, least: int) -> Value | None:
        """An aggregate over the answers to the question at `place` that are fresh at the group's time `at`."""
        return self.tally(place, at).value(kind, least, self.registered)

    def apart(self, place: int, member: str, value: float, at: int) -> float | None:
        """How far a member's value lies from what the others answered to the question."""
        return self.tally(place, at).apart(member, value)

    def tally(self, place: int, at: int) -> Tally:
        """The tally of a question as it is at the group's time `at`."""
        tally = self.tallies[place]
        if not tally.advance(at):  # rules are looked at one by one, each as its time passes
            tally.refill(((member, one.at, one.values[place]) for member, one in self.said.items()), at)
        return tally

    def next_stale(self, after: int) -> int | None:
        """When, later than `after` by the group's clock, the next answer is not fresh any more."""
        found = (self.tally(place, after).next_stale() for place in range(len(self.tallies)))
        return min((due for due in found if due is not None), default=None)

    @property
    def version(self) -> int:
        """Another number whenever an aggregate may be another one."""
        return sum(tally.version for tally in self.tallies)

    def named(self, place: int, at: int) -> str:
        """The members for which the condition of a question is true, or that have a value: the first few by name."""
        held = self.tally(place, at).held
        names = sorted(member for member, (_, value) in held.items() if value is not None and value is not False)
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        return ", ".join(names[:MAX_NAMED]) + more

    def state(self) -> BallotsState:
        return BallotsState([question.name for question in self.questions], dict(self.said))

    def restore(self, state: BallotsState) -> None:
        """Take over what was said; to a question that was not asked then, nobody has answered yet."""
        places = [_place(state.questions, question.name) for question in self.questions]
        for member, one in state.said.items():
            self.said[member] = Said(one.at, one.event, list(_picked(one.values, places)))
        newest = max((one.at for one in self.said.values()), default=0)
        for place, tally in enumerate(self.tallies):
            tally.refill(((member, one.at, one.values[place]) for member, one in self.said.items()), newest)


def _place(names: list[str], name: str) -> int | None:
    return names.index(name) if name in names else None


def _picked(values: list[Value | None], places: list[int | None]) -> Iterator[Value | None]:
    for place in places:
        yield None if place is None else values[place]
