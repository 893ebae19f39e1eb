"""Findings in a rule's holds and key, and in a stream: what the declared interval and captures say against them."""

from __future__ import annotations

from collections.abc import Iterator

from iotrules.language.linting.findings import Finding
from iotrules.language.linting.subjects import Path, Raising, RuleSubject, StreamSubject, raisings
from iotrules.language.unparse import unparse
from iotrules.model.expression import And, Statistic, Window
from iotrules.model.rules import NO_HOLD, Absence, Hold
from iotrules.model.sequences import Sequence
from iotrules.model.times import duration_words
from iotrules.yamlfile import node_at


def hold_findings(subject: RuleSubject) -> Iterator[Finding]:
    """L003, L004, L017, L021 and L022."""
    body = subject.rule.body
    if isinstance(body, Absence):
        yield from _absent_too_short(subject, body.hold)
        yield from _not_expected(subject, body)
        return
    for raising in raisings(subject):
        yield from _hold_too_short(subject, raising.hold, raising.hold_path, "fires")
        yield from _moment_held(subject, raising)
        for ending in raising.endings:
            yield from _hold_too_short(subject, ending.hold, ending.hold_path, "ends")


def _hold_too_short(subject: RuleSubject, hold: Hold, path: Path, verb: str) -> Iterator[Finding]:
    if 0 < _intervals(hold, subject.stream.interval) < 1:
        name = subject.stream.name
        message = f"the alert {verb} after one message: for is {_words(hold)}, {_reports(subject)}"
        hint = f"say at least 2 * interval, or leave for out: a value counts until the next message of {name}"
        yield subject.written.finding("L003", message, hint, *path)


def _absent_too_short(subject: RuleSubject, hold: Hold) -> Iterator[Finding]:
    if 0 < _intervals(hold, subject.stream.interval) <= 1:
        message = f"the alert is raised between two messages: for is {_words(hold)}, {_reports(subject)}"
        yield subject.written.finding("L004", message, "say 3 * interval: a message or two may be late or lost", "for")
    late, wanted = subject.stream.late, _nanoseconds(hold, subject.stream.interval)
    if 0 < wanted < late:
        message = (
            f"silence of {_words(hold)} is told {duration_words(late)} later: {subject.stream.name} waits that long"
        )
        hint = "say a longer for, or a shorter late in the stream's time"
        yield subject.written.finding("L017", message, hint, "for")


def _not_expected(subject: RuleSubject, body: Absence) -> Iterator[Finding]:
    wanted = _nanoseconds(body.hold, subject.stream.interval)
    if not body.registered and wanted >= body.seen_within:
        said = node_at(subject.written.node, ["expect"]) is not None
        message = (
            f"never fires: after {duration_words(body.seen_within)} of silence a device is not expected any more, and "
            f"for is {_words(body.hold)}"
        )
        hint = "say a longer seen_within, such as seen_within 7d" if said else "say expect: seen_within 30d"
        yield subject.written.finding("L022", message, hint, "expect" if said else "for")


def _moment_held(subject: RuleSubject, raising: Raising) -> Iterator[Finding]:
    """`changed` is true at one message, and false at the next unless the value changes again."""
    if raising.hold == NO_HOLD or 0 < _intervals(raising.hold, subject.stream.interval) < 1:
        return
    parts = raising.when.operands if isinstance(raising.when, And) else (raising.when,)
    for part in parts:
        if isinstance(part, Window) and part.kind is Statistic.CHANGED:
            text, value = unparse(part), unparse(part.argument)
            message = f"{text} must hold for {_words(raising.hold)}: {value} would have to change with every message"
            hint = f"leave for out, or count changes: changes({value}, 10m) >= 3"
            yield subject.written.finding("L021", message, hint, *raising.when_path, part=text)


def _nanoseconds(hold: Hold, interval: int | None) -> int:
    """How long the hold is; 0 where nobody knows."""
    return hold.nanoseconds or round((hold.intervals or 0) * (interval or 0))


def _intervals(hold: Hold, interval: int | None) -> float:
    """How many reporting intervals the hold is; 0 where nobody knows."""
    if hold.intervals is not None:
        return hold.intervals
    return (hold.nanoseconds or 0) / interval if interval else 0


def _reports(subject: RuleSubject) -> str:
    interval = subject.stream.interval
    often = f"every {duration_words(interval)}" if interval else "once an interval"
    return f"and {subject.stream.name} reports {often}"


def _words(hold: Hold) -> str:
    return f"{hold.intervals:g} * interval" if hold.intervals is not None else duration_words(hold.nanoseconds or 0)


def key_findings(subject: RuleSubject) -> Iterator[Finding]:
    """L009. Silence, sequences and streams that are joined are left out: there a group of devices can be meant."""
    rule, captures = subject.rule, subject.stream.captures
    dropped = [name for name in captures if name not in (*rule.by, rule.across)]
    if dropped and not rule.joined and not isinstance(rule.body, Absence | Sequence):
        same = f"all that share {' and '.join(rule.by)}" if rule.by else f"all of {subject.stream.name}"
        message = f"by leaves out {', '.join(dropped)}: the values of {same} take turns in one state"
        yield subject.written.finding("L009", message, f"add {', '.join(dropped)} to by", "by")


def stream_findings(subject: StreamSubject) -> Iterator[Finding]:
    """L008."""
    stream = subject.stream
    if stream.time is None and not stream.id_paths:
        message = f"{stream.name} has neither id nor time: a message that comes twice counts twice"
        hint = "say id: with the fields that make a message unique, or time: if messages carry one"
        yield subject.written.finding("L008", message, hint)
