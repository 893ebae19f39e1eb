"""`rules:` of rule files: a document and its stream to a checked rule."""

from __future__ import annotations

import re
from collections.abc import Sequence as AnySequence
from dataclasses import replace

from iotrules.language.attributes import is_registered
from iotrules.language.checking import check_condition
from iotrules.language.documents import ClearDocument, LevelDocument, RuleDocument
from iotrules.language.guards import read_downtime, read_muting, read_only
from iotrules.language.joins import need_by, read_streams, shared_captures
from iotrules.language.meaning import meaning, of_keys, sequence_meaning
from iotrules.language.members import check_across, read_voting, refuse_without_across
from iotrules.language.only_keys import read_only_keys
from iotrules.language.pace import read_pace
from iotrules.language.parser import parse_syntax
from iotrules.language.parts import Part
from iotrules.language.sequences import Watched, has_sequence, read_sequence
from iotrules.language.steps import Wiring, build_steps
from iotrules.language.summaries import default_summary, read_summary
from iotrules.language.surroundings import Surroundings
from iotrules.language.syntax import ExpressionError
from iotrules.language.typed import Scope
from iotrules.language.unparse import unparse
from iotrules.model.expression import Expression
from iotrules.model.guards import Guards
from iotrules.model.rules import (
    NO_HOLD,
    Absence,
    Clear,
    Condition,
    Hold,
    Ladder,
    Missing,
    OnlyKeys,
    Rule,
    Rung,
    Severity,
    Step,
    Stream,
    holds_of,
    joined_stream,
)
from iotrules.model.sequences import Sequence
from iotrules.model.times import DAY
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import check_node, nearest, node_at, quoted

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
_SEEN_WITHIN = 7 * DAY
_ONLY_WITH_CONDITION = ("when", "clear", "missing", "levels", "max_gap", "every")
_ONLY_WITHOUT_LEVELS = ("when", "for", "severity")


def build_rule(part: Part, around: Surroundings) -> Rule | None:
    """The rule, or None with its problems noted."""
    before = len(part.problems)
    if not _NAME.fullmatch(part.name):
        part.wrong("a rule's name is letters, digits, _ . - and begins with a letter or digit, at most 100 long")
    document = part.document(RuleDocument)
    if document is None:
        return None
    rule = _rule(part, document, around)
    return rule if len(part.problems) == before else None


def _rule(part: Part, document: RuleDocument, around: Surroundings) -> Rule | None:
    if has_sequence(part):
        return _sequence_rule(part, document, around)
    streams = _streams(part, document, around)
    stream = joined_stream(streams) if streams else None
    by = _by(part, document, streams)
    refuse_without_across(part, document, joins=isinstance(document.from_, list) and len(document.from_) > 1)
    scope = _scope(part, streams, by, around) if streams else None
    if document.across is not None and stream is not None and scope is not None:
        scope = _looking_across(part, document, stream, scope)
    body = _body(part, document, scope)
    if isinstance(body, Absence) and stream is not None:
        body = replace(body, registered=document.expect is None and is_registered(around.registry, stream, by))
    readable = replace(scope, fields={}) if scope and document.absent is not None else scope
    steps = build_steps(part, len(document.do), Wiring(around.commands, around.commands_declared, readable))
    only_keys = read_only_keys(part, document.only_keys, by if stream else None)
    pace = read_pace(part, document.max_gap, document.every)
    if stream is None or readable is None or body is None:
        return None
    across = scope.voting.across if scope and scope.voting else ""
    if across and stream.interval is None and any(hold.intervals is not None for hold in holds_of(body)):
        part.wrong("a hold in intervals needs a stream that says its interval", "across", hint="write for: 1m")
    joined = streams if len(streams) > 1 else []
    guards = _guards(part, document)
    hashed = meaning(stream, by, body, _missing(document), around.registry, guards, pace, across, joined)
    rule = _finished(part, document, Watched(body, stream, by, readable), steps, only_keys, guards, hashed.whole)
    names = tuple(one.name for one in joined)
    rule = replace(rule, parts=hashed.parts)
    return replace(rule, stream=streams[0].name, across=across, joined=names, max_gap=pace.max_gap, every=pace.every)


def _sequence_rule(part: Part, document: RuleDocument, around: Surroundings) -> Rule | None:
    watched = read_sequence(part, document, around)
    by = watched.by if watched else None
    readable = watched.readable if watched else None
    steps = build_steps(part, len(document.do), Wiring(around.commands, around.commands_declared, readable))
    only_keys = read_only_keys(part, document.only_keys, by)
    if watched is None or not isinstance(watched.body, Sequence):
        return None
    guards = _guards(part, document)
    hashed = sequence_meaning(around.streams, watched.by, watched.body, _missing(document), guards, around.registry)
    return _finished(part, document, watched, steps, only_keys, guards, hashed)


