"""`across`: aggregates over the members of a key, and how far one of them lies from the others (`outlier`)."""

from __future__ import annotations

from iotrules.language.documents import RuleDocument
from iotrules.language.parts import Part
from iotrules.language.quantities import Measure, scaled
from iotrules.language.syntax import Call, Literal, Name, Syntax
from iotrules.language.typed import Checker, Scope, Typed, Voting, need
from iotrules.language.words import MEMBERS
from iotrules.model.expression import Flag, Members, Outlier, Window, fields, firings
from iotrules.model.rules import FieldType, Stream
from iotrules.model.times import duration_words
from iotrules.yamlfile import nearest, quoted

MOST_MEMBERS = 10_000
_NUMBER, _FLAG = FieldType.NUMBER, FieldType.FLAG
_COUNTED = frozenset({"count", "share", "any", "all"})
_KEYS = ("across", "fresh", "min_members")


def refuse_without_across(part: Part, document: RuleDocument, *, joins: bool) -> None:
    """Keys that only mean something beside others."""
    if document.across is not None and (document.absent is not None or joins):
        what = "silence" if document.absent is not None else "several streams"
        part.wrong_key(f"a rule about {what} can't look across members", "across", hint="make it two rules")
    if document.across is None:
        hint = "say fresh in the streams" if joins else "say across: LABEL, such as across: device"
        for key in _KEYS[1:]:
            if part.gives(key):
                part.wrong_key(f"{key} belongs to a rule with across", key, hint=hint)


def check_across(part: Part, across: str, stream: Stream, by: tuple[str, ...]) -> None:
    """The label that tells members apart is a capture of the topic that `by` leaves out."""
    captures = stream.captures
    if across not in captures:
        hint = f"the topic of {stream.name} has {', '.join(captures) or 'no captures'}"
        part.wrong(f"{quoted(across)} is no capture{nearest(across, captures)}", "across", hint=hint)
    elif across in by:
        part.wrong(f"{across} is in by, so each key has one member", "across", hint=f"leave {across} out of by")


def read_voting(part: Part, document: RuleDocument, stream: Stream, member: Scope) -> Voting | None:
    """How the rule looks over its members; None, with the problem noted, if that is not said."""
    across = document.across or ""
    fresh = part.duration(document.fresh, stream.freshness or 0, "fresh", least=1)
    if not fresh:
        message = f"for how long does a value of a member count? Stream {stream.name} says neither fresh nor interval"
        part.wrong(message, "across", hint="say fresh: 2m")
        return None
    least = document.min_members if document.min_members is not None else 1
    if not 1 <= least <= MOST_MEMBERS:
        part.wrong(f"min_members is a whole number from 1 to {MOST_MEMBERS}", "min_members")
    return Voting(across, fresh, least, member)


def is_over_members(checker: Checker, syntax: Call) -> bool:
    """`avg(temp)` of a rule with across; `min(a, b)` and `hour("UTC")` are not."""
    return checker.scope.voting is not None and syntax.function in MEMBERS and len(syntax.arguments) == 1


def check_members(checker: Checker, syntax: Call, voting: Voting, inner: Typed, before: int) -> Typed:
    """The checked aggregate of `inner`; `before` is how many problems there were before the call."""
    name = syntax.function
    if syntax.options:
        message = f"{name}() over members takes no named arguments"
        checker.wrong(syntax.options[0][1].start, message, "say min_members and fresh in the rule")
    if firings(inner.node):
        hint = f"put it beside {name}(), for the key itself"
        checker.wrong(inner.start, f"firing() inside of {name}(): members can't ask for alerts", hint)
    wanted = _FLAG if name in _COUNTED else _NUMBER
    need(checker, inner, wanted, f"{name}() over members takes a {'condition' if wanted is _FLAG else 'number'}")
    _need_field(checker, name, inner)
    if len(checker.problems) > before or inner.type is None:
        return Typed(Flag(False), None, Measure(), syntax.start, reads=True)
    node = Window(_kind(name), inner.node, voting.fresh, voting.least)
    return Typed(node, _FLAG if name in ("any", "all") else _NUMBER, _measure(name, inner), syntax.start, reads=True)


def _kind(name: str) -> Members:
    match name:
        case "count" | "share" | "any" | "all" | "avg" | "min" | "max" | "sum" | "stddev" | "median":
            return Members(name)
    raise KeyError(name)


