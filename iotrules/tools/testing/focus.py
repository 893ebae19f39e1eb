"""What has to be played of a case where one rule has changed: that rule, and what depends on it.

House rule: what is left out does as it did before the change, when the case held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from iotrules.model.expression import Expression, firings, states
from iotrules.model.rules import InvokeStep, PublishStep, Rule, RuleSet, conditions_of
from iotrules.model.sequences import Sequence
from iotrules.tools.testing.cases import Case, StateExpected


def narrowed(case: Case, rules: RuleSet, changed: str) -> Case:
    """The case, about those of its rules whose alerts can be others where `changed` is another rule.

    If any of the others sends commands or calls functions, they are counted together, and the case stays as it is.
    """
    touched = {name for name in case.about if name in rules.rules and changed in _closure(rules, [name])}
    others = (rules.rules[name] for name in case.about - touched if name in rules.rules)
    if any(not isinstance(step, PublishStep) for rule in others for step in rule.steps):
        return case
    expected = tuple(
        one for one in case.expected if not isinstance(one, StateExpected) or one.rule.partition("/")[0] in touched
    )
    return replace(case, about=frozenset(touched), expected=expected)


def focused(rules: RuleSet, case: Case) -> RuleSet:
    """The rules that decide what the case is about, and the streams that they watch or that it sends messages of."""
    wanted = _closure(rules, case.about)
    kept = {name: rule for name, rule in rules.rules.items() if name in wanted}
    watched = {name for rule in kept.values() for name in _streams(rule)}
    topics = {sent.topic for sent in case.sent}
    streams = {
        name: stream
        for name, stream in rules.streams.items()
        if name in watched or any(stream.topic.match(topic) is not None for topic in topics)
    }
    return replace(rules, rules=kept, streams=streams)


def _streams(rule: Rule) -> Iterable[str]:
    if isinstance(rule.body, Sequence):
        return [pattern.stream for pattern in rule.body.patterns]
    return [rule.stream, *rule.joined]


def _closure(rules: RuleSet, names: Iterable[str]) -> Mapping[str, None]:
    """These rules and all that can change what they do.

    One depends on the rules that it asks for, on those that mute it, and, where it reads what functions remember, on
    all that call one.
    """
    wanted: dict[str, None] = {}
    waiting = [name for name in names if name in rules.rules]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted[name] = None
            waiting += [other for other in _depends_on(rules.rules[name], rules) if other in rules.rules]
    return wanted


def _depends_on(rule: Rule, rules: RuleSet) -> Iterator[str]:
    conditions = list(_conditions(rule))
    yield from (asked.rule for condition in conditions for asked in firings(condition))
    yield from (
        other.name
        for other in rules.rules.values()
        if other.muting.inhibit is not None and rule.name in other.muting.inhibit.rules
    )
    if any(states(condition) for condition in conditions):
        yield from (
            other.name for other in rules.rules.values() if any(isinstance(step, InvokeStep) for step in other.steps)
        )


def _conditions(rule: Rule) -> Iterable[Expression]:
    if isinstance(rule.body, Sequence):
        return (pattern.when for pattern in rule.body.patterns if pattern.when is not None)
    return conditions_of(rule)