def _finished(
    part: Part,
    document: RuleDocument,
    watched: Watched,
    steps: tuple[Step, ...],
    only_keys: OnlyKeys,
    guards: Guards,
    hashed: str,
) -> Rule:
    body, stream, by, readable = watched
    severity = body.rungs[-1].severity if isinstance(body, Ladder) else Severity[(document.severity or "minor").upper()]
    _check_levels(part, steps, body)
    return Rule(
        name=part.name,
        stream=stream.name,
        by=by,
        body=body,
        severity=severity,
        labels=tuple(document.labels.items()),
        summary=read_summary(part, document.summary, readable) or default_summary(stream, by, body),
        description=document.description,
        runbook=document.runbook,
        steps=steps,
        alert=document.alert,
        dry_run=document.dry_run,
        missing=_missing(document),
        location=part.location,
        meaning=hashed + of_keys(only_keys),
        only_keys=only_keys,
        only=guards.only,
        muting=read_muting(part, document),
        downtime=guards.downtime,
    )


def _guards(part: Part, document: RuleDocument) -> Guards:
    return Guards(read_only(part, document), read_downtime(part, document))


def _missing(document: RuleDocument) -> Missing:
    """YAML reads an unquoted `missing: false` as a flag."""
    given = document.missing
    return Missing(str(given).lower() if isinstance(given, bool) else given)


def _streams(part: Part, document: RuleDocument, around: Surroundings) -> list[Stream]:
    key = "absent" if document.absent is not None else "from"
    name = document.absent if document.absent is not None else document.from_
    if document.absent is not None and document.from_ is not None:
        part.wrong_key("a rule has from or absent, not both", "from")
    if name is None:
        _missing_stream(part)
        return []
    return read_streams(part, key, [name] if isinstance(name, str) else name, around.streams)


def _missing_stream(part: Part) -> None:
    """Silent where a key of a later version, or a wrong value, was refused already."""
    if not any(part.gives(key) for key in ("from", "absent", "sql", "use", "params")):
        part.wrong(
            "the rule names no stream",
            hint="say from: STREAM and when: CONDITION, absent: STREAM, or sequence: with steps",
        )


def _by(part: Part, document: RuleDocument, streams: AnySequence[Stream]) -> tuple[str, ...]:
    captures = shared_captures(streams) if streams else ()
    if len(streams) > 1 and document.by is None:
        need_by(part, streams)
    if document.by is None or not streams:
        return tuple(name for name in captures if name != document.across)
    for index, name in enumerate(document.by):
        if name not in captures:
            topics = f"topics of {' and '.join(one.name for one in streams)} share"
            topic = f"topic of {streams[0].name} has"
            hint = f"the {topics if len(streams) > 1 else topic} {', '.join(captures) or 'no captures'}"
            part.wrong(f"{quoted(name)} is no capture{nearest(name, captures)}", "by", index, hint=hint)
        elif name in document.by[:index]:
            part.wrong(f"{quoted(name)} is here twice", "by", index)
    return tuple(document.by)


def _scope(part: Part, streams: AnySequence[Stream], by: tuple[str, ...], around: Surroundings) -> Scope:
    stream, captures = joined_stream(streams), shared_captures(streams)
    others = tuple(name for name in captures if name not in by)
    return Scope(
        streams[0].name,
        {field.name: field for field in stream.fields},
        by,
        others,
        zones=around.zones,
        arguments=part.arguments,
        rules=around.rules,
        templates=around.templates,
        registry=around.registry,
        registry_given=around.registry_given,
        group=tuple(name for name in captures if name in by)[:-1],
        fresh=stream.freshness,
        joined=tuple(one.name for one in streams[1:]),
    )


def _looking_across(part: Part, document: RuleDocument, stream: Stream, scope: Scope) -> Scope | None:
    """What a condition over members may name, and what inside of its aggregates."""
    across = document.across or ""
    check_across(part, across, stream, scope.labels)
    labels = tuple(name for name in stream.captures if name in (*scope.labels, across))
    others = tuple(name for name in scope.other_labels if name != across)
    member = replace(scope, labels=labels, other_labels=others, group=scope.labels)
    voting = read_voting(part, document, stream, member)
    return None if voting is None else replace(scope, fields={}, voting=voting)


def _body(part: Part, document: RuleDocument, scope: Scope | None) -> Condition | Ladder | Absence | None:
    if document.absent is not None:
        return _absence(part, document)
    if document.expect is not None:
        part.wrong_key("expect belongs to a rule with absent", "expect")
    return _condition(part, document, scope) if document.levels is None else _ladder(part, document, scope)


def _ladder(part: Part, document: RuleDocument, scope: Scope | None) -> Ladder | None:
    for key in _ONLY_WITHOUT_LEVELS:
        if node_at(part.node, [key]) is not None:
            part.wrong_key(f"{key} stands in each level of a rule with levels", key)
    names = list(document.levels or {})
    if not names:
        part.wrong("levels names at least one severity", "levels", hint="write major: {when: CONDITION, for: 5m}")
    rungs = [_rung(part, name, scope) for name in names]
    clear = None if document.clear is None else _clear(part, document.clear, scope, "clear")
    known = sorted((rung for rung in rungs if rung is not None), key=lambda rung: rung.severity)
    return Ladder(tuple(known), clear) if known and len(known) == len(names) else None


