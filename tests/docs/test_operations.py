"""docs/operations.md names every command, option of the configuration file, and metric; its example loads."""

from __future__ import annotations

import re
from pathlib import Path

import click
from pydantic import BaseModel

from iotrules.cli import _COMMANDS, main
from iotrules.cli.settings import Settings, read_settings
from iotrules.runtime.metrics import EngineMetrics
from tests.end_to_end.processes import REPOSITORY

TEXT = (REPOSITORY / "docs" / "operations.md").read_text()


def test_every_command_is_described() -> None:
    for name in _COMMANDS:
        assert f"| `iotrules {name}" in TEXT, name


def test_every_metric_is_described_and_no_other() -> None:
    families = {metric.name for metric in EngineMetrics().registry.collect()}
    documented = set(re.findall(r"`(iotrules_\w+?)(?:_total|_info)?`", TEXT))
    assert documented == families


def test_the_example_of_the_configuration_file_loads_and_reaches_the_commands(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    file = tmp_path / "iotrules.yaml"
    file.write_text(example)
    defaults = read_settings(file)
    assert defaults["run"]["broker_ca"] == str(tmp_path / "ca.pem")
    assert defaults["run"]["store"] == "/var/lib/iotrules/store.db"
    context = click.Context(main)
    for command, options in defaults.items():
        found = main.get_command(context, command)
        assert found is not None
        nested = options if isinstance(found, click.Group) else {"": options}
        for name, given in nested.items():
            leaf = found.get_command(context, name) if isinstance(found, click.Group) else found
            assert leaf is not None, (command, name)
            known = {parameter.name for parameter in leaf.params}
            assert given.keys() <= known, (command, name, given.keys() - known)


def test_every_key_of_the_configuration_file_is_in_the_example() -> None:
    for name, field in Settings.model_fields.items():
        assert re.search(rf"^{name}:", TEXT, re.MULTILINE), name
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for key in section.model_fields:
                assert re.search(rf"^  {key}:", TEXT, re.MULTILINE), f"{name}.{key}"
