"""Runs of a sequence for one key: which steps have come, what ends a run, and when one is a match.

House rule: pure. Event times and what a message fits come in, turns come out; all that is remembered is in
`SequenceState`, and bounded. Messages are taken in order of event time, and one comes before a deadline of its instant.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import msgspec

from iotrules.model.expression import Value
from iotrules.model.sequences import EventPattern, Forbidden, Matching, Sequence

MAX_RUNS = 64
"""Open runs of a rule and key; with more, the oldest ends."""


class Event(msgspec.Struct, array_like=True, frozen=True):
    """A message that is a step of a run; `number` is its own within the key."""

    number: int
    at: int
    values: dict[str, Value | None]
    labels: dict[str, str]


class SequenceRun(msgspec.Struct, array_like=True, frozen=True):
    """The events of the steps that have come, in order, of which there is at least one."""

    events: tuple[Event, ...]

    @property
    def begin(self) -> int:
        return self.events[0].at

    @property
    def done(self) -> int:
        return len(self.events)

    def shares(self, other: SequenceRun) -> bool:
        """Is a message a step of both?"""
        mine = {event.number for event in self.events}
        return any(event.number in mine for event in other.events)


class SequenceState(msgspec.Struct, array_like=True):
    """All that is remembered of a sequence for a key. `runs` are ordered by their begin, the oldest first."""

    clock: int = 0
    clock_wall: int = 0
    """Event time of the newest message that counted, and our clock when it came; from there time goes on with ours."""
    newest: int | None = None
    """Event time of the newest message or deadline that counted: what is older is late."""
    number: int = 0
    runs: list[SequenceRun] = []
    forbidden: dict[int, int] = {}
    """Of what `before` looks back at: its place in `without` → the event time of the newest."""
    match: SequenceRun | None = None
    """What the alert is firing about; None if it is not."""
    ends: int | None = None
    """When the alert is over, if no `clear` says so."""

    def clock_at(self, now: int) -> int:
        """The key's event time when our clock shows `now`; it never goes back."""
        return self.clock + max(0, now - self.clock_wall)

    def wall_of(self, event_time: int) -> int:
        return self.clock_wall + (event_time - self.clock)


class Turn(Enum):
    """What came of a message, or of a deadline."""

    MATCHED = "all steps came, and nothing that must not"
    REPEATED = "another match while the alert is firing"
    CLEARED = "a message ended the alert"
    OVER = "the alert fired `within` ago"
    LATE = "older than the newest that counted: not applied"
    EVICTED = "too many open runs: the oldest ended"


Agrees = Callable[[EventPattern, tuple[Event, ...]], bool]
"""Does the message fit a pattern, beside the steps of a run that it reads?"""


def always(_: EventPattern, __: tuple[Event, ...]) -> bool:
    """For patterns that look at the message alone."""
    return True


class Fits(NamedTuple):
    """What a message fits: places in the sequence's `steps` and `without`, and its `clear`.

    Those whose condition reads earlier steps are among them, and `agrees` is asked of each run.
    """

    steps: frozenset[int]
    without: frozenset[int]
    clear: bool
    agrees: Agrees = always


class Message(NamedTuple):
    """A message at event time `at`, arrived at `now` of our clock; `values` are those to keep of it, by step."""

    at: int
    now: int
    fits: Fits
    values: dict[int, dict[str, Value | None]]
    labels: dict[str, str]


def take(sequence: Sequence, state: SequenceState, message: Message) -> list[Turn]:
    """Take a message in, after the deadlines before it. One that nothing uses is forgotten."""
    fits = message.fits
    if not (fits.steps or fits.without or fits.clear):
        return []
    if state.newest is not None and message.at < state.newest:
        return [Turn.LATE]
    open_runs = [run for run in state.runs if message.at <= run.begin + sequence.within]
    advanced = [_advanced(sequence, run, message, state.number + 1) for run in open_runs]
    runs = _apart(sequence, [run for run in advanced if run is not None])
    matched = None if sequence.waits else next((run for run in runs if run.done == len(sequence.steps)), None)
    if matched is not None:
        runs = [run for run in runs if not run.shares(matched)]
    elif 0 in fits.steps and not _looked_back(sequence, state, message.at):
        runs = _apart(sequence, [*runs, SequenceRun((_event(message, 0, state.number + 1),))])
    clears = _clears(sequence, state, fits)
    remembered = [place for place in fits.without if sequence.without[place].before is not None]
    if runs == open_runs and matched is None and not clears and not remembered:
        return []
    state.clock, state.clock_wall, state.newest = message.at, message.now, message.at
    state.number += 1
    state.forbidden = state.forbidden | dict.fromkeys(remembered, message.at)
    state.runs = runs[-MAX_RUNS:]
    turns = [Turn.EVICTED] * (len(runs) - len(state.runs))
    if matched is not None:
        turns.append(_match(sequence, state, matched, message.at))
    elif clears:
        turns.append(Turn.CLEARED)
    return turns


