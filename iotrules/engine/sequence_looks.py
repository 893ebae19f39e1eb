"""What a message is to a sequence: which steps it fits, by itself and beside the steps that have come.

House rule: what the registry and functions say of a message's device is read when it comes and remembered with it, so
that a step is explained by what it was judged by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iotrules.engine.evaluate import Scope, truth
from iotrules.engine.localtime import local
from iotrules.engine.registry import scalar
from iotrules.engine.sequence_plan import SequenceRule
from iotrules.engine.sequences import Agrees, Event, Fits
from iotrules.model.decisions import Decision, Reading
from iotrules.model.expression import Clock, Truth, Value, Window
from iotrules.model.rules import Missing
from iotrules.model.sequences import EventPattern

_ATTRIBUTE, _STATE = "attr.", "state."


def known_values(
    one: SequenceRule, attributes: Mapping[str, Value], remembered: Mapping[str, Any]
) -> dict[str, Value | None]:
    """What conditions read of a message's device beside the message: by `attr.NAME` and `state.NAME`."""
    found: dict[str, Value | None] = {f"{_ATTRIBUTE}{name}": attributes.get(name) for name in one.known.attributes}
    return found | {f"{_STATE}{name}": _scalar(remembered.get(name)) for name in one.known.states}


def _scalar(found: Any) -> Value | None:
    """A list or an object is there, and is no number and no text: as a flag it says both."""
    value = scalar(found)
    return True if value is None and found is not None else value


def step_scope(
    one: SequenceRule, values: Mapping[str, Value | None], labels: Mapping[str, str], at: int, come: Sequence[Event]
) -> Scope:
    """What names mean in a condition on a message: its values, the steps that have `come`, the clock of its time."""
    fields, captures = dict(values), dict(labels)
    for step, event in zip(one.sequence.steps, come, strict=False):
        if step.name:
            fields |= {f"{step.name}.{name}": value for name, value in event.values.items()}
            captures |= {f"{step.name}.{name}": value for name, value in event.labels.items()}

    def clock(node: Window) -> float | None:
        return local(node.kind, at) if isinstance(node.kind, Clock) else None

    return Scope(fields, captures, clock, _behind(_ATTRIBUTE, values), lambda: _behind(_STATE, values))


def _behind(prefix: str, values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if value is not None and name.startswith(prefix)
    }


def fits_of(one: SequenceRule, reading: Reading, captured: Mapping[str, str], decision: Decision) -> Fits:
    """What the message fits. Unknown is no step, but it may be what must not come: unknown never fires."""
    sequence = one.sequence
    agrees = _agreement(one, reading, captured, decision)

    def fits(pattern: EventPattern | None) -> bool:
        if pattern is None or pattern.stream != reading.stream:
            return False
        return bool(pattern.steps) or agrees(pattern, ())

    return Fits(
        frozenset(place for place, step in enumerate(sequence.steps) if fits(step.pattern)),
        frozenset(place for place, forbidden in enumerate(sequence.without) if fits(forbidden.pattern)),
        fits(sequence.clear),
        agrees,
    )


def _agreement(one: SequenceRule, reading: Reading, captured: Mapping[str, str], decision: Decision) -> Agrees:
    """Looks at each pattern once for the same steps; what is unknown or fails is counted once for each pattern."""
    missing = one.rule.missing
    forbidding = {id(forbidden.pattern) for forbidden in one.sequence.without}
    found: dict[tuple[int, tuple[int, ...]], bool] = {}
    told: set[int] = set()

    def agrees(pattern: EventPattern, come: tuple[Event, ...]) -> bool:
        name = (id(pattern), tuple(event.number for event in come) if pattern.steps else ())
        if name not in found:
            value = _truth(one, pattern, reading, captured, come, None if id(pattern) in told else decision)
            told.update([id(pattern)] if value is None else [])
            unknown = missing is not Missing.FALSE if id(pattern) in forbidding else missing is Missing.TRUE
            found[name] = unknown if value is None else value
        return found[name]

    return agrees


def _truth(
    one: SequenceRule,
    pattern: EventPattern,
    reading: Reading,
    captured: Mapping[str, str],
    come: tuple[Event, ...],
    decision: Decision | None,
) -> Truth:
    """Is the condition true of the message? Told to `decision`, if there is one: that it is unknown, and faults."""
    if pattern.when is None:
        return True
    scope = step_scope(one, reading.values, captured, reading.at, come)
    value = truth(pattern.when, scope)
    if decision is None:
        return value
    for fault in scope.faults:
        decision.fault(one.rule.name, reading.key, fault, reading.received)
    if value is None:
        decision.count("unknown", one.rule.name)
        if one.rule.missing is Missing.ERROR:
            decision.fault(one.rule.name, reading.key, "the condition is unknown", reading.received)
    return value
