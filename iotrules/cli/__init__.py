"""The command line. Subcommands are imported when they are called, so that `iotrules --help` is quick."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path

import click

from iotrules import __version__

_COMMANDS = {
    "alerts": "show the alerts that are active",
    "broker": "run an MQTT broker on this computer's loopback",
    "check": "find every error in rule files",
    "commands": "show commands, and approve or reject those that are held",
    "dashboard": "serve the page that shows alerts, fleet and devices",
    "deadletters": "show messages that could not be used, take them in again, or drop them",
    "demo": "run everything: broker, engine, functions, simulated fleet, dashboard",
    "explain": "say what a rule means, or show the code that decides on it",
    "gaps": "show how many messages never came, by device",
    "init": "begin a directory of rules, with help for editors",
    "lint": "find what can't be meant in rule files",
    "plan": "say what other rule files would change",
    "run": "run the engine",
    "schema": "print the JSON Schema of rule files, for editors",
    "sim": "run a simulated fleet",
    "store": "verify, repair, export or compact the store",
    "test": "run the cases beside the rules",
    "why": "say why a rule fires, or why it does not",
}


class LazyGroup(click.Group):
    """Knows its subcommands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"iotrules.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            nearest = difflib.get_close_matches(args[0], _COMMANDS, 1)
            if not nearest:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{nearest[0]}'?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="iotrules")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="IOTRULES_CONFIG",
    help="A file that holds the options of all commands (docs/configuration.md).",
)
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Match device telemetry against rules, raise alerts, run handlers, send commands.

    Exit codes: 0 fine, 1 findings or a failed run, 2 wrong usage, 3 files that can't be used, 4 broker, store or port
    not available, 130 interrupted.
    """
    if config is not None:
        from iotrules.cli.settings import read_settings

        ctx.default_map = read_settings(config)
