"""`iotrules test`: play the cases beside the rules, and say which expectation was not met, where and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click

from iotrules.cli.failures import reported
from iotrules.cli.options import registry_option
from iotrules.language import registry_file
from iotrules.model.errors import ConfigError
from iotrules.tools.testing import (
    Case,
    Failure,
    LocalHandlers,
    Run,
    Suite,
    cover,
    judge,
    junit,
    mutate,
    play,
    read_suites,
)
from iotrules.tools.testing.text import coverage_lines, failure_lines, mutation_lines

_TEMPLATE = Path("lambdas/template.yaml")


class Outcome(NamedTuple):
    """A suite with each case that was played: what happened, and what was wrong with that."""

    suite: Suite
    played: list[tuple[Case, Run, list[Failure]]]


@click.command("test", short_help="run the cases beside the rules")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--functions",
    type=click.Path(path_type=Path),
    metavar="TEMPLATE",
    help=f"SAM template of the functions.  [default: {_TEMPLATE} if it is there]",
)
@registry_option
@click.option("-k", "name", metavar="NAME", default="", help="Only cases whose name contains this.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML too.")
@click.option("--coverage", is_flag=True, help="Show what no case sees; fail if a rule never fires or never clears.")
@click.option("--mutate", "mutating", is_flag=True, help="Change the rules a little; fail if no case notices.")
@click.pass_context
def command(
    context: click.Context,
    paths: tuple[Path, ...],
    functions: Path | None,
    registry: Path | None,
    name: str,
    junit_file: Path | None,
    coverage: bool,
    mutating: bool,
) -> None:
    """Play NAME.test.yaml, beside NAME.yaml, on the engine that runs live, in virtual time (docs/testing-rules.md).

    Exit code 0: all as expected; 1: something is not; 3: files that can't be used.
    """
    with reported():
        suites = _selected(read_suites(paths, registry_file(registry) if registry else None), name)
        handlers = LocalHandlers(functions or (_TEMPLATE if _TEMPLATE.is_file() else None))
        outcomes = [_play(suite, handlers) for suite in suites]
        if junit_file is not None:
            _write_junit(junit_file, outcomes)
    failed = sum(bool(failures) for outcome in outcomes for _, _, failures in outcome.played)
    found = [_counted(sum(len(outcome.played) for outcome in outcomes), "case"), f"{failed} failed"]
    gaps = _show_coverage(outcomes) if coverage else 0
    unnoticed = _show_mutants(outcomes, handlers) if mutating else 0
    found += [f"{_counted(gaps, 'rule')} not covered"] * bool(gaps)
    found += [f"{_counted(unnoticed, 'change')} not noticed"] * bool(unnoticed)
    click.echo(", ".join(found))
    context.exit(1 if failed or gaps or unnoticed else 0)


def _selected(suites: Sequence[Suite], name: str) -> list[Suite]:
    chosen = [replace(suite, cases=tuple(case for case in suite.cases if name in case.name)) for suite in suites]
    if not any(suite.cases for suite in chosen):
        raise ConfigError(f'no case has "{name}" in its name' if name else "the test files have no cases")
    return chosen


def _play(suite: Suite, handlers: LocalHandlers) -> Outcome:
    """Play the suite's cases and show how each went."""
    outcome = Outcome(suite, [])
    for case in suite.cases:
        run = play(case, suite.rules, suite.texts, handlers)
        failures = judge(case, run)
        outcome.played.append((case, run, failures))
        click.echo(f"{'✘' if failures else '✔'} {suite.file}: {case.name}")
        for failure in failures:
            click.echo("\n".join(f"  {line}" for line in failure_lines(case, failure)))
    return outcome


def _write_junit(file: Path, outcomes: Sequence[Outcome]) -> None:
    results = [(suite, [(case, failures) for case, _, failures in played]) for suite, played in outcomes]
    try:
        file.write_bytes(junit(results))
    except OSError as error:
        raise ConfigError(f"can't write {file}: {error.strerror}") from error


def _show_coverage(outcomes: Sequence[Outcome]) -> int:
    """Show what was seen of every rule; how many were not seen to fire and clear."""
    covered = [
        cover(suite.rules.rules[name], (run for _, run, _ in played))
        for suite, played in outcomes
        for name in suite.own_rules
    ]
    click.echo("\n".join(coverage_lines(covered)))
    return sum(not one.enough for one in covered)


def _show_mutants(outcomes: Sequence[Outcome], handlers: LocalHandlers) -> int:
    """Show the changes that no case noticed; how many findings that makes."""
    return sum(_mutate(outcome, handlers) for outcome in outcomes)


def _mutate(outcome: Outcome, handlers: LocalHandlers) -> int:
    suite, played = outcome
    if any(failures for _, _, failures in played):
        click.echo(f"{suite.rule_file}: not changed, since its cases fail as it is")
        return 0
    report = mutate(suite, handlers)
    click.echo("\n".join(mutation_lines(suite, report)))
    return len(report.survivors) + len(report.wrong)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
