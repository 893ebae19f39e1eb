"""Findings in what holds a rule back: muting where nobody is notified, and guards that never hold anything back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from iotrules.language.linting.findings import Finding
from iotrules.language.linting.subjects import RuleSubject
from iotrules.model.guards import CONTINUE
from iotrules.model.rules import NO_HOLD, Absence, Ladder, Rule, rungs_of
from iotrules.yamlfile import node_at


def muting_findings(subjects: Sequence[RuleSubject]) -> Iterator[Finding]:
    """L011."""
    silent = {subject.rule.name for subject in subjects if not subject.rule.alert}
    for subject in subjects:
        yield from _muted_silence(subject)
        inhibit = subject.rule.muting.inhibit
        for index, name in enumerate(inhibit.rules if inhibit else ()):
            if name in silent:
                message = f"{name} raises no alert (alert: false), so there is nothing to mute"
                yield subject.written.finding("L011", message, "leave it out", "inhibit", "rules", index)


def _muted_silence(subject: RuleSubject) -> Iterator[Finding]:
    for key in ("cooldown", "flapping"):
        if not subject.rule.alert and node_at(subject.written.node, [key]) is not None:
            message = f"the rule raises no alert (alert: false), so {key} mutes nothing; its steps run nonetheless"
            yield subject.written.finding("L011", message, f"leave {key} out, or let it raise an alert", key)


def guard_findings(subject: RuleSubject) -> Iterator[Finding]:
    """L012."""
    if any(opening.always for opening in subject.rule.only):
        message = "only is open all day on all days, so it holds nothing back"
        yield subject.written.finding("L012", message, "name the days or times, or leave it out", "only")
    if subject.rule.downtime != CONTINUE and not _holds(subject.rule):
        message = "nothing in the rule has a for, so a stop changes nothing and downtime says nothing"
        yield subject.written.finding("L012", message, "leave downtime out, or say for", "downtime")


def _holds(rule: Rule) -> bool:
    if isinstance(rule.body, Absence):
        return True
    holds = [hold for rung in rungs_of(rule) for hold in (rung.condition.hold, rung.condition.clear.hold)]
    if isinstance(rule.body, Ladder) and rule.body.clear is not None:
        holds.append(rule.body.clear.hold)
    return any(hold != NO_HOLD for hold in holds)
