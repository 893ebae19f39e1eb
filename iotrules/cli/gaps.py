"""`iotrules gaps`: how many messages never came, by device, as the devices' own counts say."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click

from iotrules.cli.alerts import PIPE_COLUMNS, instant, printable
from iotrules.cli.failures import reported
from iotrules.cli.options import store_option
from iotrules.engine.inspect import Gap
from iotrules.stores.kept import read_kept
from iotrules.tools.restored import restore

JSON_VERSION = 1


@click.command("gaps", short_help="show how many messages never came, by device")
@store_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(store: Path, as_json: bool) -> None:
    """Show how many messages never came, by device, most first; from the store, whether an engine runs or not.

    Only of streams whose id ends in a counter. Exits with 0 whether there are any or not, 3 if there is no such store.
    """
    with reported():
        gaps = restore(read_kept(store)).engine.gaps()
    if as_json:
        document = {"version": JSON_VERSION, "at": instant(time.time_ns()), "gaps": [_gap(one) for one in gaps]}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_COLUMNS
    console.print(_table(gaps))


def _table(gaps: list[Gap]) -> Any:
    """What rich prints. Text objects only: nothing of a device is read as markup."""
    from rich.table import Table
    from rich.text import Text

    if not gaps:
        return Text("nothing is missing")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("stream", "device", "missing", "last found", "waited for"):
        table.add_column(name, overflow="fold")
    for one in gaps:
        found = instant(one.found) if one.found else ""
        cells = (one.stream, printable(str(one.key)), f"{one.missing:,}", found, f"{one.awaited:,}")
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "stream": gap.stream,
        "key": dict(gap.key.labels),
        "missing": gap.missing,
        "found": instant(gap.found) if gap.found else None,
        "awaited": gap.awaited,
    }
