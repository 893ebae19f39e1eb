"""`iotrules explain`: what a rule means, in words; or the generated code that decides on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iotrules.cli.failures import reported
from iotrules.cli.options import registry_option, rules_option
from iotrules.cli.sources import read_sources

if TYPE_CHECKING:
    from iotrules.model.rules import RuleSet

JSON_VERSION = 1


@click.command("explain")
@click.argument("name", metavar="RULE")
@rules_option
@registry_option
@click.option("--code", is_flag=True, help="Print instead the function that the engine makes for the rule's stream.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(name: str, rules: Path, registry: Path | None, code: bool, as_json: bool) -> None:
    """Say what a rule means, as the engine takes it: what it looks at and how often, what raises and ends its alert,
    what follows, and what is kept for each key.

    Exits with 3 if the rule files can't be used, or there is no such rule.
    """
    from iotrules.tools.explaining import code_of, explained

    with reported():
        loaded = _load(name, rules, registry)
        if code:
            text = code_of(loaded, name)
            click.echo(
                json.dumps({"version": JSON_VERSION, "rule": name, "code": text}) if as_json else text, nl=as_json
            )
            return
        said = explained(loaded, name)
    if as_json:
        click.echo(json.dumps({"version": JSON_VERSION, "rule": name, "said": said}, ensure_ascii=False))
        return
    for what, words in said:
        click.echo(f"{what:<12}{words}")


def _load(name: str, rules: Path, registry: Path | None) -> RuleSet:
    """The rules of the files; ConfigError if the rule is not among them."""
    from iotrules.language import load_files
    from iotrules.model.errors import ConfigError
    from iotrules.yamlfile import nearest, quoted

    files, devices = read_sources((rules,), registry)
    loaded = load_files(files, devices)
    if name not in loaded.rules:
        hint = nearest(name, loaded.rules) or "; templates are explained by the rules that use them"
        raise ConfigError(f"there is no rule {quoted(name)} in {rules}{hint}")
    return loaded