def _rung(part: Part, name: str, scope: Scope | None) -> Rung | None:
    node = node_at(part.node, ["levels", name])
    if not isinstance(node, MappingNode):
        part.wrong("a level is a mapping", "levels", name, hint="write {when: CONDITION, for: 5m}")
        return None
    document, problems = check_node(node, LevelDocument, part.source)
    part.problems.extend(problems)
    if document is None:
        return None
    hold = part.hold(document.for_, NO_HOLD, "levels", name, "for")
    clear = _clear(part, document.clear, scope, "levels", name, "clear")
    if document.when is None:
        if not part.gives("levels", name, "when"):
            part.wrong("the level has no condition", "levels", name, hint="say when: CONDITION")
        return None
    when = _expression(part, document.when, scope, "levels", name, "when")
    if when is None or clear is None:
        return None
    return Rung(Severity[name.upper()], Condition(when, hold, clear, _said(part, document.when, when)))


def _check_levels(part: Part, steps: tuple[Step, ...], body: Condition | Ladder | Absence | Sequence) -> None:
    """A step at a level needs that level. Steps that are wrong in themselves are left out of `steps`."""
    levels = {rung.severity for rung in body.rungs} if isinstance(body, Ladder) else set()
    for index, step in enumerate(steps):
        if isinstance(step.at, Severity) and step.at not in levels:
            names = ", ".join(level.word for level in sorted(levels)) or "none"
            part.wrong(f"the rule has no level {step.at.word}", "do", index, "at", hint=f"its levels: {names}")


def _condition(part: Part, document: RuleDocument, scope: Scope | None) -> Condition | None:
    hold = part.hold(document.for_, NO_HOLD, "for")
    clear = _clear(part, document.clear, scope, "clear")
    if document.when is None:
        refused = part.gives("when") or part.gives("levels")
        if document.from_ is not None and not refused and not _has_later(part):
            part.wrong("the rule has no condition", hint="say when: CONDITION")
        return None
    when = _expression(part, document.when, scope, "when")
    if when is None or clear is None:
        return None
    return Condition(when, hold, clear, _said(part, document.when, when))


def _has_later(part: Part) -> bool:
    return any(part.gives(key) for key in RuleDocument.later)


def _expression(part: Part, text: str, scope: Scope | None, *path: str) -> Expression | None:
    """The condition at `path`. Without a scope (its stream has problems) only its grammar is checked."""
    if scope is None:
        try:
            parse_syntax(text)
        except ExpressionError as error:
            part.wrong_inside(error, *path)
        return None
    when, problems = check_condition(text, scope)
    for problem in sorted(problems, key=lambda found: found.offset):
        part.wrong_inside(problem, *path)
    return when


def _said(part: Part, text: str, when: Expression) -> str:
    """The condition as its author wrote it; of a template, with what stands for its parameters."""
    return unparse(when) if part.arguments else " ".join(text.split())


def _clear(part: Part, given: object, scope: Scope | None, *path: str) -> Clear | None:
    """The `clear` at `path`; a missing one is `the condition is false`."""
    if given is None:
        return Clear(None, NO_HOLD, "")
    if isinstance(given, str):
        when = _expression(part, given, scope, *path)
        return Clear(when, NO_HOLD, _said(part, given, when)) if when else None
    node = node_at(part.node, list(path))
    if not isinstance(node, MappingNode):
        hint = 'write "temp < 70", in quotes where it helps'
        part.wrong("clear is a condition, or {when, for}", *path, hint=hint)
        return None
    document, problems = check_node(node, ClearDocument, part.source)
    part.problems.extend(problems)
    return _clear_with_hold(part, document, scope, *path) if document else None


def _clear_with_hold(part: Part, document: ClearDocument, scope: Scope | None, *path: str) -> Clear | None:
    hold = part.hold(document.for_, NO_HOLD, *path, "for")
    if document.when is None:
        return Clear(None, hold, "")
    when = _expression(part, document.when, scope, *path, "when")
    return Clear(when, hold, _said(part, document.when, when)) if when else None


def _absence(part: Part, document: RuleDocument) -> Absence | None:
    for key in _ONLY_WITH_CONDITION:
        if node_at(part.node, [key]) is not None:
            part.wrong_key(f"{key} belongs to a rule with from, not to one with absent", key)
    if document.for_ is None:
        if not part.gives("for"):
            part.wrong("a rule with absent says for how long", hint="say for: 3 * interval, or a duration")
        return None
    hold = part.hold(document.for_, Hold(nanoseconds=0), "for")
    if hold == NO_HOLD:
        part.wrong('"for" must be longer than 0s', "for")
    return Absence(hold, _seen_within(part, document.expect))


def _seen_within(part: Part, given: str | None) -> int:
    if given is None:
        return _SEEN_WITHIN
    word, _, rest = given.partition(" ")
    if word != "seen_within":
        part.wrong('"expect" says seen_within and a duration', "expect", hint="write seen_within 7d")
        return _SEEN_WITHIN
    return part.duration(rest, _SEEN_WITHIN, "expect", least=1)
