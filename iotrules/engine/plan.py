"""A rule set, compiled for the engine: what each stream's keys have to keep, and which rules look at them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from iotrules.engine.route import Router
from iotrules.engine.wakeups import every_and_horizon
from iotrules.engine.windows import FOREVER, MAX_SAMPLES
from iotrules.language.unparse import unparse
from iotrules.model.expression import Clock, Expression, Lag, Statistic, Window, windows
from iotrules.model.rules import Ladder, Rule, RuleSet, Rung, Stream, rungs_of
from iotrules.model.times import duration_words


@dataclass(frozen=True, slots=True)
class Buffer:
    """A sample window that a track keeps; aggregates over the same argument and duration share it.

    It holds at most `keep` samples: none for what looks at the clock only. With `fold` a sample is what the function
    made of it and of the one before.
    """

    name: str
    argument: Expression
    duration: int
    keep: int = MAX_SAMPLES
    fold: Statistic | None = None
    span: int = 0


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
    every, horizon = every_and_horizon(_conditions(rule))
    names = {window: _buffer_name(window) for window in used}
    return CompiledRule(rule, stream, rungs_of(rule), names, every, horizon)


def _conditions(rule: Rule) -> tuple[Expression, ...]:
    clears = [rung.condition.clear for rung in rungs_of(rule)]
    if isinstance(rule.body, Ladder) and rule.body.clear is not None:
        clears.append(rule.body.clear)
    raised = tuple(rung.condition.when for rung in rungs_of(rule))
    return raised + tuple(clear.when for clear in clears if clear.when is not None)


def _buffer_name(window: Window) -> str:
    return _buffer(window).name


def _buffer(window: Window) -> Buffer:
    """What has to be kept for one window."""
    inner = unparse(window.argument)
    match window.kind:
        case Statistic.STREAK | Statistic.EWMA as kind:
            return Buffer(unparse(window), window.argument, FOREVER, 1, kind, window.duration)
        case Statistic.DELTA | Statistic.CHANGED | Statistic.AGE:
            return Buffer(f"{inner}, newest", window.argument, FOREVER, 2)
        case Lag(steps=steps):
            return Buffer(f"{inner}, newest", window.argument, FOREVER, steps + 1)
        case Clock():
            return Buffer(unparse(window), window.argument, FOREVER, 0)
    return Buffer(f"{inner}, {duration_words(window.duration)}", window.argument, window.duration)


def _buffers(members: list[CompiledRule]) -> tuple[Buffer, ...]:
    """Each once, as deep as the rule that looks back farthest needs it."""
    found: dict[str, Buffer] = {}
    for buffer in (_buffer(window) for member in members for window in member.buffers):
        known = found.get(buffer.name)
        if known is None or known.keep < buffer.keep:
            found[buffer.name] = buffer
    return tuple(found.values())
