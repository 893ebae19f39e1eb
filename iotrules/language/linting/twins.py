"""Findings between rules: two that watch for the same."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as AnySequence

from iotrules.language.linting.alike import same_text
from iotrules.language.linting.findings import Finding
from iotrules.language.linting.subjects import RuleSubject, raisings
from iotrules.model.rules import Absence, Condition, Ladder
from iotrules.model.sequences import Sequence


def twin_findings(rules: AnySequence[RuleSubject]) -> Iterator[Finding]:
    """L005, at the later of the two. A rule with `dry_run` may try what another one does."""
    first: dict[tuple[object, ...], RuleSubject] = {}
    for subject in rules:
        earlier = first.setdefault(_watched(subject), subject)
        if earlier is not subject:
            twin = f"{earlier.rule.name} ({earlier.written.place})"
            message = f"raises at the same time as {twin}{_difference(earlier, subject)}"
            yield subject.written.finding("L005", message, "keep one, or give them different conditions or for:")


def _watched(subject: RuleSubject) -> tuple[object, ...]:
    """What two rules that fire together have in common."""
    rule = subject.rule
    body: tuple[object, ...]
    match rule.body:
        case Absence(hold=hold):
            body = ("absent", hold)
        case Sequence():
            body = ("sequence", rule.meaning)
        case Condition() | Ladder():
            body = tuple((same_text(raising.when), raising.hold) for raising in raisings(subject))
    keyed = (rule.stream, rule.joined, rule.across, frozenset(rule.by), rule.only_keys)
    return *keyed, rule.dry_run, rule.missing, rule.only, rule.downtime, body


def _difference(one: RuleSubject, other: RuleSubject) -> str:
    """What they differ in."""
    ours, theirs = other.rule, one.rule
    words = []
    if ours.severity is not theirs.severity:
        words.append(f"with severity {ours.severity.word} instead of {theirs.severity.word}")
    others = {
        "steps": ours.steps != theirs.steps,
        "clear": _ends(one) != _ends(other),
        "cooldown": ours.muting.cooldown != theirs.muting.cooldown,
        "flapping": ours.muting.flapping != theirs.muting.flapping,
        "inhibit": ours.muting.inhibit != theirs.muting.inhibit,
        "alert": ours.alert != theirs.alert,
    }
    named = [key for key, different in others.items() if different]
    words += [f"with other {' and '.join(named)}"] if named else []
    return ", but " + " and ".join(words) if words else ", and does the same"


def _ends(subject: RuleSubject) -> object:
    """What ends the alert. Of a sequence that is a part of what makes two the same."""
    return [
        [(None if ending.when is None else same_text(ending.when), ending.hold) for ending in raising.endings]
        for raising in raisings(subject)
    ]
