"""Alerts that the engine raises about a stream: messages never came (`STREAM/gap`), or were too many (`STREAM/shed`).

House rule: one of each kind for a stream, whatever the number of its devices; it says how many messages and whose, in
bounded words, and ends by itself once nothing more happened for a while.
"""

from __future__ import annotations

from typing import NamedTuple

from iotrules.engine.moment import Moment
from iotrules.engine.own_alerts import end_own, raise_own
from iotrules.engine.state import State
from iotrules.engine.stored import Trouble
from iotrules.model.decisions import Key
from iotrules.model.rules import about_stream
from iotrules.model.times import MINUTE, duration_words

QUIET = 10 * MINUTE
"""How long nothing must have happened for the alert to end."""

MAX_NAMED = 8
"""Devices that are named; of the others the messages are added up."""


class Kind(NamedTuple):
    """The alert's name behind the stream's, and what has happened to the messages, for its summary."""

    word: str
    happened: str


GAP = Kind("gap", "never came, by their device's own count")
SHED = Kind("shed", "were more than the stream's limit, and not taken in")


def note_trouble(kind: Kind, stream: str, key: Key, count: int, why: str, moment: Moment) -> None:
    """It has happened to so many messages of a device."""
    state, name = moment.state, about_stream(stream, kind.word)
    before = state.own.get(name)
    trouble = before.trouble if before is not None and before.firing and before.trouble else Trouble()
    _add(trouble, str(key) or stream, count)
    summary = _summary(kind, stream, trouble)
    found = raise_own(state, name, why, summary, moment.now, moment.decision)
    found.stream, found.trouble, found.summary, found.last = stream, trouble, summary, moment.now
    state.timers.set(("quiet", name), found.last + QUIET)


def wake_quiet(name: str, moment: Moment) -> None:
    """Nothing more has happened since."""
    end_own(moment.state, name, f"nothing more for {duration_words(QUIET)}", moment.now, moment.decision)


def schedule_quiet(state: State) -> None:
    """Set every timer anew from the state."""
    state.timers.clear("quiet")
    for name, found in state.own.items():
        if found.firing and found.stream:
            state.timers.set(("quiet", name), found.last + QUIET)


def end_of_streams(moment: Moment) -> None:
    """What was said of a stream that is gone is over."""
    for name, found in sorted(moment.state.own.items()):
        if found.stream and found.stream not in moment.state.plan.streams:
            end_own(moment.state, name, "the stream was removed", moment.now, moment.decision)
            moment.state.timers.set(("quiet", name), None)


def _add(trouble: Trouble, whose: str, count: int) -> None:
    trouble.total += count
    if whose in trouble.named or len(trouble.named) < MAX_NAMED:
        trouble.named[whose] = trouble.named.get(whose, 0) + count
    else:
        trouble.others += count


def _summary(kind: Kind, stream: str, trouble: Trouble) -> str:
    named = ", ".join(f"{whose} ({count:,})" for whose, count in trouble.named.items())
    others = f", and {trouble.others:,} of other devices" if trouble.others else ""
    messages = "message" if trouble.total == 1 else "messages"
    return f"{stream}: {trouble.total:,} {messages} {kind.happened}: {named}{others}"
