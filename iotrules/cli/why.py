"""`iotrules why`: why a rule fires for a key, or why it does not."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import click

from iotrules.cli.alerts import printable
from iotrules.cli.failures import reported
from iotrules.cli.options import store_option
from iotrules.tools.instants import read_instant
from iotrules.tools.why import Asked, ask, document, lines
from iotrules.tools.why.keys import parse_labels

_NOT_KNOWN = 1


@click.command("why", short_help="say why a rule fires, or why it does not")
@click.argument("rule")
@click.option("--key", "keys", multiple=True, metavar="site=A,device=b1", help="Whose alert; what is unique is enough.")
@click.option(
    "--at", "instant", metavar="TIME", help="As of then: 2026-11-25T14:05:30, 14:05, or 10m ago.  [default: now]"
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def command(
    context: click.Context, rule: str, keys: tuple[str, ...], instant: str | None, store: Path, as_json: bool
) -> None:
    """Say why RULE fires for a key, or what is lacking and by how much; from the store, whether an engine runs or not.

    Exits with 0 if there is an answer, 1 if no message of the key was ever taken (and the rule is not about the silence
    of a device of the registry), 3 for an unknown rule or store, or an instant that is yet to come.
    """
    now = time.time_ns()
    with reported():
        at = None if instant is None else read_instant(instant, now)
        answer = asyncio.run(ask(store, Asked(rule, parse_labels(keys), at), now))
    if as_json:
        click.echo(json.dumps(document(answer), ensure_ascii=False, indent=2))
    else:
        for line in lines(answer):
            click.echo(printable(line))
    if answer.explanation is not None and not answer.explanation.known:
        context.exit(_NOT_KNOWN)
