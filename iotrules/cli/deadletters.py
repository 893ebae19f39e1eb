"""`iotrules deadletters`: messages that could not be used, with reason and bytes; taken in once more, or dropped.

House rule: nothing of a message reaches a terminal as it is; only `show --raw` gives the very bytes, to stdout.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from iotrules.cli.alerts import PIPE_COLUMNS, instant, printable
from iotrules.cli.failures import reported
from iotrules.cli.options import store_option
from iotrules.model.errors import ConfigError
from iotrules.ports import Chosen
from iotrules.runtime.asking import ask_engine
from iotrules.runtime.control import Json, RefusedError
from iotrules.stores.letters import chosen_rows, newest_rows
from iotrules.stores.views import DeadLetterRow, StoreView
from iotrules.tools.instants import read_instant

JSON_VERSION = 1
AT_ONCE = 1000
"""Numbers named in one request."""

_SHOWN_BYTES = 4096
_HEX_WIDTH = 16


@click.group("deadletters")
def command() -> None:
    """Show messages that could not be used, take them in once more, or drop them."""


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    """--reason, --topic and --since."""
    since = "Received since then: 2026-11-25T14:05:30, 14:05, or 10m ago."
    topic = "Only of this topic; * is any text: 'site/A/*'."
    reason = 'Only for this reason, such as "unknown topic".'
    function = click.option("--since", metavar="TIME", help=since)(function)
    function = click.option("--topic", metavar="TOPIC", default="", help=topic)(function)
    return click.option("--reason", metavar="REASON", default="", help=reason)(function)


@command.command("ls")
@store_option
@_filters
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; payloads in Base64.")
def ls(store: Path, reason: str, topic: str, since: str | None, limit: int, as_json: bool) -> None:
    """Show dead letters, newest first.

    Exits with 0 whether there are any or not, 3 if there is no such store, 4 if it can't be read.
    """
    now = time.time_ns()
    with reported():
        chosen = Chosen(reason=reason, topic=topic, since=_since(since, now))
        letters = asyncio.run(_newest(store, chosen, limit))
    if as_json:
        click.echo(json.dumps(_document(letters, now), ensure_ascii=False))
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_COLUMNS
    console.print(_table(letters))


@command.command("show")
@click.argument("number", type=click.IntRange(1))
@store_option
@click.option("--raw", is_flag=True, help="The bytes as they came, and nothing else, on stdout.")
def show(number: int, store: Path, raw: bool) -> None:
    """Show one dead letter: why it could not be used, and what came.

    Text is shown as text with control characters spelled out, all else as hexadecimal. Exits with 3 if there is no such
    letter.
    """
    with reported():
        letter = asyncio.run(_one(store, number))
    if raw:
        click.echo(letter.payload, nl=False)
        return
    for line in _lines(letter):
        click.echo(line)


def _action(name: str, request: str, help_text: str, tell: Callable[[Json], None]) -> None:
    """A subcommand that has the running engine do something with letters."""

    @command.command(name, help=help_text)
    @click.argument("numbers", metavar="[ID]...", nargs=-1, type=click.IntRange(1))
    @click.option("--all", "everything", is_flag=True, help="All that the filters leave, instead of IDs.")
    @_filters
    @store_option
    @click.option("--by", "who", metavar="NAME", required=True, help="Who decides.")
    @click.option("--why", metavar="TEXT", default="", help="For those who read it later.")
    def act(
        numbers: tuple[int, ...],
        everything: bool,
        reason: str,
        topic: str,
        since: str | None,
        store: Path,
        who: str,
        why: str,
    ) -> None:
        if everything == bool(numbers):
            raise click.UsageError("name letters by their IDs, or say --all, with --reason, --topic or --since")
        if numbers and (reason or topic or since):
            raise click.UsageError("--reason, --topic and --since go with --all")
        with reported():
            fields = {"reason": reason, "topic": topic, "since": _since(since, time.time_ns()), "who": who, "why": why}
            done = _in_portions(store, request, numbers, fields)
        tell(done)
        unknown = sorted(set(numbers) - set(done["gone"]) - {number for number, _, _ in done["stay"]})
        for number in unknown:
            click.echo(f"there is no dead letter {number}", err=True)
        if unknown or done["stay"] or not (done["gone"] or everything):
            raise SystemExit(1)


def _tell_replayed(done: Json) -> None:
    for number, reason, detail in done["stay"]:
        click.echo(f"{number} stays: {printable(reason)}: {printable(detail)}", err=True)
    outcomes = ", ".join(f"{count} {word}" for word, count in sorted(done["outcomes"].items()))
    taken = f"{len(done['gone'])} taken in" + (f" ({outcomes})" if outcomes else "")
    click.echo(f"{taken}, {len(done['stay'])} stay", err=True)


def _tell_dropped(done: Json) -> None:
    click.echo(f"{len(done['gone'])} dropped", err=True)


_action(
    "replay",
    "replay",
    "Have the engine take in dead letters once more, oldest first, as if they came now.\n\n"
    "One that is used now is no dead letter any more; one that still can't be used stays with its newest reason. "
    "Exits with 0 if none stays, 1 if one does or there is none, 4 if no engine is running.",
    _tell_replayed,
)
_action(
    "drop",
    "drop",
    "Throw dead letters away for good; who and why is in the engine's log.\n\n"
    "Exits with 0 when that is durable, 1 if there is no such letter, 4 if no engine is running.",
    _tell_dropped,
)


def _in_portions(store: Path, request: str, numbers: Sequence[int], fields: dict[str, Any]) -> Json:
    """Ask until everything is done; what all answers say together."""
    done: Json = {"gone": [], "stay": [], "outcomes": {}}
    ordered = sorted(set(numbers))
    chosen: list[list[int] | None] = [ordered[start : start + AT_ONCE] for start in range(0, len(ordered), AT_ONCE)]
    for portion in chosen or [None]:
        after: int | None = 0
        upto: int | None = None
        while after is not None:
            answer = _ask(store, request, {**fields, "numbers": portion, "after": after, "upto": upto})
            after, upto = answer["after"], answer["upto"]
            done["gone"] += answer["gone"]
            done["stay"] += answer["stay"]
            for word, count in answer["outcomes"].items():
                done["outcomes"][word] = done["outcomes"].get(word, 0) + count
    return done


def _ask(store: Path, request: str, fields: dict[str, Any]) -> Json:
    try:
        return ask_engine(store, request, **fields)
    except RefusedError as error:
        click.echo(f"error: {printable(str(error))}", err=True)
        raise SystemExit(1) from error


def _since(text: str | None, now: int) -> int:
    return 0 if text is None else read_instant(text.removesuffix(" ago"), now)


async def _newest(store: Path, chosen: Chosen, limit: int) -> list[DeadLetterRow]:
    async with StoreView(store) as view:
        return await newest_rows(view, chosen, limit)


async def _one(store: Path, number: int) -> DeadLetterRow:
    async with StoreView(store) as view:
        rows = await chosen_rows(view, Chosen((number,)), 0, 1)
    if not rows:
        raise ConfigError(f"there is no dead letter {number}: `iotrules deadletters ls` shows those that there are")
    return rows[0]


def _table(letters: Sequence[DeadLetterRow]) -> Any:
    """What rich prints. Text objects only: nothing of a message is read as markup."""
    from rich.table import Table
    from rich.text import Text

    if not letters:
        return Text("no dead letters")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "received", "topic", "bytes", "reason", "detail"):
        table.add_column(name, no_wrap=name in ("id", "received", "bytes"), overflow="fold")
    for one in letters:
        cells = (str(one.id), instant(one.received), one.topic, str(len(one.payload)), one.reason, one.detail[:300])
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _lines(letter: DeadLetterRow) -> list[str]:
    head = {
        "id": str(letter.id),
        "received": instant(letter.received),
        "topic": printable(letter.topic),
        "reason": printable(letter.reason),
        "detail": printable(letter.detail),
        "bytes": f"{len(letter.payload)}",
    }
    rest = len(letter.payload) - _SHOWN_BYTES
    shown = letter.payload[:_SHOWN_BYTES]
    more = [f"… {rest} bytes more: --raw gives all of them"] if rest > 0 else []
    return [f"{name:<9} {value}" for name, value in head.items()] + ["", *_payload_lines(shown), *more]


def _payload_lines(payload: bytes) -> list[str]:
    """Text as text, control characters spelled out; what is no text as hexadecimal beside what of it can be read."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return _hex_lines(payload)
    if "\x00" in text:
        return _hex_lines(payload)
    return [printable(line) for line in text.split("\n")]


def _hex_lines(payload: bytes) -> list[str]:
    starts = range(0, len(payload), _HEX_WIDTH)
    return [_hex_line(start, payload[start : start + _HEX_WIDTH]) for start in starts]


def _hex_line(start: int, row: bytes) -> str:
    readable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
    return f"{start:08x}  {row.hex(' '):<{_HEX_WIDTH * 3}} {readable}"


def _document(letters: Sequence[DeadLetterRow], now: int) -> dict[str, Any]:
    return {"version": JSON_VERSION, "at": instant(now), "dead_letters": [_letter(row) for row in letters]}


def _letter(row: DeadLetterRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "received": instant(row.received),
        "topic": row.topic,
        "reason": row.reason,
        "detail": row.detail,
        "bytes": len(row.payload),
        "payload_base64": base64.b64encode(row.payload).decode(),
    }
