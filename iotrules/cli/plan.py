"""`iotrules plan`: what other rule files would change, before they are used."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import click

from iotrules.cli.alerts import printable
from iotrules.cli.options import registry_option, store_option
from iotrules.cli.sources import read_sources
from iotrules.language.durations import duration
from iotrules.model.errors import IotrulesError
from iotrules.tools.plan import Plan, document, lines, make_plan

_DIFFERENT, _UNUSABLE = 1, 2


class Since(click.ParamType[int]):
    """`24h`, in ns."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The nanoseconds of what was written."""
        try:
            return duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("plan", short_help="say what other rule files would change")
@click.argument("rules", metavar="NEW_RULES", type=click.Path(path_type=Path))
@store_option
@registry_option
@click.option("--since", type=Since(), default="24h", show_default=True, help="How much of the past to play.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def command(context: click.Context, rules: Path, store: Path, registry: Path | None, since: int, as_json: bool) -> None:
    """Compare NEW_RULES with the rules that the engine of this store uses; nothing is written or sent.

    Exits with 0 if no alert and nothing remembered would differ, 1 if something would, 2 if the rules don't load or
    there is no store to compare with.
    """
    try:
        plan = asyncio.run(_plan(store, rules, registry, since))
    except IotrulesError as error:
        click.echo(f"error: {error}", err=True)
        context.exit(_UNUSABLE)
    if as_json:
        click.echo(json.dumps(document(plan), ensure_ascii=False, indent=2))
    else:
        for line in lines(plan):
            click.echo(printable(line))
    context.exit(_DIFFERENT if plan.differs else 0)


async def _plan(store: Path, rules: Path, registry: Path | None, since: int) -> Plan:
    sources = read_sources((rules,), registry)
    return await make_plan(store, sources.files, since, time.time_ns(), sources.registry)