def _measure(name: str, inner: Typed) -> Measure:
    match name:
        case "count":
            return Measure(counted=True)
        case "share" | "any" | "all":
            return Measure()
        case "sum":
            return scaled(inner.measure)
        case "stddev":
            return inner.measure.as_interval()
    return inner.measure


def _need_field(checker: Checker, name: str, inner: Typed) -> None:
    if inner.type is not None and not fields(inner.node):
        checker.wrong(inner.start, f"{name}() of something that reads no field", "name a field of the stream")


def refuse_outside(checker: Checker, syntax: Call) -> Typed:
    """A window or the like that stands outside of all aggregates."""
    name = syntax.function
    hint = f"let each member work it out: max({name}(…)), count({name}(…) > 3)"
    return checker.wrong(syntax.start, f"{name}() of which member? The rule looks across several", hint)


def bare_name(voting: Voting, name: str) -> tuple[str, str] | None:
    """Why a name of a member can't stand outside of aggregates, and the remedy."""
    found = voting.member.fields.get(name)
    if found is None and name not in voting.member.labels:
        return None
    write = f"count({name} > 30), avg({name})" if found and found.type is _NUMBER else f"count({name} == …)"
    write = f"count({name}), any({name})" if found and found.type is _FLAG else write
    return f"{name} of which member? The rule looks across each {voting.across}", f"write {write} or the like"


def refuse_members(checker: Checker, syntax: Call) -> Typed:
    """`any` and `all` of a rule that has no members."""
    message = f"{syntax.function}() looks over members, and the rule has none"
    return checker.wrong(syntax.start, message, "say across: LABEL in the rule, or join conditions by and, or")


def check_outlier(checker: Checker, syntax: Call, inner: Typed, before: int) -> Typed:
    """The checked node of `outlier(x)`, `outlier(x, by=site, fresh=2m)`."""
    scope = checker.scope
    by, fresh = scope.group, scope.fresh
    for option, value in syntax.options:
        if option == "by":
            by = _group(checker, value)
        elif option == "fresh":
            fresh = _fresh(checker, value)
        else:
            message = f"outlier() has no argument {quoted(option)}{nearest(option, ('by', 'fresh'))}"
            checker.wrong(value.start, message)
    if not set(by) < set(scope.labels):
        what = "by has no label that tells members apart" if not scope.labels else "each group has one member"
        checker.wrong(syntax.start, f"outlier() compares members of a group: {what}", "write outlier(x, by=LABEL)")
    if fresh is None:
        message = f"outlier(): for how long does a value count? Stream {scope.stream} says neither fresh nor interval"
        checker.wrong(syntax.start, message, "write outlier(x, fresh=2m)")
    need(checker, inner, _NUMBER, "outlier() takes a number")
    _need_field(checker, "outlier", inner)
    if len(checker.problems) > before or inner.type is None or fresh is None:
        return Typed(Flag(False), None, Measure(), syntax.start, reads=True)
    node = Window(Outlier("outlier", by, _said(syntax)), inner.node, fresh, 1)
    return Typed(node, _NUMBER, Measure(), syntax.start, reads=True)


def _group(checker: Checker, value: Syntax) -> tuple[str, ...]:
    labels = checker.scope.labels
    if isinstance(value, Name) and value.name in labels:
        return (value.name,)
    name = value.name if isinstance(value, Name) else ""
    hint = f"write by=LABEL with one of {', '.join(labels)}"
    message = f"{quoted(name)} is no label of the rule{nearest(name, labels)}" if name else "by= names a label"
    checker.wrong(value.start, message, hint)
    return ()


def _fresh(checker: Checker, value: Syntax) -> int | None:
    if isinstance(value, Literal) and value.kind == "duration" and float(value.value) > 0:
        return int(value.value)
    checker.wrong(value.start, "fresh= is a duration", "write fresh=2m")
    return 1


def _said(syntax: Call) -> str:
    words = {
        option: value.name if isinstance(value, Name) else duration_words(int(value.value))
        for option, value in syntax.options
        if isinstance(value, Name) or (isinstance(value, Literal) and value.kind == "duration")
    }
    return "".join(f", {option}={word}" for option, word in words.items())
