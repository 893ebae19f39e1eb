"""`iotrules schema`: the JSON Schema of what people write, for editors and other programs."""

from __future__ import annotations

import json

import click


@click.command("schema")
@click.argument("kind", type=click.Choice(["rules"]), default="rules")
def command(kind: str) -> None:
    """Print the JSON Schema (draft-07) of rule files.

    `iotrules init` writes it where editors find it; run this again after an update.
    """
    click.echo(schema_text())


def schema_text() -> str:
    """Of rule files, as it stands in a file, without the last line break."""
    from iotrules.language.schema import rule_file_schema

    return json.dumps(rule_file_schema(), indent=2, ensure_ascii=False)
