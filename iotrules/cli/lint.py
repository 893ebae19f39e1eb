"""`iotrules lint`: what loads but can't be meant, with the reason and the remedy; and what rules keep in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iotrules.cli.check import KIND, problems_in_files
from iotrules.cli.options import registry_option
from iotrules.cli.reports import Entry, counted, format_option, report, say
from iotrules.cli.sources import read_sources

if TYPE_CHECKING:
    from iotrules.language.linting import Finding, StateEstimate
    from iotrules.model.rules import RuleSet

_HAS_FINDINGS, _NOT_LOADED = 1, 3


@click.command("lint")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@registry_option
@format_option
@click.option("--info", is_flag=True, help="Tell also what may well be meant (L002); it does not change the exit code.")
@click.option("--state", is_flag=True, help="Print instead how much memory each rule keeps for each key.")
@click.pass_context
def command(
    context: click.Context, paths: tuple[Path, ...], registry: Path | None, form: str, info: bool, state: bool
) -> None:
    """Find what can't be meant in rule files that load.

    A comment allows a finding, on the line of the rule's name or the line above it: "# lint: allow L003 because …".

    Exit code 0: nothing found; 1: there are findings; 3: the files can't be read or loaded.
    """
    if state and form not in ("text", "json"):
        raise click.UsageError("--state is text or json")
    loaded = _load(paths, registry, form)
    if loaded is None:
        context.exit(_NOT_LOADED)
    files, rules = loaded
    if state:
        _show_state(rules, form)
        return
    findings = _findings(files, rules, info)
    _report(findings, rules, len(files), form)
    if any(not finding.kind.info for finding in findings):
        context.exit(_HAS_FINDINGS)


def _load(paths: tuple[Path, ...], registry: Path | None, form: str) -> tuple[Mapping[str, str], RuleSet] | None:
    """None if the files can't be used, which has been said then."""
    from iotrules.language import load_files
    from iotrules.model.errors import ConfigError, RuleError

    try:
        files, devices = read_sources(paths, registry)
        return files, load_files(files, devices)
    except ConfigError as error:
        say(f"error: {error}", err=True)
    except RuleError as error:
        data = {"rules": None, "streams": None, "files": len(files)}
        end = f"{problems_in_files(error.problems)}; only files that load are linted"
        report([Entry(problem) for problem in error.problems], form, data, KIND, end)
    return None


def _findings(files: Mapping[str, str], rules: RuleSet, info: bool) -> list[Finding]:
    from iotrules.language.linting import lint

    return [finding for finding in lint(files, rules) if info or not finding.kind.info]


def _report(findings: list[Finding], rules: RuleSet, files: int, form: str) -> None:
    from iotrules.language.linting import KINDS

    entries = [Entry(one.problem, "note" if one.kind.info else "warning", one.code) for one in findings]
    data = {"rules": len(rules.rules), "streams": len(rules.streams), "files": files}
    kinds = {kind.code: f"{kind.name}: {kind.why}" for kind in KINDS.values()}
    end = f"{counted(len(findings), 'finding')} in {counted(len(rules.rules), 'rule')}"
    report(entries, form, data, kinds, end)


def _show_state(rules: RuleSet, form: str) -> None:
    from iotrules.engine.windows import MAX_SAMPLES
    from iotrules.language.linting import BYTES_OF_A_KEY, BYTES_WHILE_ACTIVE, estimate_state

    estimates = sorted(estimate_state(rules, MAX_SAMPLES), key=lambda one: -one.bytes)
    if form == "json":
        report([], form, {"state": [_plain(estimate) for estimate in estimates]}, {}, "")
        return
    for estimate in estimates:
        key = f"for each {', '.join(estimate.by)}" if estimate.by else "in all"
        shared = f" (with its part of {BYTES_OF_A_KEY:,} for {estimate.sharing} rules)" if estimate.sharing > 1 else ""
        say(f"{estimate.bytes:>10,} bytes {key}: {estimate.rule}{shared}")
        for window in estimate.windows:
            most = "at most " if window.bound else ""
            say(f"{window.bytes:>14,} {window.text}: {most}{counted(window.samples, 'sample')}")
    say(f"{BYTES_WHILE_ACTIVE:>10,} bytes more for each rule and key that is pending or firing")


def _plain(estimate: StateEstimate) -> dict[str, object]:
    windows = [{**asdict(window), "bytes": window.bytes} for window in estimate.windows]
    return {
        "rule": estimate.rule,
        "stream": estimate.stream,
        "by": estimate.by,
        "bytes": estimate.bytes,
        "sharing": estimate.sharing,
        "windows": windows,
    }
