"""What holds a rule back, as its author wrote it: `only`, `cooldown`, `flapping`, `inhibit` and `downtime`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel

from iotrules.language.documents import (
    DowntimeDocument,
    FlappingDocument,
    InhibitDocument,
    OpeningDocument,
    RuleDocument,
)
from iotrules.language.parts import Part
from iotrules.language.time_zones import ZONE_HINT, refuse_zone
from iotrules.model.guards import (
    CONTINUE,
    DAYS,
    FLAPPING,
    MINUTES_OF_DAY,
    Downtime,
    Flapping,
    Inhibit,
    Muting,
    OnStop,
    Opening,
    Schedule,
)
from iotrules.model.rules import Rule
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import Scalar, check_node, nearest, node_at, quoted
from iotrules.yamlfile import Sequence as SequenceNode

M = TypeVar("M", bound=BaseModel)

MAX_OPENINGS = 20
MAX_CHANGES = 100
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00", re.ASCII)
_ONLY_HINT = 'write {days: mon-fri, between: ["08:00", "18:00"], zone: Europe/Berlin}'


def read_only(part: Part, document: RuleDocument) -> Schedule:
    """The schedule of `only`; what is wrong with it is noted."""
    if document.only is None:
        return ()
    node = node_at(part.node, ["only"])
    paths: list[tuple[str | int, ...]] = [("only",)]
    if isinstance(node, SequenceNode):
        paths = [("only", index) for index in range(len(node.items))]
        if not 0 < len(paths) <= MAX_OPENINGS:
            part.wrong(f"only has 1 to {MAX_OPENINGS} openings", "only", hint=_ONLY_HINT)
            return ()
    return tuple(opening for path in paths if (opening := _opening(part, path)))


def _opening(part: Part, path: tuple[str | int, ...]) -> Opening | None:
    document = _inner(part, OpeningDocument, path, _ONLY_HINT)
    if document is None:
        return None
    days = _days(part, document.days, (*path, "days"))
    begins, ends = _between(part, document.between, (*path, "between"))
    return Opening(days, begins, ends, _zone(part, document.zone, path))


def _zone(part: Part, given: str | None, path: tuple[str | int, ...]) -> str:
    if given is None:
        if not part.gives(*path, "zone"):
            part.wrong("the schedule names no time zone: whose clock is meant?", *path, hint="say zone: Europe/Berlin")
        return "UTC"
    if refused := refuse_zone(given):
        part.wrong(refused, *path, "zone", hint=ZONE_HINT)
        return "UTC"
    return given


def _days(part: Part, given: str | list[str] | None, path: tuple[str | int, ...]) -> frozenset[int]:
    """The numbers of the days; all where none are given."""
    if given is None:
        return frozenset(range(len(DAYS)))
    found: set[int] = set()
    words = [word.strip() for text in ([given] if isinstance(given, str) else given) for word in text.split(",")]
    if words in ([], [""]):
        part.wrong("days names no day, so it is never open", *path, hint="write mon-fri, or leave days out for all")
    for word in words if words != [""] else ():
        found |= _range_of_days(part, word, path)
    return frozenset(found)


def _range_of_days(part: Part, word: str, path: tuple[str | int, ...]) -> set[int]:
    """`mon`, or `fri-mon`, which goes over the end of the week."""
    ends = [name.strip() for name in word.split("-")]
    for name in ends:
        if name not in DAYS:
            hint = f"days are {', '.join(DAYS)}; write mon-fri, or sat, sun"
            part.wrong(f"unknown day {quoted(name)}{nearest(name, DAYS)}", *path, hint=hint)
            return set()
    if len(ends) > 2:
        part.wrong(f"{quoted(word)} is no range of days", *path, hint="write mon-fri")
        return set()
    first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
    return {(first + step) % len(DAYS) for step in range((last - first) % len(DAYS) + 1)}


def _between(part: Part, given: list[str] | None, path: tuple[str | int, ...]) -> tuple[int, int]:
    """Minutes of the day; the whole day where none are given."""
    if given is None:
        return 0, MINUTES_OF_DAY
    hint = 'write between: ["08:00", "18:00"], with hours from 00 to 24'
    if len(given) != 2:
        part.wrong("between is two times of the day", *path, hint=hint)
        return 0, MINUTES_OF_DAY
    for index, text in enumerate(given):
        if not _CLOCK.fullmatch(text) or (index == 0 and text == "24:00"):
            part.wrong(f"{quoted(text)} is no time of the day", *path, index, hint=hint)
            return 0, MINUTES_OF_DAY
    begins, ends = (int(text[:2]) * 60 + int(text[3:]) for text in given)
    if begins == ends:
        message = f"it opens and closes at {given[0]}, so it is never open"
        part.wrong(message, *path, hint="for the whole day, leave between out")
    return begins, ends


def read_muting(part: Part, document: RuleDocument) -> Muting:
    """What `cooldown`, `flapping` and `inhibit` say; what is wrong with it is noted."""
    cooldown = part.duration(document.cooldown, 0, "cooldown", least=1)
    return Muting(cooldown, _flapping(part, document), _inhibit(part, document))


def _flapping(part: Part, document: RuleDocument) -> Flapping | None:
    if document.flapping is None:
        return FLAPPING
    if document.flapping is False:
        return None
    hint = "write {changes: 6, within: 10m}, or false"
    given = _inner(part, FlappingDocument, ("flapping",), hint)
    if given is None:
        return FLAPPING
    if not 2 <= given.changes <= MAX_CHANGES:
        part.wrong(f"changes is a number from 2 to {MAX_CHANGES}", "flapping", "changes", hint=hint)
    return Flapping(given.changes, part.duration(given.within, FLAPPING.within, "flapping", "within", least=1))


def _inhibit(part: Part, document: RuleDocument) -> Inhibit | None:
    if document.inhibit is None:
        return None
    given = _inner(part, InhibitDocument, ("inhibit",), "write {rules: [OTHER-RULE], same: [site]}")
    if given is None:
        return None
    for key, names in (("rules", given.rules), ("same", given.same)):
        for index, name in enumerate(names):
            if name in names[:index]:
                part.wrong(f"{quoted(name)} is here twice", "inhibit", key, index)
    if not given.rules and part.gives("inhibit", "rules"):
        part.wrong("inhibit names no rule", "inhibit", "rules", hint="name the rules that are muted, or leave it out")
    return Inhibit(tuple(given.rules), tuple(given.same))


def read_downtime(part: Part, document: RuleDocument) -> Downtime:
    """The policy of `downtime`; what is wrong with it is noted."""
    given = document.downtime
    if given is None:
        return CONTINUE
    words = [policy.value for policy in OnStop]
    hint = f"write {', '.join(words[:-1])} or {words[-1]}, or {{policy: pause, max: 1h}}"
    if isinstance(given, str):
        if given not in words:
            part.wrong(f"unknown policy {quoted(given)}{nearest(given, words)}", "downtime", hint=hint)
            return CONTINUE
        return Downtime(OnStop(given))
    found = _inner(part, DowntimeDocument, ("downtime",), hint)
    if found is None:
        return CONTINUE
    longest = None if found.max is None else part.duration(found.max, 0, "downtime", "max", least=1)
    return Downtime(OnStop(found.policy), longest)


def _inner(part: Part, model: type[M], path: tuple[str | int, ...], hint: str) -> M | None:
    """The mapping at `path` as a document."""
    node = node_at(part.node, path)
    if not isinstance(node, MappingNode):
        part.wrong(f"{quoted(str(path[0]))} is a mapping", *path, hint=hint)
        return None
    key = part.key if not isinstance(path[-1], str) else _key(part, path)
    document, problems = check_node(node, model, part.source, at=key)
    part.problems.extend(problems)
    return document


def _key(part: Part, path: tuple[str | int, ...]) -> Scalar:
    node = node_at(part.node, path[:-1])
    entries = node.entries if isinstance(node, MappingNode) else ()
    return next((key for key, _ in entries if key.text == path[-1]), part.key)


def check_inhibitions(parts: Mapping[str, Part], rules: Mapping[str, Rule | None]) -> None:
    """Each `inhibit` against the other rules: they are there, have the labels, and none mutes itself in a circle.

    A rule is None if it is declared but has problems of its own.
    """
    for name, rule in rules.items():
        if rule is not None and rule.muting.inhibit is not None:
            _check_targets(parts[name], rule, rule.muting.inhibit, rules)
    for name in rules:
        circle = _circle(name, rules)
        if circle and name == min(circle):
            way = " → ".join((*circle, name))
            part = parts[name]
            part.wrong(f"these rules inhibit one another: {way}", "inhibit", "rules", hint="take one of them out")


def _check_targets(part: Part, rule: Rule, inhibit: Inhibit, rules: Mapping[str, Rule | None]) -> None:
    for index, label in enumerate(inhibit.same):
        if label not in rule.by:
            hint = f"{rule.name} is kept by {', '.join(rule.by) or 'no labels'}"
            part.wrong(
                f"{quoted(label)} is no label of it{nearest(label, rule.by)}", "inhibit", "same", index, hint=hint
            )
    for index, name in enumerate(inhibit.rules):
        place = ("inhibit", "rules", index)
        if name == rule.name:
            part.wrong("a rule can't inhibit itself", *place, hint="name the rules whose alerts follow from this one")
        elif name not in rules:
            known = [one for one in rules if one != rule.name]
            part.wrong(
                f"unknown rule {quoted(name)}{nearest(name, known)}", *place, hint="rules have names under rules:"
            )
        elif (target := rules[name]) is not None:
            for label in [one for one in inhibit.same if one in rule.by and one not in target.by]:
                hint = f"{name} is kept by {', '.join(target.by) or 'no labels'}"
                part.wrong(f"{name} has no label {quoted(label)} that same could compare", *place, hint=hint)


def _circle(name: str, rules: Mapping[str, Rule | None]) -> list[str]:
    """The shortest way from a rule over those it inhibits back to itself; empty if there is none, or if it is alone."""
    ways: list[list[str]] = [[name]]
    seen: set[str] = set()
    for way in ways:
        rule = rules.get(way[-1])
        targets = rule.muting.inhibit.rules if rule and rule.muting.inhibit else ()
        if name in targets and len(way) > 1:
            return way
        ways += [[*way, target] for target in targets if target not in seen and target != name]
        seen.update(targets)
    return []
