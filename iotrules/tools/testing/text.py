"""The outcome as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from iotrules.tools.testing.cases import Case, Suite
from iotrules.tools.testing.coverage import Coverage
from iotrules.tools.testing.judging import Failure
from iotrules.tools.testing.mutation import MutationReport

_COLUMNS = (
    ("fires", "fires"),
    ("clears", "clears"),
    ("drops a pending", "drops_a_pending"),
    ("missing data", "meets_missing_data"),
    ("restart pending", "restarts_while_pending"),
    ("restart firing", "restarts_while_firing"),
)
_SIGNS = {True: "✔", False: "✘", None: "–"}


def failure_lines(case: Case, failure: Failure) -> Iterator[str]:
    """One failure in full."""
    line, column = failure.place
    yield f"{case.file}:{line}:{column}: {failure.what}"
    yield f"    expected  {failure.expected}"
    yield f"    seen      {failure.seen}"
    yield from (f"      {text}" for text in failure.timeline)


def coverage_lines(covered: Sequence[Coverage]) -> Iterator[str]:
    """A table of what was seen of each rule, and what no case saw."""
    width = max((len(one.rule) for one in covered), default=0)
    yield " " * width + "".join(f"  {title}" for title, _ in _COLUMNS)
    for one in covered:
        signs = (f"  {_SIGNS[getattr(one, name)]:^{len(title)}}" for title, name in _COLUMNS)
        yield (f"{one.rule:{width}}" + "".join(signs)).rstrip()
    for one in covered:
        if one.lacking:
            yield f"no case sees: {one.rule}: {', '.join(one.lacking)}"


def mutation_lines(suite: Suite, report: MutationReport) -> Iterator[str]:
    """What no case noticed, and a line with the numbers."""
    for survivor in report.survivors:
        yield f"{survivor.file}:{survivor.line}: no case notices: {survivor.change}"
    for declared, why in report.wrong:
        line, column = declared.place
        yield f"{suite.file}:{line}:{column}: {declared.change}: {why}"
    noticed = report.made - report.excused - len(report.survivors)
    excused = f", {report.excused} declared equivalent" if report.excused else ""
    yield f"{suite.rule_file}: {report.made} changes, {noticed} noticed{excused}"
