"""Two rule sets, rule by rule: what was added, removed, changed in meaning, in what it does, or in words only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Literal, TypeAlias

from iotrules.language.meaning import differ_in_parts, some_raise_alike
from iotrules.language.unparse import unparse
from iotrules.model.expression import Expression
from iotrules.model.expression import fields as fields_read
from iotrules.model.rules import Absence, Clear, Condition, Hold, Ladder, Rule, RuleSet, Stream, Template, rungs_of
from iotrules.model.sequences import Sequence, sequence_text
from iotrules.model.times import duration_words

Kind: TypeAlias = Literal["added", "removed", "meaning", "part", "action", "words"]

_WORDS = frozenset({"summary", "labels", "description", "runbook", "severity"})
_NOT_COMPARED = frozenset({"name", "location", "meaning", "parts", "body"})
_KEYS = {"stream": "from", "steps": "do"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of a rule: the key as it stands in rule files, and what it was and is (empty: nothing, or not shown)."""

    part: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.part}: {self.before or 'nothing'} → {self.after or 'nothing'}" if self._shown else self.part

    @property
    def _shown(self) -> bool:
        return bool(self.before or self.after)


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
        elif change := _change(old, new, before.streams[old.stream], after.streams[new.stream]):
            found.append(change)
    return tuple(found)


def _change(old: Rule, new: Rule, before: Stream, after: Stream) -> RuleChange | None:
    plain = tuple(_plain(old, new))
    parts = (*_body(old, new), *plain)
    if old.meaning != new.meaning:
        kind: Kind = "part" if differ_in_parts(old, new) and some_raise_alike(old, new) else "meaning"
        return RuleChange(old.name, kind, (*parts, *_streams(old, new, before, after)))
    if not parts:
        return None
    keys = {field.name for field in fields(Rule) if getattr(old, field.name) != getattr(new, field.name)}
    only_words = keys <= _WORDS | _NOT_COMPARED
    return RuleChange(old.name, "words" if only_words else "action", parts)


def _plain(old: Rule, new: Rule) -> Iterator[Difference]:
    """All that is not the condition."""
    for field in fields(Rule):
        was, is_ = getattr(old, field.name), getattr(new, field.name)
        if field.name not in _NOT_COMPARED and was != is_:
            yield Difference(_KEYS.get(field.name, field.name), _value(was), _value(is_))


def _value(value: Any) -> str:
    """Simple values as they are written; of all else it is enough to know that it changed."""
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return value.name.lower()
        case int():
            return duration_words(value)
        case str() if len(value) <= 80:
            return value
        case Template(parts):
            return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in parts)[:200]
        case tuple() if value and all(isinstance(one, str) for one in value):
            return f"[{', '.join(value)}]"
    return ""


def _body(old: Rule, new: Rule) -> Iterator[Difference]:
    match old.body, new.body:
        case Condition() as was, Condition() as is_:
            yield from _condition("", was, is_)
        case Ladder() as was, Ladder() as is_:
            yield from _ladder(was, is_)
        case Absence() as was, Absence() as is_:
            yield from _different("for", _hold(was.hold), _hold(is_.hold))
            yield from _different("expect", _seen(was), _seen(is_))
        case Sequence() as was, Sequence() as is_:
            yield from _different("sequence", sequence_text(was), sequence_text(is_))
        case was, is_:
            yield Difference("when", _kind(was), _kind(is_))


_KINDS = {"Condition": "a condition", "Ladder": "levels", "Absence": "silence", "Sequence": "a sequence"}


def _kind(body: object) -> str:
    return {"Condition": "a condition", "Ladder": "levels", "Absence": "silence", "Sequence": "a sequence"}.get(
        type(body).__name__, ""
    )


def _ladder(was: Ladder, is_: Ladder) -> Iterator[Difference]:
    old = {rung.severity: rung.condition for rung in was.rungs}
    new = {rung.severity: rung.condition for rung in is_.rungs}
    for severity in sorted(old.keys() | new.keys()):
        prefix = f"levels.{severity.word}"
        if severity in old and severity in new:
            yield from _condition(f"{prefix}.", old[severity], new[severity])
        else:
            yield Difference(prefix, *(one[severity].text if severity in one else "" for one in (old, new)))
    yield from _different("clear", _clear(was.clear), _clear(is_.clear))


def _condition(prefix: str, was: Condition, is_: Condition) -> Iterator[Difference]:
    if was.when != is_.when:
        yield Difference(f"{prefix}when", _written(was.when), _written(is_.when))
    yield from _different(f"{prefix}for", _hold(was.hold), _hold(is_.hold))
    yield from _different(f"{prefix}clear", _clear(was.clear), _clear(is_.clear))


def _different(part: str, was: str, is_: str) -> Iterator[Difference]:
    if was != is_:
        yield Difference(part, was, is_)


def _clear(clear: Clear | None) -> str:
    if clear is None:
        return ""
    when = "" if clear.when is None else _written(clear.when)
    hold = _hold(clear.hold)
    return f"{when or 'the condition is false'} for {hold}" if hold else when


def _written(node: Expression) -> str:
    text = unparse(node)
    return text if len(text) <= 200 else text[:199] + "…"


def _hold(hold: Hold) -> str:
    if hold.intervals is not None:
        return f"{hold.intervals:g} * interval"
    return duration_words(hold.nanoseconds) if hold.nanoseconds else ""


def _seen(body: Absence) -> str:
    return f"seen_within {duration_words(body.seen_within)}"


def _streams(old: Rule, new: Rule, before: Stream, after: Stream) -> Iterator[Difference]:
    """What of the stream the rule depends on is another."""
    if before.name != after.name:
        return
    yield from _different(f"stream {after.name}: topic", before.topic.text, after.topic.text)
    if before.time != after.time:
        yield Difference(f"stream {after.name}: time")
    yield from _different(f"stream {after.name}: interval", _interval(before), _interval(after))
    for key in ("partial", "fresh", "max_samples", "max_gap", "every"):
        if getattr(before, key) != getattr(after, key):
            yield Difference(f"stream {after.name}: {key}")
    changed = {field.name for field in set(before.fields) ^ set(after.fields)}
    for name in sorted(changed & (_read(old) | _read(new))):
        yield Difference(f"stream {after.name}: field {name}")


def _interval(stream: Stream) -> str:
    return "" if stream.interval is None else duration_words(stream.interval)


def _read(rule: Rule) -> frozenset[str]:
    conditions = [rung.condition for rung in rungs_of(rule)]
    nodes = [one.when for one in conditions] + [one.clear.when for one in conditions if one.clear.when is not None]
    if isinstance(rule.body, Ladder) and rule.body.clear is not None and rule.body.clear.when is not None:
        nodes.append(rule.body.clear.when)
    return frozenset().union(*(fields_read(node) for node in nodes))
