"""A match of a sequence, for people and handlers: its steps with their times and values."""

from __future__ import annotations

from collections.abc import Mapping

from iotrules.engine.evaluate import Scope
from iotrules.engine.explain import because
from iotrules.engine.sequence_looks import step_scope
from iotrules.engine.sequence_plan import SequenceRule
from iotrules.engine.sequences import SequenceRun
from iotrules.model.decisions import Key
from iotrules.model.expression import Value
from iotrules.model.sequences import EventPattern
from iotrules.model.times import SECOND, duration_words


def event_words(pattern: EventPattern, scope: Scope) -> str:
    """`door: state "open" == "open"`, or `a message of door`."""
    if pattern.when is None:
        return f"a message of {pattern.stream}"
    return f"{pattern.stream}: {because(pattern.when, scope)}"


def match_words(one: SequenceRule, matched: SequenceRun) -> str:
    """The steps with the time between them, and what did not come."""
    words = ""
    before = matched.begin
    for place, (step, event) in enumerate(zip(one.sequence.steps, matched.events, strict=True)):
        words += f", {duration_words(event.at - before)} later " if words else ""
        words += event_words(
            step.pattern, step_scope(one, event.values, event.labels, event.at, matched.events[:place])
        )
        before = event.at
    return words + "".join(f", without {forbidden.pattern.text}" for forbidden in one.sequence.without)


def shown_values(
    one: SequenceRule, key: Key, matched: SequenceRun, attributes: Mapping[str, Value]
) -> dict[str, Value | None]:
    """What a summary may name: the last step's fields, the key's labels and attributes, `NAME.…` of named steps."""
    values: dict[str, Value | None] = {f"attr.{name}": value for name, value in attributes.items()}
    for step, event in zip(one.sequence.steps, matched.events, strict=True):
        if step.name:
            values |= {f"{step.name}.{name}": value for name, value in (event.labels | event.values).items()}
    return values | matched.events[-1].values | dict(key.labels)


def evidence_values(one: SequenceRule, key: Key, matched: SequenceRun) -> tuple[tuple[str, Value | None], ...]:
    """The last step's values; then of every named step what was read of it, its labels beyond the key's, and its age.

    `NAME.age` is the time from the step to the last one, in seconds.
    """
    found: dict[str, Value | None] = dict(matched.events[-1].values)
    own = {name for name, _ in key.labels}
    last = matched.events[-1].at
    for step, event in zip(one.sequence.steps, matched.events, strict=True):
        if not step.name:
            continue
        labels = {name: value for name, value in event.labels.items() if name not in own}
        values = event.values if event is not matched.events[-1] else {}
        found |= {f"{step.name}.{name}": value for name, value in (labels | values).items()}
        found[f"{step.name}.age"] = (last - event.at) / SECOND
    return tuple(found.items())
