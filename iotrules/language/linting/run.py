"""All findings of a set of rule files, without those that a comment allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iotrules.language.linting.allowances import read_allowances, unused
from iotrules.language.linting.conditions import condition_findings
from iotrules.language.linting.findings import Finding
from iotrules.language.linting.guards import guard_findings, muting_findings
from iotrules.language.linting.levels import level_findings
from iotrules.language.linting.opposed import opposed_findings
from iotrules.language.linting.pace import rule_pace_findings, sequence_pace_findings, stream_pace_findings
from iotrules.language.linting.samples import sample_findings
from iotrules.language.linting.subjects import Subjects, subjects
from iotrules.language.linting.timing import hold_findings, key_findings, stream_findings
from iotrules.language.linting.twins import twin_findings
from iotrules.model.rules import RuleSet


def lint(files: Mapping[str, str], checked: RuleSet) -> list[Finding]:
    """The findings in reading order, infos included; `checked` is what `load_files(files)` gave."""
    subject = subjects(files, checked)
    found = list(_all(subject))
    allowed, wrong = [], []
    for source, root in subject.roots:
        allowances, refused = read_allowances(source, root)
        allowed += allowances
        wrong += refused
    told = [finding for finding in found if not any(allowance.covers(finding) for allowance in allowed)]
    order = {name: index for index, name in enumerate(files)}
    return sorted([*told, *wrong, *unused(allowed, found)], key=lambda one: _reading_order(one, order))


def _reading_order(finding: Finding, order: Mapping[str, int]) -> tuple[int, int, int, str]:
    problem = finding.problem
    return order[problem.file], problem.line, problem.column, finding.code


def _all(subject: Subjects) -> Iterator[Finding]:
    streams = {one.stream.name: one.stream for one in subject.streams}
    for stream in subject.streams:
        yield from stream_findings(stream)
        yield from stream_pace_findings(stream)
    for rule in subject.rules:
        yield from condition_findings(rule)
        yield from level_findings(rule)
        yield from hold_findings(rule)
        yield from key_findings(rule)
        yield from guard_findings(rule)
        yield from sample_findings(rule)
        yield from rule_pace_findings(rule)
        yield from sequence_pace_findings(rule, streams)
    yield from muting_findings(subject.rules)
    yield from twin_findings(subject.rules)
    yield from opposed_findings(subject.rules)