def lets_time_pass(sequence: Sequence, state: SequenceState, message: Message) -> bool:
    """Would the message count, once the deadlines before it have passed? If not, they wait for our clock."""
    trial = msgspec.structs.replace(state)
    while (due := next_deadline(sequence, trial)) is not None and due < message.at:
        if pass_deadline(sequence, trial, due) is Turn.OVER:
            settle(trial)
    number = trial.number
    take(sequence, trial, message)
    return trial.number != number


def next_deadline(sequence: Sequence, state: SequenceState) -> int | None:
    """The event time at which time alone may next complete a run, or end the alert."""
    begins = [run.begin for run in state.runs if run.done == len(sequence.steps)]
    due = min(begins) + sequence.within if begins else None
    ends = state.ends if state.match is not None else None
    return min((one for one in (due, ends) if one is not None), default=None)


def pass_deadline(sequence: Sequence, state: SequenceState, due: int) -> Turn:
    """`next_deadline` has come. The end of an alert comes before a match of the same instant: that one fires anew."""
    state.newest = due if state.newest is None else max(state.newest, due)
    if state.match is not None and state.ends == due:
        return Turn.OVER
    matched = next(run for run in state.runs if run.done == len(sequence.steps))
    state.runs = [run for run in state.runs if not run.shares(matched)]
    return _match(sequence, state, matched, due)


def settle(state: SequenceState) -> None:
    """The alert has ended."""
    state.match = state.ends = None


def _match(sequence: Sequence, state: SequenceState, matched: SequenceRun, at: int) -> Turn:
    if state.match is not None:
        return Turn.REPEATED
    state.match = matched
    state.ends = at + sequence.within if sequence.clear is None else None
    return Turn.MATCHED


def _advanced(sequence: Sequence, run: SequenceRun, message: Message, number: int) -> SequenceRun | None:
    """The run after the message: one step further, as it was, or None if it must not have come."""
    fits, events = message.fits, run.events
    comes = run.done in fits.steps and fits.agrees(sequence.steps[run.done].pattern, events)
    following = run.done if comes else None
    active = (sequence.without[place] for place in sorted(fits.without))
    if any(_forbids(sequence, one, run.done, following) and fits.agrees(one.pattern, events) for one in active):
        return None
    return run if following is None else SequenceRun((*run.events, _event(message, following, number)))


def _clears(sequence: Sequence, state: SequenceState, fits: Fits) -> bool:
    """Does the message end the alert that is firing?"""
    if not fits.clear or sequence.clear is None or state.match is None:
        return False
    return fits.agrees(sequence.clear, state.match.events)


def _forbids(sequence: Sequence, one: Forbidden, done: int, following: int | None) -> bool:
    """Does it end a run with `done` steps? Not by the very message that is the step at which its time ends."""
    last = one.after == len(sequence.steps)
    begun = done >= one.after or one.before is not None
    over = not last and done > one.after
    return begun and not over and not (one.after == following and not last)


def _looked_back(sequence: Sequence, state: SequenceState, at: int) -> bool:
    """Did something that must not come before the first step come?"""
    limits = ((place, one.before) for place, one in enumerate(sequence.without) if one.before is not None)
    return any(place in state.forbidden and at - state.forbidden[place] <= before for place, before in limits)


def _apart(sequence: Sequence, runs: list[SequenceRun]) -> list[SequenceRun]:
    """With `newest` and `first`, at most one run has come as far as each step; one with all steps stays."""
    if sequence.matching is Matching.EVERY:
        return runs
    kept: dict[int, SequenceRun] = {}
    for run in runs:
        replaces = sequence.matching is Matching.NEWEST and run.done < len(sequence.steps)
        if replaces or run.done not in kept:
            kept[run.done] = run
    return [run for run in runs if kept[run.done] is run]


def _event(message: Message, step: int, number: int) -> Event:
    return Event(number, message.at, message.values[step], message.labels)
