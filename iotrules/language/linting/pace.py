"""Findings in what streams and rules say about time: what nothing can follow, and streams that wait differently."""

from __future__ import annotations

from collections.abc import Iterator

from iotrules.language.linting.findings import Finding
from iotrules.language.linting.subjects import RuleSubject, StreamSubject, Written, raisings
from iotrules.model.expression import Clock, Expression, Statistic, windows
from iotrules.model.rules import Stream
from iotrules.model.sequences import Sequence
from iotrules.model.times import duration_words


def stream_pace_findings(subject: StreamSubject) -> Iterator[Finding]:
    """L013 of a stream."""
    stream = subject.stream
    yield from _gap(subject.written, stream.max_gap, stream)
    if stream.fresh is not None and stream.interval is not None and stream.fresh < stream.interval:
        message = f"fresh is {duration_words(stream.fresh)}, {_reports(stream)}: what a message lacks is always missing"
        yield subject.written.finding("L013", message, "say 3 * interval or more, or leave fresh out", "fresh")


def rule_pace_findings(subject: RuleSubject) -> Iterator[Finding]:
    """L013 and L014 of a rule."""
    rule = subject.rule
    yield from _gap(subject.written, rule.max_gap, subject.stream)
    conditions = [one for raising in raisings(subject) for one in (raising.when, *(e.when for e in raising.endings))]
    if rule.every is not None and not any(_depends_on_time(one) for one in conditions if one is not None):
        message = "every says how often time is looked at, but no condition of the rule changes with time alone"
        yield subject.written.finding("L014", message, "leave it out: messages are decided on as they come", "every")


def sequence_pace_findings(subject: RuleSubject, streams: dict[str, Stream]) -> Iterator[Finding]:
    """L013 and L015 of a sequence."""
    if not isinstance(subject.rule.body, Sequence):
        return
    yield from _within(subject, subject.rule.body, streams)
    named = sorted({pattern.stream for pattern in subject.rule.body.patterns} & streams.keys())
    if len({streams[name].late for name in named}) > 1:
        said = ", ".join(f"{name} {duration_words(streams[name].late)}" for name in named)
        message = f"late is not the same for the streams of the sequence ({said}): messages that wait are too old then"
        yield subject.written.finding("L015", message, "say the same late for all of them", "sequence")


def _within(subject: RuleSubject, body: Sequence, streams: dict[str, Stream]) -> Iterator[Finding]:
    """Of one device's messages in one stream, the second comes an interval after the first."""
    name, *others = {one.pattern.stream for one in body.steps} | {one.pattern.stream for one in body.without}
    stream = streams.get(name)
    if stream is None or others or stream.interval is None or not set(stream.captures) <= set(subject.rule.by):
        return
    if body.within < stream.interval:
        message = (
            f"within is {duration_words(body.within)}, {_reports(stream)}: the second message comes when it is over"
        )
        yield subject.written.finding("L013", message, "say more than the interval", "within")


def _gap(written: Written, max_gap: int | None, stream: Stream) -> Iterator[Finding]:
    if max_gap is not None and stream.interval is not None and max_gap < stream.interval:
        message = (
            f"max_gap is {duration_words(max_gap)}, {_reports(stream)}: every for is broken before the next message"
        )
        yield written.finding("L013", message, "say more than the interval: a message or two may be lost", "max_gap")


def _reports(stream: Stream) -> str:
    return f"and {stream.name} reports every {duration_words(stream.interval or 0)}"


def _depends_on_time(condition: Expression) -> bool:
    """A window, an age or an hour; earlier samples are what they are until the next one comes."""
    return any(
        isinstance(one.kind, Clock) or one.kind is Statistic.AGE or (one.duration and one.kind is not Statistic.EWMA)
        for one in windows(condition)
    )
