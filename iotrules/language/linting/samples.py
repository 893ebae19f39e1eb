"""Findings in windows: more samples are asked for than come in their time, or the time is shorter than the interval.

House rule: they are told only where a key is one device that says how often it reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import ceil

from iotrules.language.linting.cases import TooManyCases, View, cases
from iotrules.language.linting.findings import Finding
from iotrules.language.linting.subjects import Path, RuleSubject, raisings
from iotrules.language.unparse import unparse
from iotrules.model.expression import (
    Comparison,
    Expression,
    Members,
    Outlier,
    Statistic,
    Window,
    children,
    least_samples,
    windows,
)
from iotrules.model.times import duration_words


def sample_findings(subject: RuleSubject) -> Iterator[Finding]:
    """L018, L019 and L020."""
    interval, rule = subject.stream.interval, subject.rule
    alone = set(subject.stream.captures) <= {*rule.by, rule.across}
    if interval is None or rule.joined or not alone:
        return
    for when, path in _conditions(subject):
        for window in dict.fromkeys(windows(when)):
            yield from _window(subject, window, interval, path)
        yield from _unreached(subject, when, path, interval)


def _conditions(subject: RuleSubject) -> Iterator[tuple[Expression, Path]]:
    for raising in raisings(subject):
        yield raising.when, raising.when_path
        yield from ((ending.when, ending.when_path) for ending in raising.endings if ending.when is not None)


def most_samples(window: Window, interval: int) -> int:
    """How many samples a window has at most, of a key that sends one each `interval` ns."""
    return ceil(window.duration / interval)


def _window(subject: RuleSubject, window: Window, interval: int, path: Path) -> Iterator[Finding]:
    if not window.duration or isinstance(window.kind, Members | Outlier) or window.kind is Statistic.EWMA:
        return
    text, reports = unparse(window), f"{subject.stream.name} reports every {duration_words(interval)}"
    most = most_samples(window, interval)
    if window.duration < interval:
        message = f"{text} looks back {duration_words(window.duration)}, and {reports}: one sample at most"
        yield subject.written.finding("L019", message, "look back several intervals", *path, part=text)
    elif window.min_samples > most:
        asked = f"{window.kind.value} needs" if window.min_samples == least_samples(window.kind) else "min_samples is"
        message = f"{text} is never known: {asked} {window.min_samples}, {reports}, so it has {most} at most"
        hint = f"look back longer, or ask for fewer: {_half(most)}" if most > 1 else "look back several intervals"
        yield subject.written.finding("L018", message, hint, *path, part=text)


def _half(most: int) -> str:
    """Fewer than come, so that some may be lost."""
    return f"min_samples={max(1, most // 2)}"


def _unreached(subject: RuleSubject, when: Expression, path: Path, interval: int) -> Iterator[Finding]:
    fields = {field.name: field for field in subject.stream.fields}
    for line in _lines(when):
        counts = [window for window in windows(line) if window.duration >= interval]
        if counts and _possible(line, View(fields)) and not _possible(line, View(fields, interval=interval)):
            text, name = unparse(line), subject.stream.name
            told = ", ".join(f"{unparse(one)} is {most_samples(one, interval)} at most" for one in counts)
            message = f"{text} can't be reached: {name} reports every {duration_words(interval)}, so {told}"
            yield subject.written.finding("L020", message, "look back longer, or ask for fewer", *path, part=text)


def _lines(node: Expression) -> Iterator[Expression]:
    if isinstance(node, Comparison):
        yield node
    for child in children(node):
        yield from _lines(child)


def _possible(node: Expression, view: View) -> bool:
    with suppress(TooManyCases):
        return bool(cases(node, view))
    return True
