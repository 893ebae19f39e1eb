"""`iotrules init`: a directory to begin with, in which editors know the rule language."""

from __future__ import annotations

import os
from pathlib import Path

import click

from iotrules.cli.schema import schema_text

_UNUSABLE = 3
_FIRST = """\
# What arrives, and what to watch. docs/rules.md has the whole language; with the lines above, an editor shows the
# meaning of every key, and what is wrong, while you type.

streams:
  env:                                       # a kind of message, by a name of yours
    topic: site/{site}/dev/{device}/env      # {site} and {device} become labels
    time: {field: ts, format: unix_ms}       # when it was measured; leave it out to use the time of arrival
    interval: 10s                            # how often a device reports
    fields:
      temp: {unit: degC, range: [-40, 150]}  # a value outside counts as missing
      fan:  {one_of: [running, stopped]}

rules:
  too-hot:
    from: env
    when: temp > 85 degC and fan == "running"
    for: 1m                                  # without a break
    clear: temp < 80 degC                    # a line of its own, so that the alert does not flap
    severity: major
    summary: "{device} on site {site} is at {temp:.1f} °C"

  silent:
    absent: env
    for: 3 * interval
    summary: "{device} on site {site} has gone silent"
"""


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path), default=Path())
@click.pass_context
def command(context: click.Context, directory: Path) -> None:
    """Begin a directory of rules: a first rule file, and the schema that editors check rule files by.

    DIRECTORY is made if it is not there. A file that exists is left as it is.

    Exit code 0: done; 3: something can't be written.
    """
    schema = directory / ".iotrules" / "schema.json"
    first = directory / "rules" / "first.yaml"
    try:
        _write(schema, schema_text() + "\n")
        _write(first, editor_lines(first, schema) + _FIRST)
    except OSError as error:
        click.echo(f"error: {error.filename} can't be written: {error.strerror}", err=True)
        context.exit(_UNUSABLE)
    click.echo(f"next: iotrules check {directory / 'rules'}", err=True)


def editor_lines(file: Path, schema: Path) -> str:
    """The first lines of a rule file: where the YAML language server and JetBrains' editors find its schema."""
    relative = Path(os.path.relpath(schema, file.parent)).as_posix()
    return f"# yaml-language-server: $schema={relative}\n# $schema: {relative}\n"


def _write(file: Path, text: str) -> None:
    """Unless it is there already."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        click.echo(f"left as it is: {file}")
    else:
        click.echo(f"wrote: {file}")
