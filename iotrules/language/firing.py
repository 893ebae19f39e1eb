"""`firing("rule", same=[site])`: the rule that a condition asks for, and that rules don't ask in a circle.

House rule: which labels are compared is settled when the rule is loaded, so it is a part of the rule's meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from iotrules.language.parts import Part
from iotrules.language.quantities import Measure
from iotrules.language.syntax import Call, Listed, Literal, Name, Syntax
from iotrules.language.typed import Checker, Typed
from iotrules.model.expression import Firing, firings
from iotrules.model.rules import FieldType, Rule, conditions_of
from iotrules.yamlfile import nearest, quoted

_USAGE = 'write firing("rule"), or firing("rule", same=[site])'


def check_firing(checker: Checker, syntax: Call) -> Typed:
    """The checked call; what is wrong with it is noted."""
    given = syntax.arguments[0] if len(syntax.arguments) == 1 else None
    if not isinstance(given, Literal) or given.kind != "text":
        return checker.wrong(syntax.start, "firing() takes the name of a rule, as a text in quotes", _USAGE)
    if checker.in_window:
        hint = "windows look over a key's own samples: join it to the window with and"
        return checker.wrong(syntax.start, "firing() inside a window", hint)
    if checker.scope.rules is None:
        hint = "let a rule with from join them: when: firing(…) and …"
        return checker.wrong(syntax.start, "firing() belongs into the conditions of a rule with from", hint)
    for option, value in syntax.options:
        if option != "same":
            checker.wrong(value.start, f"firing() has no argument {quoted(option)}{nearest(option, ['same'])}", _USAGE)
    asked = [value for option, value in syntax.options if option == "same"]
    if len(asked) > 1:
        checker.wrong(asked[1].start, "same is given twice")
    theirs = _labels_of(checker, str(given.value), given.start)
    ours = checker.scope.labels
    same = tuple(_same(checker, asked[0], str(given.value), theirs)) if asked else _shared(ours, theirs)
    node = Firing(str(given.value), same, said=bool(asked))
    return Typed(node, FieldType.FLAG, Measure(), syntax.start, reads=True)


def _shared(ours: tuple[str, ...], theirs: tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(label for label in ours if label in (theirs or ()))


def _labels_of(checker: Checker, name: str, start: int) -> tuple[str, ...] | None:
    """The labels that the rule is kept by; None where nobody knows."""
    known = checker.scope.rules or {}
    if name not in known:
        checker.wrong(start, f"unknown rule {quoted(name)}{nearest(name, known)}", "rules have names under rules:")
    elif name in checker.scope.templates:
        hint = "name a rule that uses it"
        checker.wrong(start, f"{quoted(name)} is a template: it raises nothing itself", hint)
    return known.get(name)


def _same(checker: Checker, given: Syntax, rule: str, theirs: tuple[str, ...] | None) -> Iterator[str]:
    """The labels of `same=[…]`, each of which both rules are kept by."""
    if not isinstance(given, Listed):
        checker.wrong(given.start, "same takes a list of labels", "write same=[site]")
        return
    seen: set[str] = set()
    for item in given.items:
        if not isinstance(item, Name):
            checker.wrong(item.start, "same takes names of labels", "write same=[site]")
        elif item.name in seen:
            checker.wrong(item.start, f"{quoted(item.name)} is here twice")
        elif _fits(checker, item, rule, theirs):
            seen.add(item.name)
            yield item.name


def _fits(checker: Checker, item: Name, rule: str, theirs: tuple[str, ...] | None) -> bool:
    for whose, labels in (("this rule", checker.scope.labels), (rule, theirs)):
        if labels is not None and item.name not in labels:
            hint = f"{whose} is kept by {', '.join(labels) or 'no labels'}"
            message = f"{quoted(item.name)} is no label of {whose}{nearest(item.name, labels)}"
            checker.wrong(item.start, message, hint)
            return False
    return True


def asked_by(rule: Rule) -> frozenset[Firing]:
    """What the rule's conditions ask of other rules."""
    return frozenset[Firing]().union(*(firings(condition) for condition in conditions_of(rule)))


def refuse_circles(parts: Mapping[str, Part], rules: Mapping[str, Rule | None]) -> None:
    """Note every circle of rules that ask for one another's alerts, at the first of them in reading order."""
    asks = {name: sorted({asked.rule for asked in asked_by(rule)}) if rule else [] for name, rule in rules.items()}
    told: set[str] = set()
    for name in asks:
        circle = [] if name in told else _circle(name, asks)
        if circle:
            told.update(circle)
            way = " → ".join((*circle, name))
            message = "a rule can't ask for its own alert" if len(circle) == 1 else "these rules ask for one another"
            parts[name].wrong(f"{message}: {way}", hint="take one firing() out of the circle")


def _circle(name: str, asks: Mapping[str, Iterable[str]]) -> list[str]:
    """The shortest way from a rule over those it asks for back to itself; empty if there is none."""
    ways = [[name]]
    seen: set[str] = set()
    for way in ways:
        following = asks.get(way[-1], ())
        if name in following:
            return way
        ways += [[*way, one] for one in following if one not in seen]
        seen.update(following)
    return []
