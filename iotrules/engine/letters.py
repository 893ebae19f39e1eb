"""Dead letters that a person takes up again: each is taken in once more as if it came now, or thrown away.

House rule: one that was taken in, or had been already, is no dead letter any more; one that still can't be used stays
where it is, with its newest reason. Each counts as received once more, and as what has become of it.
"""

from __future__ import annotations

from dataclasses import replace

from iotrules.engine.decode import MAX_PAYLOAD
from iotrules.engine.intake import take_arrival
from iotrules.engine.moment import Moment
from iotrules.model.decisions import DeadLetter, Decision
from iotrules.model.inputs import Arrival, Discard, Letter, Replay

CUT = "too large"
"""The reason for which a letter's bytes may not be all that there were."""


def take_replay(value: Replay, moment: Moment) -> None:
    """Take in each letter, in the order given."""
    for letter in value.letters:
        moment.decision.count("received", "replay")
        fault = _take(letter, moment)
        if fault is None:
            moment.decision.letters_gone.append(letter.number)
        else:
            moment.decision.dead_letters.append(replace(fault, replayed=letter.number))
    moment.decision.count("replayed", by=len(value.letters))


def take_discard(value: Discard, moment: Moment) -> None:
    """Note that they are gone; who and why is in the journal, and the log."""
    moment.decision.letters_gone += value.numbers
    moment.decision.count("letters_dropped", by=len(value.numbers))


def _take(letter: Letter, moment: Moment) -> DeadLetter | None:
    """None if the message counts now; else why it does not."""
    decision, arrival = moment.decision, Arrival(letter.topic, letter.payload, moment.now)
    if len(letter.payload) >= MAX_PAYLOAD:
        return DeadLetter(*_of(arrival), CUT, f"only its first {MAX_PAYLOAD} bytes were kept")
    letters, late = len(decision.dead_letters), _late(decision)
    take_arrival(moment.state, arrival, moment)
    if len(decision.dead_letters) > letters:
        return decision.dead_letters.pop()
    for name, count in _late(decision).items():
        if count > late.get(name, 0):  # a person asked for it, so it does not vanish: it counts as a dead letter
            decision.count(*name, by=-1)
            return DeadLetter(*_of(arrival), "late", "newer messages of its device have been decided on")
    return None


def _late(decision: Decision) -> dict[tuple[str, str], int]:
    return {name: count for name, count in decision.counts.items() if name[0] == "late"}


def _of(arrival: Arrival) -> tuple[str, bytes, int]:
    return arrival.topic, arrival.payload, arrival.received
