"""`iotrules commands`: what devices were told, and what a person decides about commands that a guard has stopped."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from iotrules.cli.alerts import PIPE_COLUMNS, instant, printable
from iotrules.cli.failures import reported
from iotrules.cli.options import store_option
from iotrules.model.decisions import CommandState
from iotrules.model.times import SECOND, duration_words
from iotrules.runtime.asking import ask_engine
from iotrules.runtime.control import RefusedError
from iotrules.stores.views import CommandRow, StoreView

JSON_VERSION = 1
_STATES = [state.value for state in CommandState]


@click.group("commands")
def command() -> None:
    """Show commands, and approve or reject those that are held."""


@command.command("ls")
@store_option
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state: held ones wait for somebody.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def ls(store: Path, state: str | None, limit: int, as_json: bool) -> None:
    """Show commands, newest first.

    Exits with 0 whether there are any or not, 3 if there is no such store, 4 if it can't be read.
    """
    with reported():
        commands = asyncio.run(_read(store, CommandState(state) if state else None, limit))
    now = time.time_ns()
    if as_json:
        click.echo(json.dumps(_document(commands, now), ensure_ascii=False))
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_COLUMNS
    console.print(_table(commands, now, state))


def _decision(name: str, verb: str, help_text: str) -> None:
    """A subcommand by which a person decides about commands that are held."""

    @command.command(name, help=help_text)
    @click.argument("commands", metavar="ID...", nargs=-1, required=True)
    @store_option
    @click.option("--by", "who", metavar="NAME", required=True, help="Who decides.")
    @click.option("--why", metavar="TEXT", default="", help="For those who read it later.")
    def decide(commands: tuple[str, ...], store: Path, who: str, why: str) -> None:
        refused = [one for one in commands if not _ask(store, name, one, who, why, verb)]
        if refused:
            raise SystemExit(1)


_EXITS = "Exits with 0 when all of it is durable, 1 if the engine refused one, 4 if no engine is running."
_decision("approve", "approved", f"Send commands that are held.\n\n{_EXITS}")
_decision("reject", "rejected", f"Never send commands that are held.\n\n{_EXITS}")


def _ask(store: Path, request: str, name: str, who: str, why: str, verb: str) -> bool:
    with reported():
        try:
            ask_engine(store, request, command=name, who=who, why=why)
        except RefusedError as error:
            click.echo(
                f"error: {printable(str(error))}; `iotrules commands ls --state held` shows what waits", err=True
            )
            return False
    click.echo(f"{verb}: {printable(name)}", err=True)
    return True


async def _read(store: Path, state: CommandState | None, limit: int) -> list[CommandRow]:
    async with StoreView(store) as view:
        return await view.commands(state=state, limit=limit)


def _table(commands: Sequence[CommandRow], now: int, state: str | None) -> Any:
    """What rich prints. Text objects only: nothing of a device is read as markup."""
    from rich.table import Table
    from rich.text import Text

    if not commands:
        return Text(f"no commands are {state}" if state else "no commands")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("state", "device", "command", "age", "expires", "detail"):
        table.add_column(name, no_wrap=name != "detail", overflow="fold")
    table.add_column("id", overflow="fold")
    for one in commands:
        table.add_row(*(Text(cell) for cell in _cells(one, now)))
    return table


def _cells(row: CommandRow, now: int) -> tuple[str, ...]:
    left = row.expires - now
    return (
        row.state,
        printable(row.device),
        printable(row.name),
        _whole_seconds(max(0, now - row.issued)),
        f"in {_whole_seconds(left)}" if _is_open(row) and left > 0 else "",
        printable(row.detail),
        printable(row.id),
    )


def _is_open(row: CommandRow) -> bool:
    return row.state in (CommandState.REQUESTED.value, CommandState.HELD.value, CommandState.SENT.value)


def _whole_seconds(nanoseconds: int) -> str:
    return duration_words(nanoseconds // SECOND * SECOND)


def _document(commands: Sequence[CommandRow], now: int) -> dict[str, Any]:
    return {"version": JSON_VERSION, "at": instant(now), "commands": [_command(row) for row in commands]}


def _command(row: CommandRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "detail": row.detail,
        "rule": row.rule,
        "episode": row.episode,
        "key": json.loads(row.key),
        "device": row.device,
        "issued": instant(row.issued),
        "expires": instant(row.expires),
        "updated": instant(row.updated),
    }
