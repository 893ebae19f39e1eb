"""A checked rule in words: what it looks at and when, what raises and ends its alert, and what follows.

House rule: said from the checked rule alone, as the engine takes it, with defaults and converted units written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from iotrules.engine.wakeups import every_and_horizon
from iotrules.engine.windows import MAX_SAMPLES
from iotrules.language.linting import BYTES_WHILE_ACTIVE, estimate_state
from iotrules.language.unparse import unparse
from iotrules.model.expression import (
    Comparison,
    Expression,
    FieldRef,
    Number,
    Statistic,
    Window,
    WindowKind,
    children,
    firings,
)
from iotrules.model.guards import CONTINUE, DAYS, Opening
from iotrules.model.rules import (
    NO_HOLD,
    Absence,
    Clear,
    CommandStep,
    Condition,
    Guard,
    Hold,
    InvokeStep,
    Ladder,
    Missing,
    PublishStep,
    Rule,
    RuleSet,
    Rung,
    Severity,
    Step,
    Stream,
    conditions_of,
)
from iotrules.model.sequences import Sequence, sequence_text
from iotrules.model.times import duration_words

Said: TypeAlias = tuple[str, str]
"""What is spoken of, and what is said of it."""

_MISSING = {
    Missing.HOLD: "an unknown condition changes nothing, and stops the clock of for",
    Missing.FALSE: "an unknown condition counts as false",
    Missing.TRUE: "an unknown condition counts as true",
    Missing.ERROR: "an unknown condition changes nothing, and is a failure of the rule",
}


def explained(rules: RuleSet, name: str) -> list[Said]:
    """All that there is to say of a rule, in the order in which it is read. KeyError if there is no such rule."""
    rule = rules.rules[name]
    return [
        *_watched(rules, rule),
        *_decided(rules, rule),
        *_followed(rule),
        *_looked(rules, rule),
        *_kept(rules, rule),
    ]


def _watched(rules: RuleSet, rule: Rule) -> Iterator[Said]:
    yield "rule", f"{rule.name}, {rule.location.file}:{rule.location.line}"
    for name in _streams(rule):
        stream = rules.streams[name]
        often = f"every {duration_words(stream.interval)}" if stream.interval else "at intervals that are learnt"
        yield "watches", f"{name}: {stream.topic.text}, which reports {often}"
    yield "key", f"each {', '.join(rule.by)} for itself" if rule.by else "one for all messages"
    for label, values in rule.only_keys:
        yield "only", f"{label} is one of {', '.join(values)}"


def _streams(rule: Rule) -> list[str]:
    patterns = rule.body.patterns if isinstance(rule.body, Sequence) else ()
    return list(dict.fromkeys([pattern.stream for pattern in patterns] or [rule.stream]))


def _decided(rules: RuleSet, rule: Rule) -> Iterator[Said]:
    stream = rules.streams[rule.stream]
    match rule.body:
        case Condition() as condition:
            yield from _condition(stream, rule.severity, condition)
        case Ladder(rungs, clear):
            for rung in rungs:
                yield from _rung(stream, rung)
            yield "ends", _end(stream, clear) if clear else "with its last level"
        case Absence():
            yield from _absence(stream, rule, rule.body)
        case Sequence():
            yield "raises", f"{rule.severity.word}: {sequence_text(rule.body)}"
            over = f"{duration_words(rule.body.within)} after it fired"
            yield "ends", rule.body.clear.text if rule.body.clear else over
    if not isinstance(rule.body, Absence):
        yield "unknown", _MISSING[rule.missing]
    for asked in sorted(_asked(rule)):
        yield "asks for", asked
    for other in sorted(one.name for one in rules.rules.values() if rule.name in {name for name, _ in _asks(one)}):
        yield "asked by", other


def _condition(stream: Stream, severity: Severity, condition: Condition) -> Iterator[Said]:
    yield "raises", f"{severity.word}: {_told(stream, condition.when)}{_held(stream, condition.hold)}"
    yield "ends", _end(stream, condition.clear)


def _rung(stream: Stream, rung: Rung) -> Iterator[Said]:
    condition = rung.condition
    yield "raises", f"{rung.severity.word}: {_told(stream, condition.when)}{_held(stream, condition.hold)}"
    yield "releases", f"{rung.severity.word}: {_end(stream, condition.clear)}"


def _absence(stream: Stream, rule: Rule, body: Absence) -> Iterator[Said]:
    yield "raises", f"{rule.severity.word}: no message{_held(stream, body.hold)}"
    yield "ends", "with the next message"
    if body.registered:
        yield "expects", "the devices of the registry"
    else:
        yield "expects", f"devices that were heard within {duration_words(body.seen_within)}"


def _end(stream: Stream, clear: Clear) -> str:
    words = _told(stream, clear.when) if clear.when else "the condition is false"
    return words + _held(stream, clear.hold)


def _held(stream: Stream, hold: Hold) -> str:
    if hold == NO_HOLD:
        return ""
    if hold.intervals is None:
        return f", for {duration_words(hold.nanoseconds or 0)} without a break"
    long = f" ({duration_words(round(hold.intervals * stream.interval))})" if stream.interval else ""
    return f", for {hold.intervals:g} reporting intervals{long} without a break"


def _told(stream: Stream, node: Expression) -> str:
    """The condition, with what its quantities are in the units that the stream reports."""
    notes = dict.fromkeys(_converted(stream, node))
    return unparse(node) + (f" [{'; '.join(notes)}]" if notes else "")


def _converted(stream: Stream, node: Expression) -> Iterator[str]:
    if isinstance(node, Comparison):
        units = {found for operand in node.operands if (found := _unit(stream, operand))}
        unit = f" {units.pop()}" if len(units) == 1 else ""
        for operand in node.operands:
            if isinstance(operand, Number) and _differs(operand):
                yield f"{operand.text} is {operand.value:g}{unit}"
    for child in children(node):
        yield from _converted(stream, child)


def _unit(stream: Stream, node: Expression) -> str:
    """What a value is compared in, where that is plain to see."""
    match node:
        case FieldRef(name):
            return next((field.unit for field in stream.fields if field.name == name), "")
        case Window(kind=WindowKind.SLOPE | Statistic.RATE, argument=argument):
            return f"{unit}/s" if (unit := _unit(stream, argument)) else ""
        case Window(argument=argument):
            return _unit(stream, argument)
    return ""


def _differs(number: Number) -> bool:
    """Was it given in another unit than it is compared in?"""
    said, space, _ = number.text.partition(" ")
    return bool(space) and float(said) != number.value


def _asks(rule: Rule) -> set[tuple[str, tuple[str, ...]]]:
    return {(asked.rule, asked.same) for condition in conditions_of(rule) for asked in firings(condition)}


def _asked(rule: Rule) -> Iterator[str]:
    for name, same in _asks(rule):
        yield f"alerts of {name} " + (f"with the same {' and '.join(same)}" if same else "of any key")


def _followed(rule: Rule) -> Iterator[Said]:
    yield "alert", "yes" if rule.alert else "none: only the steps run"
    for opening in rule.only:
        yield "may fire", _opening(opening)
    if rule.downtime != CONTINUE:
        longest = rule.downtime.longest
        beyond = f", of over {duration_words(longest)}: it starts again" if longest is not None else ""
        yield "a stop", f"{rule.downtime.policy.value} for the clock of for{beyond}"
    if rule.muting.cooldown:
        yield "cooldown", f"people are told again after {duration_words(rule.muting.cooldown)} at the earliest"
    if inhibit := rule.muting.inhibit:
        same = f" with the same {' and '.join(inhibit.same)}" if inhibit.same else ""
        yield "mutes", f"{', '.join(inhibit.rules)}{same}, while it fires"
    if rule.dry_run:
        yield "dry run", "its steps are counted, and not run"
    for step in rule.steps:
        at = step.at.word if isinstance(step.at, Severity) else step.at.value
        yield f"at {at}", _step(step)


def _opening(opening: Opening) -> str:
    days = ", ".join(DAYS[day] for day in sorted(opening.days))
    begins, ends = (f"{minute // 60:02}:{minute % 60:02}" for minute in (opening.begins, opening.ends))
    return f"{days}, {begins} to {ends}, {opening.zone}"


def _step(step: Step) -> str:
    match step:
        case InvokeStep(function):
            return f"invokes {function}{_guarded(step.guard)}"
        case CommandStep():
            given = ", ".join(f"{name}={value}" for name, value in step.args)
            often = f", sent again up to {step.retry} times" if step.retry else ""
            waits = (
                f"expires after {duration_words(step.expires)}, to be acknowledged in {duration_words(step.ack_within)}"
            )
            return f"sends the command {step.command}({given}), {waits}{often}{_guarded(step.guard)}"
        case PublishStep():
            return "publishes a message"


def _guarded(guard: Guard | None) -> str:
    if guard is None:
        return ""
    group = f"each {guard.of}" if guard.of else "all devices"
    share = f"at most {guard.max_share * 100:.4g}% of {group} in {duration_words(guard.per)}"
    return f"; {share}, what is beyond is {'held' if guard.otherwise == 'hold' else 'dropped'}"


def _looked(rules: RuleSet, rule: Rule) -> Iterator[Said]:
    if isinstance(rule.body, Sequence):
        yield "looked at", "with every message of its streams, and when a time is over"
        return
    if isinstance(rule.body, Absence):
        yield "looked at", "when a message comes, and when the time is over"
        return
    every, horizon = every_and_horizon(conditions_of(rule))
    words = f"with every message of {rule.stream}, and when a hold is over"
    if every is not None:
        words += (
            f"; every {duration_words(every)} as time passes, until {duration_words(horizon)} after the newest message"
        )
    if _asks(rule):
        words += "; when an alert that it asks for begins or ends"
    yield "looked at", words


def _kept(rules: RuleSet, rule: Rule) -> Iterator[Said]:
    one = next(one for one in estimate_state(rules, MAX_SAMPLES) if one.rule == rule.name)
    part = f", with its part of what {one.sharing} rules share" if one.sharing > 1 else ""
    yield (
        "keeps",
        f"about {one.bytes:,} bytes for each key{part}; {BYTES_WHILE_ACTIVE:,} more while it is pending or firing",
    )
    for window in one.windows:
        most = "at most " if window.bound else ""
        yield "keeps", f"{window.text}: {most}{window.samples:,} samples, about {window.bytes:,} bytes"
