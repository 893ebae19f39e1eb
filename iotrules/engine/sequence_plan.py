"""Rules with `sequence`, compiled: what each stream's messages are compared with, and what is kept of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from iotrules.engine.muting import Inhibitors
from iotrules.model.expression import Expression, attributes, fields, states
from iotrules.model.rules import Rule, RuleSet, Slot
from iotrules.model.sequences import Sequence


class Known(NamedTuple):
    """Names of what is known beside the messages: attributes of the registry, and what functions persisted."""

    attributes: frozenset[str]
    states: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """As they are called in conditions."""
        return frozenset(f"attr.{one}" for one in self.attributes) | frozenset(f"state.{one}" for one in self.states)


@dataclass(frozen=True, slots=True)
class SequenceRule:
    """A rule with its sequence.

    `kept` is what is remembered of each step's message: fields, and what it read as `attr.NAME` and `state.NAME`. Of
    those all that any condition reads are `known`.
    """

    rule: Rule
    sequence: Sequence
    kept: tuple[frozenset[str], ...]
    known: Known
    inhibitors: Inhibitors
    late: Mapping[str, int] = field(default_factory=dict)
    """How long samples of its streams wait for older ones, ns."""

    def behind(self, stream: str) -> int:
        """For how long, after a message of this stream, a deadline waits for what may be on its way before it.

        A message on time comes up to `late` after one of its instant, and waits for as long itself.
        """
        return 2 * max(self.late.values()) - self.late[stream]


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """By name, and by the streams that their patterns name."""

    rules: dict[str, SequenceRule] = field(default_factory=dict)
    by_stream: dict[str, tuple[SequenceRule, ...]] = field(default_factory=dict)

    def names(self, stream: str) -> tuple[str, ...]:
        """The rules that look at the stream's messages."""
        return tuple(one.rule.name for one in self.by_stream.get(stream, ()))


def compile_sequences(rules: RuleSet, inhibitors: Mapping[str, Inhibitors]) -> SequencePlan:
    """All rules of the set that are sequences."""
    compiled = {
        rule.name: SequenceRule(
            rule,
            rule.body,
            _kept(rules, rule, rule.body),
            _known(pattern.when for pattern in rule.body.patterns),
            inhibitors.get(rule.name, ()),
            _late(rules, rule.body),
        )
        for rule in rules.rules.values()
        if isinstance(rule.body, Sequence)
    }
    by_stream: dict[str, list[SequenceRule]] = defaultdict(list)
    for one in compiled.values():
        for stream in dict.fromkeys(pattern.stream for pattern in one.sequence.patterns):
            by_stream[stream].append(one)
    return SequencePlan(compiled, {stream: tuple(members) for stream, members in by_stream.items()})


def _late(rules: RuleSet, sequence: Sequence) -> dict[str, int]:
    return {pattern.stream: rules.streams[pattern.stream].late for pattern in sequence.patterns}


def _known(conditions: Iterable[Expression | None]) -> Known:
    given = [when for when in conditions if when is not None]
    none = frozenset[str]()
    return Known(none.union(*(attributes(when) for when in given)), none.union(*(states(when) for when in given)))


def _kept(rules: RuleSet, rule: Rule, sequence: Sequence) -> tuple[frozenset[str], ...]:
    """What conditions and the summary read of a step; of the last one, which handlers are given, every field."""
    slots = {part.name for part in rule.summary.parts if isinstance(part, Slot)}
    found = []
    for step in sequence.steps:
        every = frozenset(one.name for one in rules.streams[step.pattern.stream].fields)
        read = (fields(step.pattern.when) if step.pattern.when else frozenset()) | sequence.read_later(step)
        told = {name for name in every if f"{step.name}.{name}" in slots}
        own = every if step is sequence.steps[-1] else (read & every) | told
        found.append(own | _known([step.pattern.when]).names)
    return tuple(found)
