"""`expect:` of a case: each item by the key that tells its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from iotrules.language.parts import Part
from iotrules.model.decisions import AlertState, Key
from iotrules.model.rules import (
    CommandStep,
    Ladder,
    PublishStep,
    Rule,
    RuleSet,
    Severity,
    failed_name,
    held_name,
    overflow_name,
    rungs_of,
)
from iotrules.tools.testing.cases import (
    Count,
    CountsExpected,
    Expected,
    NoAlertsExpected,
    NothingMoreExpected,
    StateExpected,
)
from iotrules.tools.testing.documents import (
    AlertsDocument,
    CommandsDocument,
    InvocationsDocument,
    NothingMoreDocument,
    StateDocument,
)
from iotrules.tools.testing.messages import check_key, part_of
from iotrules.yamlfile import entry, nearest, node_at, quoted

Reader: TypeAlias = Callable[[Part, RuleSet, Mapping[str, str]], Expected | None]


def read_expected(case: Part, rules: RuleSet, key: Mapping[str, str]) -> tuple[Expected, ...]:
    """All that a case expects; what is wrong with it is noted in the case's problems."""
    node = node_at(case.node, ["expect"])
    parts = [part_of(case.source, "expect", item, case.problems) for item in getattr(node, "items", ())]
    return tuple(found for part in parts if (found := _read(part, rules, key)))


def last_instant(expected: tuple[Expected, ...]) -> int:
    """The latest instant at which one looks."""
    return max((one.at for one in expected if isinstance(one, StateExpected)), default=0)


def rules_named(expected: tuple[Expected, ...]) -> frozenset[str]:
    """The rules whose alerts a case looks at."""
    return frozenset(one.rule.partition("/")[0] for one in expected if isinstance(one, StateExpected))


def _read(part: Part, rules: RuleSet, key: Mapping[str, str]) -> Expected | None:
    for name, reader in _READERS.items():
        if entry(part.node, name):
            return reader(part, rules, key)
    part.wrong(
        "an expectation has one of the keys " + ", ".join(_READERS), hint="as in {at: 2m, rule: NAME, state: firing}"
    )
    return None


def _state(part: Part, rules: RuleSet, key: Mapping[str, str]) -> StateExpected | None:
    document = part.document(StateDocument)
    if document is None:
        return None
    names = _alert_names(rules)
    rule = names.get(document.rule)
    if rule is None:
        part.wrong(f"there is no rule {quoted(document.rule)}{nearest(document.rule, names)}", "rule")
        return None
    check_key(part, document.key, rules, "key")
    labels = dict(key) | document.key
    by = _by(document.rule, rule, rules)
    lacking = [name for name in by if name not in labels]
    if lacking:
        part.wrong(f"the key has no {', '.join(lacking)}", hint=f"{document.rule} is kept by {', '.join(by)}")
    severity, level = (Severity[word.upper()] if word else None for word in (document.severity, document.level))
    if level is not None and level not in (known := {rung.severity for rung in rungs_of(rule)} or {rule.severity}):
        part.wrong(f"{rule.name} has no level {level.word}", "level", hint=f"it has {_words(known)}")
    if level is not None and document.muted is not None:
        part.wrong("muted is of the alert, not of one of its levels", "muted", hint="leave level out")
    return StateExpected(
        place=part.key.place,
        at=part.duration(document.at, 0, "at"),
        rule=document.rule,
        key=Key(tuple((name, labels.get(name, "")) for name in by)),
        state=AlertState(document.state),
        severity=severity,
        level=level if isinstance(rule.body, Ladder) and document.rule == rule.name else None,
        held=None if document.held is None else part.duration(document.held, 0, "held"),
        because=document.because,
        summary=document.summary,
        muted=document.muted,
    )


def _alert_names(rules: RuleSet) -> dict[str, Rule]:
    """What alerts can be called: rules, `RULE/failed` and `RULE/overflow`, `RULE/held` for those with a guard."""
    guarded = {
        held_name(rule.name): rule
        for rule in rules.rules.values()
        if any(not isinstance(step, PublishStep) and step.guard for step in rule.steps)
    }
    own = {name(rule.name): rule for rule in rules.rules.values() for name in (failed_name, overflow_name)}
    return dict(rules.rules) | guarded | own


def _by(alert: str, rule: Rule, rules: RuleSet) -> tuple[str, ...]:
    """The labels that an alert is kept by; none where it is about the rule itself."""
    if alert == held_name(rule.name):
        return _held_by(rule, rules)
    return rule.by if alert == rule.name else ()


def _held_by(rule: Rule, rules: RuleSet) -> tuple[str, ...]:
    """The labels of the devices that the rule commands."""
    elsewhere = any(isinstance(step, CommandStep) and step.to for step in rule.steps)
    return rules.commands.topic.captures if elsewhere and rules.commands else rule.by


def _words(severities: Iterable[Severity]) -> str:
    return ", ".join(severity.word for severity in sorted(severities))


def _commands(part: Part, rules: RuleSet, key: Mapping[str, str]) -> CountsExpected | None:
    document = part.document(CommandsDocument)
    if document is None:
        return None
    given = () if document.commands == "none" else document.commands
    counts = tuple(Count(one.name, one.times, one.outcome, one.state) for one in given if not isinstance(one, str))
    return CountsExpected(part.key.place, "commands", counts)


def _invocations(part: Part, rules: RuleSet, key: Mapping[str, str]) -> CountsExpected | None:
    document = part.document(InvocationsDocument)
    if document is None:
        return None
    given = () if document.invocations == "none" else document.invocations
    counts = tuple(Count(one.function, one.times) for one in given if not isinstance(one, str))
    return CountsExpected(part.key.place, "invocations", counts)


def _alerts(part: Part, rules: RuleSet, key: Mapping[str, str]) -> NoAlertsExpected | None:
    return NoAlertsExpected(part.key.place) if part.document(AlertsDocument) else None


def _nothing_more(part: Part, rules: RuleSet, key: Mapping[str, str]) -> NothingMoreExpected | None:
    return NothingMoreExpected(part.key.place) if part.document(NothingMoreDocument) else None


_READERS: dict[str, Reader] = {
    "rule": _state,
    "commands": _commands,
    "invocations": _invocations,
    "alerts": _alerts,
    "nothing_more": _nothing_more,
}
