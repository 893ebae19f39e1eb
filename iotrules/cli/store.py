"""`iotrules store`: say whether a store is whole, salvage one that is not, print it, give its unused room back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from iotrules.cli.failures import reported
from iotrules.cli.options import store_path
from iotrules.model.errors import UnavailableError

JSON_VERSION = 1

_store = click.argument(
    "store", type=click.Path(path_type=Path), default=Path(".iotrules/store.db"), callback=store_path
)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


@click.group("store")
def command() -> None:
    """Verify, repair, export or compact the engine's store."""


@command.command("verify")
@_store
@_json
def verify_command(store: Path, as_json: bool) -> None:
    """Say whether STORE is whole, and name what is not: log, head, pages, database, journal, state.

    Writes nothing. Exits with 0 if it is whole, 1 if not, 3 if there is no store, 4 while an engine uses it.
    """
    from iotrules.tools.stores.holding import held
    from iotrules.tools.stores.verifying import verify

    with reported():
        try:
            with held(store, "verify"):
                found = verify(store)
        except OSError as error:
            raise UnavailableError(f"store {store} can't be read: {error.strerror}") from error
    findings = [{"where": one.where, "what": one.what} for one in found.findings]
    if as_json:
        numbers = {"sequence": found.sequence, "inputs": found.inputs, "parts": found.parts}
        _print({"store": str(store), "whole": not findings, "findings": findings, "notes": found.notes} | numbers)
    else:
        for one in found.findings:
            click.echo(f"{one.where}: {one.what}")
        for note in found.notes:
            click.echo(f"note: {note}", err=True)
        whole = (
            f"whole: {found.parts} parts of state, {found.inputs} inputs after them, up to sequence {found.sequence}"
        )
        click.echo(f"{store} is damaged: restore a copy, or `iotrules store repair`" if findings else whole, err=True)
    raise SystemExit(1 if findings else 0)


@command.command("repair")
@_store
@_json
def repair_command(store: Path, as_json: bool) -> None:
    """Salvage what is provably good of STORE into a new file; the damaged one stays beside it as STORE.damaged-N.

    Exits with 0 if nothing is lost, 1 if something is (it says what), 3 if there is no store, 4 if nothing can be
    salvaged, or while an engine uses it.
    """
    from iotrules.tools.stores.holding import held
    from iotrules.tools.stores.repairing import repair

    with reported(), held(store, "repair"):
        found = repair(store)
    if as_json:
        document = {"store": str(store), "sequence": found.sequence, "lost": found.lost, "rows": found.rows}
        _print(document | {"damaged": str(found.damaged)})
    else:
        for lost in found.lost:
            click.echo(f"lost: {lost}")
        click.echo(f"{store} is whole up to sequence {found.sequence}; the damaged one is {found.damaged}", err=True)
    raise SystemExit(1 if found.lost else 0)


@command.command("export")
@_store
@click.option("--json", "as_json", is_flag=True, help="Taken as it is meant: it is JSON lines in any case.")
def export_command(store: Path, as_json: bool) -> None:
    """Print all that STORE holds as JSON lines, in one order: stores that hold the same print the same.

    An engine may run. Exits with 3 if there is no store, 4 if it is damaged or can't be read.
    """
    from iotrules.tools.stores.exporting import export

    with reported():
        for line in export(store):
            click.echo(line)


@command.command("compact")
@_store
@_json
def compact_command(store: Path, as_json: bool) -> None:
    """Give the unused room of STORE back to the disk. Needs room for a second file meanwhile.

    Exits with 3 if there is no store, 4 if it is damaged, there is no room, or an engine uses it.
    """
    from iotrules.tools.stores.compacting import compact

    with reported():
        before, after = compact(store)
    if as_json:
        _print({"store": str(store), "before": before, "after": after})
    else:
        click.echo(f"{store}: {before:,} bytes before, {after:,} now", err=True)


def _print(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"version": JSON_VERSION} | document, ensure_ascii=False))
