"""A rule set, compiled for the engine: what each stream's keys have to keep, and which rules look at them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from iotrules.engine.route import Router
from iotrules.language.unparse import unparse
from iotrules.model.expression import Expression, Window, windows
from iotrules.model.rules import Ladder, Rule, RuleSet, Rung, Stream, rungs_of
from iotrules.model.times import SECOND, duration_words

EVALUATIONS_PER_WINDOW = 60


@dataclass(frozen=True, slots=True)
class Buffer:
    """A sample window that a track keeps; aggregates over the same argument and duration share it."""

    name: str
    argument: Expression
    duration: int


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with what the engine needs of it. `every` is None if time alone can't change its condition."""

    rule: Rule
    stream: Stream
    rungs: tuple[Rung, ...]
    buffers: dict[Window, str]
    every: int | None
    horizon: int


@dataclass(frozen=True, slots=True)
class TrackPlan:
    """One way in which a stream's messages are keyed, with what has to be kept for each key."""

    stream: Stream
    by: tuple[str, ...]
    buffers: tuple[Buffer, ...]
    rules: tuple[CompiledRule, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    rules: dict[str, CompiledRule]
    tracks: dict[tuple[str, tuple[str, ...]], TrackPlan]
    by_stream: dict[str, tuple[TrackPlan, ...]]
    router: Router
    set: RuleSet


def compile_rules(rules: RuleSet) -> Plan:
    """Everything derived from the rule set, once, when it is loaded."""
    compiled = {rule.name: _compile(rule, rules.streams[rule.stream]) for rule in rules.rules.values()}
    grouped: dict[tuple[str, tuple[str, ...]], list[CompiledRule]] = defaultdict(list)
    for one in compiled.values():
        grouped[one.rule.stream, one.rule.by].append(one)
    tracks = {
        (stream, by): TrackPlan(rules.streams[stream], by, _buffers(members), tuple(members))
        for (stream, by), members in grouped.items()
    }
    by_stream = {
        name: tuple(track for (stream, _), track in tracks.items() if stream == name) for name in rules.streams
    }
    return Plan(compiled, tracks, by_stream, Router(rules), rules)


def _compile(rule: Rule, stream: Stream) -> CompiledRule:
    used = tuple(window for node in _conditions(rule) for window in windows(node))
    durations = [window.duration for window in used]
    every = max(min(durations) // EVALUATIONS_PER_WINDOW, SECOND) if durations else None
    names = {window: _buffer_name(window) for window in used}
    return CompiledRule(rule, stream, rungs_of(rule), names, every, max(durations, default=0))


def _conditions(rule: Rule) -> tuple[Expression, ...]:
    clears = [rung.condition.clear for rung in rungs_of(rule)]
    if isinstance(rule.body, Ladder) and rule.body.clear is not None:
        clears.append(rule.body.clear)
    raised = tuple(rung.condition.when for rung in rungs_of(rule))
    return raised + tuple(clear.when for clear in clears if clear.when is not None)


def _buffer_name(window: Window) -> str:
    return f"{unparse(window.argument)}, {duration_words(window.duration)}"


def _buffers(members: list[CompiledRule]) -> tuple[Buffer, ...]:
    found = {
        name: Buffer(name, window.argument, window.duration)
        for member in members
        for window, name in member.buffers.items()
    }
    return tuple(found.values())
