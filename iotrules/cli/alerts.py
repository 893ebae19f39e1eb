"""`iotrules alerts`: what is pending or firing now, worst first."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from iotrules.cli.failures import INTERRUPTED, reported
from iotrules.cli.options import store_option
from iotrules.dashboard.severity import GLYPHS
from iotrules.model.times import SECOND, duration_words
from iotrules.stores.views import AlertRow, StoreView

JSON_VERSION = 1
PIPE_COLUMNS = 200
"""A file or a pipe has no width: lines of a table are not broken for one."""
WATCH_SECONDS = 1.0


@click.command("alerts")
@store_option
@click.option("--all", "everything", is_flag=True, help="Also those that have resolved.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--watch", is_flag=True, help="Keep showing them until Ctrl-C.")
def command(store: Path, everything: bool, as_json: bool, watch: bool) -> None:
    """Show the active alerts, worst first.

    Exits with 0 whether there are any or not, 3 if there is no such store, 4 if it can't be read.
    """
    if watch and as_json:
        raise click.UsageError("--watch shows a table: leave out --json, or call again and again")
    try:
        with reported():
            asyncio.run(_watch(store, everything) if watch else _show(store, everything, as_json))
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


async def _show(store: Path, everything: bool, as_json: bool) -> None:
    async with StoreView(store) as view:
        alerts = await _alerts(view, everything)
    now = time.time_ns()
    if as_json:
        click.echo(json.dumps(_document(alerts, now), ensure_ascii=False))
    else:
        from rich.console import Console

        console = Console()
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console.width = PIPE_COLUMNS
        console.print(_table(alerts, now))


async def _watch(store: Path, everything: bool) -> None:
    from rich.live import Live

    async with StoreView(store) as view:
        with Live(auto_refresh=False) as live:
            while True:
                live.update(_table(await _alerts(view, everything), time.time_ns()), refresh=True)
                await asyncio.sleep(WATCH_SECONDS)


async def _alerts(view: StoreView, everything: bool) -> list[AlertRow]:
    active = await view.active_alerts()
    return active + (await view.resolved_alerts() if everything else [])


def _table(alerts: Sequence[AlertRow], now: int) -> Any:
    """What rich prints. Text objects only: nothing of a device is read as markup."""
    from rich.table import Table
    from rich.text import Text

    if not alerts:
        return Text("no active alerts")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("severity", "state", "device", "rule", "summary", "since", "age"):
        table.add_column(name, no_wrap=name != "summary", overflow="ellipsis" if name in ("device", "rule") else "fold")
    for alert in alerts:
        table.add_row(*(Text(cell) for cell in _cells(alert, now)))
    return table


def _cells(alert: AlertRow, now: int) -> tuple[str, ...]:
    since = datetime.fromtimestamp(alert.since // SECOND, UTC).astimezone()
    today = datetime.fromtimestamp(now // SECOND, UTC).astimezone().date()
    age = max(0, now - alert.since) // SECOND * SECOND
    return (
        f"{GLYPHS.get(alert.severity, '·')} {alert.severity}",
        alert.state,
        printable(alert.device),
        printable(alert.rule),
        printable(_cause(alert)),
        since.strftime("%H:%M:%S" if since.date() == today else "%Y-%m-%d %H:%M"),
        duration_words(age),
    )


def _cause(alert: AlertRow) -> str:
    cause = alert.summary or alert.reason
    return f"{cause} (muted: {alert.muted})" if alert.muted else cause


def printable(text: str) -> str:
    """`text` with control characters spelled out: a device's name can't move the cursor of a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _document(alerts: Sequence[AlertRow], now: int) -> dict[str, Any]:
    return {"version": JSON_VERSION, "at": instant(now), "alerts": [_alert(alert, now) for alert in alerts]}


def _alert(alert: AlertRow, now: int) -> dict[str, Any]:
    return {
        "rule": alert.rule,
        "key": json.loads(alert.key),
        "device": alert.device,
        "state": alert.state,
        "severity": alert.severity,
        "episode": alert.episode,
        "since": instant(alert.since),
        "updated": instant(alert.updated),
        "age_seconds": max(0, now - alert.since) // SECOND,
        "summary": alert.summary,
        "reason": alert.reason,
        "muted": alert.muted,
    }


def instant(nanoseconds: int) -> str:
    """ISO 8601 in UTC, with ms."""
    at = datetime.fromtimestamp(nanoseconds / SECOND, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
