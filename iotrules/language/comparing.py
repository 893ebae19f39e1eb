"""Two rule sets, rule by rule: what was added, removed, changed in meaning, in what it does, or in words only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from iotrules.language.attributes import registry_read
from iotrules.language.differences import (
    Difference,
    different,
    different_members,
    different_steps,
    different_streams,
    different_whens,
)
from iotrules.language.meaning import differ_in_parts, some_raise_alike
from iotrules.language.unparse import unparse
from iotrules.language.written import (
    downtime_text,
    flapping_text,
    inhibit_text,
    labels_text,
    only_keys_text,
    opening_text,
    same_text,
    template_text,
)
from iotrules.model.expression import Window, windows
from iotrules.model.expression import fields as fields_read
from iotrules.model.guards import Muting
from iotrules.model.rules import Absence, Clear, Condition, Hold, Ladder, Rule, RuleSet, conditions_of, rungs_of
from iotrules.model.sequences import EventPattern, Forbidden, Sequence, sequence_text
from iotrules.model.times import duration_words

Kind: TypeAlias = Literal["added", "removed", "meaning", "part", "action", "words"]

_WORDS = frozenset({"summary", "labels", "description", "runbook", "severity"})
_NOT_COMPARED = frozenset({"name", "location", "meaning", "parts", "body"})


@dataclass(frozen=True, slots=True)
class RuleChange:
    """`meaning` begins the rule's state anew, `part` that of some of its levels or clears; `action` (what it does) and
    `words` keep it.
    """

    rule: str
    kind: Kind
    differences: tuple[Difference, ...] = ()


def compare(before: RuleSet, after: RuleSet) -> tuple[RuleChange, ...]:
    """The rules that are not as they were, by name."""
    found = []
    for name in sorted(before.rules.keys() | after.rules.keys()):
        old, new = before.rules.get(name), after.rules.get(name)
        if old is None or new is None:
            found.append(RuleChange(name, "added" if old is None else "removed"))
        elif change := _change(old, new, before, after):
            found.append(change)
    return tuple(found)


def _change(old: Rule, new: Rule, before: RuleSet, after: RuleSet) -> RuleChange | None:
    parts = (*_body(old, new), *_members(old, new), *_plain(old, new))
    if old.meaning != new.meaning:
        around = (*_streams(old, new, before, after), *_attributes(old, new, before, after))
        kind: Kind = "part" if differ_in_parts(old, new) and some_raise_alike(old, new) else "meaning"
        return RuleChange(old.name, kind, (*parts, *around))
    if not parts:
        return None
    keys = {field.name for field in fields(Rule) if getattr(old, field.name) != getattr(new, field.name)}
    only_words = keys <= _WORDS | _NOT_COMPARED
    return RuleChange(old.name, "words" if only_words else "action", parts)


def _plain(old: Rule, new: Rule) -> Iterator[Difference]:
    """All that is not the condition."""
    was, is_ = _keys(old), _keys(new)
    for key in dict.fromkeys((*was, *is_)):
        yield from different(key, was.get(key, ""), is_.get(key, ""))
    yield from different_steps(old.steps, new.steps)


def _keys(rule: Rule) -> dict[str, str]:
    """The keys of a rule beside its condition and its steps, each as text."""
    return {
        **_from(rule),
        "by": f"[{', '.join(rule.by)}]",
        "across": rule.across,
        "only": ", ".join(opening_text(one) for one in rule.only),
        "only_keys": only_keys_text(rule.only_keys),
        "missing": rule.missing.value,
        "downtime": downtime_text(rule.downtime),
        "max_gap": "" if rule.max_gap is None else duration_words(rule.max_gap),
        "every": "" if rule.every is None else duration_words(rule.every),
        "severity": rule.severity.word,
        "labels": labels_text(rule.labels),
        "summary": template_text(rule.summary),
        "description": rule.description,
        "runbook": rule.runbook,
        "alert": "true" if rule.alert else "false",
        "dry_run": "true" if rule.dry_run else "false",
        **_muting(rule.muting),
    }


def _from(rule: Rule) -> dict[str, str]:
    """A sequence says of each step where it comes from."""
    if isinstance(rule.body, Sequence):
        return {}
    key = "absent" if isinstance(rule.body, Absence) else "from"
    return {key: same_text(rule.joined) or rule.stream}


def _muting(muting: Muting) -> dict[str, str]:
    return {
        "cooldown": duration_words(muting.cooldown) if muting.cooldown else "",
        "flapping": flapping_text(muting.flapping),
        "inhibit": inhibit_text(muting.inhibit),
    }


def _body(old: Rule, new: Rule) -> Iterator[Difference]:
    match old.body, new.body:
        case Condition() as was, Condition() as is_:
            yield from _condition("", was, is_)
        case Ladder() as was, Ladder() as is_:
            yield from _ladder(was, is_)
        case Absence() as was, Absence() as is_:
            yield from different("for", _hold(was.hold), _hold(is_.hold))
            yield from different("expect", _seen(was), _seen(is_))
        case Sequence() as was, Sequence() as is_:
            yield from _sequence(was, is_)
        case was, is_:
            yield Difference("when", _kind(was), _kind(is_))


def _kind(body: object) -> str:
    return {"Condition": "a condition", "Ladder": "levels", "Absence": "silence", "Sequence": "a sequence"}.get(
        type(body).__name__, ""
    )


def _sequence(was: Sequence, is_: Sequence) -> Iterator[Difference]:
    yield from different("sequence", sequence_text(was), sequence_text(is_))
    yield from different("sequence: names of steps", *(_step_names(one) for one in (was, is_)))
    for old, new in zip(was.without, is_.without, strict=False):
        yield from different(f"sequence: without {new.pattern.text}, before", _looks_back(old), _looks_back(new))
    yield from different("matching", was.matching.value, is_.matching.value)
    yield from different("clear", *(_pattern(one.clear) for one in (was, is_)))
    pairs = zip(was.patterns, is_.patterns, strict=False)
    for before, after in ((old, new) for old, new in pairs if old.text == new.text and old.when and new.when):
        if before.when is not None and after.when is not None:
            yield from different_whens(f"sequence: {after.text}", before.when, after.when)


def _step_names(sequence: Sequence) -> str:
    return same_text(tuple(step.name for step in sequence.steps if step.name))


def _looks_back(one: Forbidden) -> str:
    return "" if one.before is None else duration_words(one.before)


def _pattern(pattern: EventPattern | None) -> str:
    return "" if pattern is None else pattern.text


def _ladder(was: Ladder, is_: Ladder) -> Iterator[Difference]:
    old = {rung.severity: rung.condition for rung in was.rungs}
    new = {rung.severity: rung.condition for rung in is_.rungs}
    for severity in sorted(old.keys() | new.keys()):
        prefix = f"levels.{severity.word}"
        if severity in old and severity in new:
            yield from _condition(f"{prefix}.", old[severity], new[severity])
        else:
            yield Difference(prefix, *(one[severity].text if severity in one else "" for one in (old, new)))
    yield from _cleared("clear", was.clear, is_.clear)


def _cleared(part: str, was: Clear | None, is_: Clear | None) -> Iterator[Difference]:
    if was and is_ and was.when and is_.when and (before := _clear(was)) == _clear(is_):
        yield from different_whens(f"{part}: {before}", was.when, is_.when)
    else:
        yield from different(part, _clear(was), _clear(is_))


def _condition(prefix: str, was: Condition, is_: Condition) -> Iterator[Difference]:
    yield from different_whens(f"{prefix}when", was.when, is_.when)
    yield from different(f"{prefix}for", _hold(was.hold), _hold(is_.hold))
    yield from _cleared(f"{prefix}clear", was.clear, is_.clear)


def _clear(clear: Clear | None) -> str:
    if clear is None:
        return ""
    when = "" if clear.when is None else unparse(clear.when)
    hold = _hold(clear.hold)
    return f"{when or 'the condition is false'} for {hold}" if hold else when


def _hold(hold: Hold) -> str:
    if hold.intervals is not None:
        return f"{hold.intervals:g} * interval"
    return duration_words(hold.nanoseconds) if hold.nanoseconds else ""


def _seen(body: Absence) -> str:
    seen = f"seen_within {duration_words(body.seen_within)}"
    return f"those of the registry, and {seen}" if body.registered else seen


def _members(old: Rule, new: Rule) -> Iterator[Difference]:
    yield from different_members(_windows(old), _windows(new))


def _windows(rule: Rule) -> list[Window]:
    return [window for node in conditions_of(rule) for window in windows(node)]


def _streams(old: Rule, new: Rule, before: RuleSet, after: RuleSet) -> Iterator[Difference]:
    """What of the streams the rule depends on is another."""
    was, is_ = _read(old), _read(new)
    pace = bool(rungs_of(old) or rungs_of(new))
    for name in dict.fromkeys((*was, *is_)):
        if name in was and name in is_:
            read = was[name] | is_[name]
            yield from different_streams(before.streams[name], after.streams[name], read, pace=pace)


def _read(rule: Rule) -> dict[str, frozenset[str]]:
    """Stream → those of its fields that the rule decides by."""
    if isinstance(rule.body, Sequence):
        return _read_by_steps(rule.body)
    read = frozenset[str]().union(*(fields_read(node) for node in conditions_of(rule)))
    others = {
        name: {one.removeprefix(f"{name}.") for one in read if one.startswith(f"{name}.")} for name in rule.joined
    }
    own = frozenset(name for name in read if "." not in name)
    return {name: frozenset(found) for name, found in others.items()} | {rule.stream: own}


def _read_by_steps(body: Sequence) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {pattern.stream: frozenset() for pattern in body.patterns}
    for pattern in body.patterns:
        found[pattern.stream] |= fields_read(pattern.when) if pattern.when else frozenset()
    for step in body.steps:
        found[step.pattern.stream] |= body.read_later(step)
    return found


def _attributes(old: Rule, new: Rule, before: RuleSet, after: RuleSet) -> Iterator[Difference]:
    """What the registry's attributes that it reads are."""
    was = {name: rest for name, *rest in registry_read(old.body, before.registry)}
    is_ = {name: rest for name, *rest in registry_read(new.body, after.registry)}
    for name in sorted(was.keys() & is_.keys()):
        yield from different(f"registry: attr.{name}", _attribute(was[name]), _attribute(is_[name]))


def _attribute(found: list[Any]) -> str:
    type_, unit = found
    return f"{type_} in {unit}" if unit else str(type_)
