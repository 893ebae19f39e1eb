"""Messages that a device counted and that never came: holes in the numbers of a stream with `id: [boot, seq]`.

House rule: a message that is next in its count, the ordinary one, is never looked at here. A hole is opened by one that
is farther on, closed by those that come out of order, and what is left of it once it is due is missing, each number
once.
"""

from __future__ import annotations

from iotrules.engine.moment import Moment
from iotrules.engine.sources import REMEMBERED, Counted, Hole, Identity, Source
from iotrules.engine.state import State
from iotrules.engine.stream_alerts import GAP, note_trouble
from iotrules.model.times import SECOND, duration_words

REORDERED = 10 * SECOND
"""How long a message may come after one with a higher number, beyond what its stream says by `late`."""

MAX_HOLES = 64
"""Of one source that are waited for; with more the oldest is given up."""

MOST_AT_ONCE = 1_000_000
"""A larger hole counts as one of this size: nobody has lost so many, so the device has set its count anew."""


def follow(source: Source, identity: Identity, moment: Moment) -> None:
    """A message is about to be remembered that did not come before."""
    if not isinstance(identity, Counted) or source.top < 0:
        return
    stream = moment.state.plan.streams[source.name[0]].stream
    if not stream.gaps:
        source.holes.clear()
        return
    if identity.head != source.head or source.top - identity.number >= REMEMBERED:
        _give_up(source, len(source.holes), moment)  # a new count: of the old one nothing more is waited for
        source.shed = False
    elif identity.number > source.top + 1:
        _open(source, source.top + 1, identity.number - 1, stream.late, moment)
    else:
        fill(source, identity, moment.state)


def fill(source: Source, identity: Identity, state: State) -> None:
    """A message came after all, if only too late to be decided on."""
    if not source.holes or not isinstance(identity, Counted) or identity.head != source.head:
        return
    number, left = identity.number, []
    for hole in source.holes:
        if hole.first <= number <= hole.last:
            parts = (Hole(hole.first, number - 1, hole.due), Hole(number + 1, hole.last, hole.due))
            left += [part for part in parts if part.first <= part.last]
        else:
            left.append(hole)
    if left != source.holes:
        state.mark(("seen", source.name))
        source.holes = left
        _schedule(source, state)


def wake_gap(name: tuple[str, ...], moment: Moment) -> None:
    """What is still missing of a source's oldest holes will not come any more."""
    source = moment.state.sources.get((name[0], name[1:]))
    if source is not None:
        _give_up(source, sum(hole.due <= moment.now for hole in source.holes), moment)


def schedule_gaps(state: State) -> None:
    """Set every timer anew from the state."""
    state.timers.clear("gap")
    for source in state.sources.values():
        if source.holes:
            _schedule(source, state)


def _open(source: Source, first: int, last: int, late: int, moment: Moment) -> None:
    if source.shed:  # what is missing was not taken in, and has been counted as that
        source.shed = False
        return
    moment.state.mark(("seen", source.name))
    source.holes.append(Hole(first, last, moment.now + late + REORDERED))
    _give_up(source, max(0, len(source.holes) - MAX_HOLES), moment)
    _schedule(source, moment.state)


def _give_up(source: Source, count: int, moment: Moment) -> None:
    """The messages of the oldest holes count as missing."""
    if not count:
        return
    moment.state.mark(("seen", source.name))
    gone, source.holes = source.holes[:count], source.holes[count:]
    missing = sum(min(hole.last - hole.first + 1, MOST_AT_ONCE) for hole in gone)
    source.missing += missing
    source.missed = moment.now
    _schedule(source, moment.state)
    which = f"number {gone[0].first}" if missing == 1 else f"numbers {gone[0].first} to {gone[-1].last}"
    late = moment.state.plan.streams[source.name[0]].stream.late
    why = f"{which} of {source.key or 'its device'} did not come within {duration_words(late + REORDERED)}"
    moment.decision.count("messages_missing", source.name[0], missing)
    note_trouble(GAP, source.name[0], source.key, missing, why, moment)


def _schedule(source: Source, state: State) -> None:
    due = min((hole.due for hole in source.holes), default=None)
    state.timers.set(("gap", source.name[0], *source.name[1]), due)
