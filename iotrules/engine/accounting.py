"""Whether every message has become something: received = applied + duplicate + late + dead-lettered + shed + waiting.

House rule: it is worked out from what one input has counted, never from what is remembered. A difference is a fault of
ours, so it is counted as `unaccounted`, which is never less than nothing.
"""

from __future__ import annotations

from iotrules.model.decisions import Decision

OUTCOMES = frozenset({"applied", "duplicate", "late", "shed", "waiting", "abandoned"})
"""What a message is counted as, once, beside a dead letter.

`waiting` goes down again when a sample that waited for older ones is decided on, which then is `applied`; one whose
stream went meanwhile, or whose key made room for another, is `abandoned`.
"""


def difference(decision: Decision) -> int:
    """How many more messages were received than became something; less than 0 if more became something."""
    received = outcomes = 0
    for (counter, _), count in decision.counts.items():
        if counter == "received":
            received += count
        elif counter in OUTCOMES:
            outcomes += count
    return received - outcomes - len(decision.dead_letters)


def check(decision: Decision) -> None:
    """Count what is not accounted for."""
    missing = difference(decision)
    if missing:
        decision.count("unaccounted", "lost" if missing > 0 else "invented", abs(missing))
