"""The demo on the terminal: a live view where there is one, a line for each event elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from iotrules.model.decisions import Key
from iotrules.model.times import SECOND
from iotrules.stores.views import AlertRow, CommandRow, InvocationRow, StoreView, TransitionRow

GLYPHS = {"critical": "◆", "major": "▲", "minor": "●", "info": "○"}
STYLES = {"critical": "bold magenta", "major": "dark_orange", "minor": "yellow", "info": "blue"}
EVENTS_SHOWN = 12


class Screen(Protocol):
    async def update(self, view: StoreView) -> None:
        """Show what the store says now."""
        ...


@contextmanager
def open_screen(console: Console, address: str) -> Iterator[Screen]:
    """A live view on a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield _View(live, address)


class _Lines:
    """Prints each event once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: set[tuple[int, str]] = set()

    async def update(self, view: StoreView) -> None:
        for at, text, _ in reversed(await _events(view, 200)):
            if (at, text) not in self._seen:
                self._seen.add((at, text))
                self._console.print(f"{_clock(at)} {text}", markup=False, highlight=False, soft_wrap=True)


class _View:
    """Counts, active alerts, the last events."""

    def __init__(self, live: Live, address: str) -> None:
        self._live = live
        self._address = address

    async def update(self, view: StoreView) -> None:
        totals = await view.totals()
        counts = Text.assemble(
            ("iotrules demo", "bold"),
            f"   {self._address}   Ctrl-C ends it\n",
            f"messages {totals.counters.get('received', 0)}   alerts {sum(totals.active.values())}   ",
            f"invocations {sum(totals.invocations.values())}   commands {sum(totals.commands.values())}   ",
            f"dead letters {totals.dead_letters}",
        )
        alerts = _alert_table(await view.active_alerts(limit=15))
        events = _event_table(await _events(view, EVENTS_SHOWN))
        self._live.update(Group(counts, alerts, events))


def _alert_table(alerts: Sequence[AlertRow]) -> RenderableType:
    if not alerts:
        return Text("\nno alerts", style="dim")
    table = Table("", "state", "device", "rule", "what", box=None, pad_edge=False, title_justify="left")
    for alert in alerts:
        style = STYLES.get(alert.severity, "")
        table.add_row(
            Text(f"{GLYPHS.get(alert.severity, '?')} {alert.severity}", style=style),
            alert.state,
            Text(alert.device),
            alert.rule,
            Text(alert.summary),
        )
    return table


def _event_table(events: Sequence[tuple[int, str, str]]) -> RenderableType:
    table = Table("", "last events", box=None, pad_edge=False)
    for at, text, style in events:
        table.add_row(Text(_clock(at), style="dim"), Text(text, style=style, overflow="ellipsis", no_wrap=True))
    return table


async def _events(view: StoreView, limit: int) -> list[tuple[int, str, str]]:
    """(time ns, text, style), newest first."""
    events = [_transition_event(row) for row in await view.transitions(limit=limit)]
    events += [_command_event(row) for row in await view.commands(limit=limit)]
    events += [_invocation_event(row) for row in await view.invocations(limit)]
    return sorted(events, key=lambda event: event[0], reverse=True)[:limit]


def _transition_event(row: TransitionRow) -> tuple[int, str, str]:
    style = STYLES.get(row.severity, "") if row.after == "firing" else ""
    device = Key.from_text(row.key).device
    return row.decided, f"alert    {row.rule} {row.after} on {device}: {row.reason}", style


def _command_event(row: CommandRow) -> tuple[int, str, str]:
    detail = f" ({row.detail})" if row.detail else ""
    return row.updated, f"command  {row.name} to {row.device}: {row.state}{detail}", "cyan"


def _invocation_event(row: InvocationRow) -> tuple[int, str, str]:
    cold = ", cold" if row.cold else ""
    outcome = row.outcome if row.outcome == "done" else f"{row.outcome}: {row.detail}"
    return row.at, f"function {row.function}: {outcome} in {row.duration_ms:.1f} ms{cold}", "green"


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND).strftime("%H:%M:%S")
