"""Findings between rules that fire at the same time and tell a device to do opposite things.

House rule: commands are opposed by their names alone (`fan_on` and `fan_off`), and rules fire together where one value
of the same quantity fulfils both conditions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as AnySequence
from contextlib import suppress
from itertools import combinations, product

from iotrules.language.linting.cases import Case, TooManyCases, View, cases, together
from iotrules.language.linting.findings import Finding
from iotrules.language.linting.subjects import Raising, RuleSubject, raisings
from iotrules.language.linting.values import shown
from iotrules.model.rules import At, CommandStep, Ladder

_PAIRS = (
    ("on", "off"), ("start", "stop"), ("open", "close"), ("enable", "disable"), ("lock", "unlock"), ("up", "down"),
    ("arm", "disarm"), ("engage", "disengage"), ("raise", "lower"), ("increase", "decrease"), ("heat", "cool"),
)  # fmt: skip
_OPPOSITES = frozenset(pair for one, other in _PAIRS for pair in ((one, other), (other, one)))
_WORD = re.compile(r"[A-Za-z0-9]+")
_MOST_RULES = 300
"""Of one stream and key; of more, every pair would take long."""


def opposed_findings(rules: AnySequence[RuleSubject]) -> Iterator[Finding]:
    """L023, at the command of the later of the two."""
    together: dict[tuple[object, ...], list[RuleSubject]] = {}
    for subject in rules:
        rule = subject.rule
        if not rule.dry_run and any(isinstance(step, CommandStep) for step in rule.steps):
            keyed = (rule.stream, rule.joined, rule.across, frozenset(rule.by), rule.only_keys, rule.only)
            together.setdefault(keyed, []).append(subject)
    for group in together.values():
        for earlier, later in combinations(group[:_MOST_RULES], 2):
            yield from _opposed(earlier, later)


def _opposed(earlier: RuleSubject, later: RuleSubject) -> Iterator[Finding]:
    view = View({field.name: field for field in later.stream.fields}, steady=True)
    for (one, _), (other, index) in product(_commands(earlier), _commands(later)):
        if one.to == other.to and are_opposite(one.command, other.command):
            found = _both(_raising(earlier, one), _raising(later, other), view)
            if found:
                values = " and ".join(f"{name} at {shown(values)}" for name, values in found.items())
                where = f"{earlier.rule.name} ({earlier.written.place})"
                message = f"{values} sends {other.command} here, and {one.command} by {where}"
                hint = "have one condition begin where the other ends, or let one rule do both: at firing, at resolved"
                yield later.written.finding("L023", message, hint, "do", index, "command")


def are_opposite(one: str, other: str) -> bool:
    """`fan_on` and `fan_off`: the same words but for one, which is the other's opposite."""
    ours, theirs = _WORD.findall(one.lower()), _WORD.findall(other.lower())
    if len(ours) != len(theirs):
        return False
    different = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    return len(different) == 1 and different[0] in _OPPOSITES


def _commands(subject: RuleSubject) -> Iterator[tuple[CommandStep, int]]:
    """Those sent when the alert begins or rises; one that is resolved does not hold any more."""
    for index, step in enumerate(subject.rule.steps):
        if isinstance(step, CommandStep) and step.at is not At.RESOLVED:
            yield step, index


def _raising(subject: RuleSubject, step: CommandStep) -> Raising | None:
    """What makes the rule run the step: of levels, the one that is named, else the lowest."""
    found, body = list(raisings(subject)), subject.rule.body
    if isinstance(body, Ladder) and not isinstance(step.at, At):
        return found[[rung.severity for rung in body.rungs].index(step.at)]
    return found[0] if found else None


def _both(one: Raising | None, other: Raising | None, view: View) -> Case:
    """What both conditions speak of, with the values at which both hold; nothing if there are none."""
    if one is None or other is None:
        return {}
    with suppress(TooManyCases):
        for ours, theirs in product(cases(one.when, view), cases(other.when, view)):
            shared = ours.keys() & theirs.keys()
            joined = together(ours, theirs)
            if joined is not None and shared:
                return {name: joined[name] for name in sorted(shared)}
    return {}
