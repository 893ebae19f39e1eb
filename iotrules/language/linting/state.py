"""How much memory a rule keeps for each key: an estimate from its windows and the stream's declared interval."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil

from iotrules.language.members import MOST_MEMBERS
from iotrules.language.unparse import unparse
from iotrules.model.expression import Clock, Expression, Lag, Members, Outlier, Window, windows
from iotrules.model.rules import Ladder, Rule, RuleSet, Stream, rungs_of
from iotrules.model.times import duration_words

BYTES_OF_A_KEY = 3_000
"""Of a stream, whatever the number of rules that look at it: its newest values, its clock, what tells repeats."""

BYTES_OF_A_RULE = 15
BYTES_WHILE_ACTIVE = 1_000
"""Of a rule and key that is pending or firing."""

BYTES_OF_A_WINDOW = 1_000
BYTES_OF_A_SAMPLE = 34
"""As CPython 3.11 holds them: a time, a value and one sum, and half as many again that have left already."""


@dataclass(frozen=True, slots=True)
class WindowEstimate:
    """`bound`: the stream declares no interval, or there would be more samples than a window holds."""

    text: str
    samples: int
    bound: bool

    @property
    def bytes(self) -> int:
        return BYTES_OF_A_WINDOW + self.samples * BYTES_OF_A_SAMPLE


@dataclass(frozen=True, slots=True)
class StateEstimate:
    """Of one rule and key. Rules with the same `by` share equal windows, so together they need less.

    `sharing` rules of the stream are kept by the same labels, this one among them: each bears its part of the key.
    """

    rule: str
    stream: str
    by: tuple[str, ...]
    windows: tuple[WindowEstimate, ...]
    sharing: int = 1

    @property
    def bytes(self) -> int:
        """While the rule is neither pending nor firing for the key."""
        return BYTES_OF_A_KEY // self.sharing + BYTES_OF_A_RULE + sum(window.bytes for window in self.windows)


def estimate_state(rules: RuleSet, most_samples: int) -> list[StateEstimate]:
    """For every rule, in reading order; a window holds `most_samples` at most, or what its stream says."""
    sharing = Counter(_key(rule) for rule in rules.rules.values())
    return [
        _estimate(rule, rules.streams[rule.stream], most_samples, sharing[_key(rule)]) for rule in rules.rules.values()
    ]


def _key(rule: Rule) -> tuple[object, ...]:
    """What rules that share the state of a key have in common."""
    return rule.stream, rule.joined, rule.by, rule.across


def _estimate(rule: Rule, stream: Stream, most: int, sharing: int) -> StateEstimate:
    found = {}
    for window in (window for node in _conditions(rule) for window in windows(node)):
        estimate = _window(window, stream.interval, most if stream.max_samples is None else stream.max_samples)
        if estimate.samples:
            found[estimate.text] = estimate
    return StateEstimate(rule.name, stream.name, rule.by, tuple(found.values()), sharing)


def _conditions(rule: Rule) -> list[Expression]:
    """All that the rule evaluates."""
    clears = [rung.condition.clear for rung in rungs_of(rule)]
    if isinstance(rule.body, Ladder) and rule.body.clear is not None:
        clears.append(rule.body.clear)
    ends = [clear.when for clear in clears if clear.when is not None]
    return [*(rung.condition.when for rung in rungs_of(rule)), *ends]


def _window(window: Window, interval: int | None, most: int) -> WindowEstimate:
    """Aggregates over the same argument and duration share their samples."""
    argument = unparse(window.argument)
    if isinstance(window.kind, Clock):
        return WindowEstimate(window.kind.value, 0, False)
    if isinstance(window.kind, Members):
        return WindowEstimate(f"{argument}, members", min(MOST_MEMBERS, most), True)
    if isinstance(window.kind, Outlier):
        return WindowEstimate(f"outlier({argument})", 1, False)
    if not window.duration:
        steps = window.kind.steps if isinstance(window.kind, Lag) else 1
        return WindowEstimate(f"{window.kind.value}({argument})", steps, False)
    samples = ceil(window.duration / interval) if interval else most
    return WindowEstimate(f"{argument}, {duration_words(window.duration)}", min(samples, most), samples >= most)
