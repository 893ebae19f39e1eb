"""`iotrules check`: are these rule files right? Every problem with its place, its line and a hint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iotrules.cli.options import registry_option
from iotrules.cli.reports import Entry, counted, format_option, report
from iotrules.cli.sources import read_sources

if TYPE_CHECKING:
    from iotrules.model.errors import Problem
    from iotrules.model.inputs import RegistryFile
    from iotrules.model.rules import RuleSet
    from iotrules.yamlfile import Node

_FUNCTION = "AWS::Serverless::Function"
_HAS_PROBLEMS, _NOTHING_READ = 1, 3
KIND = {"rule-file": "a rule file that can't be loaded"}
"""What a problem is an instance of, for SARIF."""


@click.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--functions",
    type=click.Path(path_type=Path),
    metavar="TEMPLATE",
    help="A SAM template: functions that rules invoke must be declared in it.",
)
@registry_option
@format_option
@click.pass_context
def command(
    context: click.Context, paths: tuple[Path, ...], functions: Path | None, registry: Path | None, form: str
) -> None:
    """Check rule files, or all *.yaml below a directory, with the registry of devices that they may read.

    Exit code 0: all right; 1: there are problems; 3: something could not be read.
    """
    from iotrules.model.errors import ConfigError, FileError

    files: Mapping[str, str] = {}
    try:
        files, devices = read_sources(paths, registry)
        declared = None if functions is None else _functions_file(functions)
    except ConfigError as error:
        click.echo(f"error: {error}", err=True)
        context.exit(_NOTHING_READ)
    except FileError as error:
        _report(None, error.problems, len(files), form)
        context.exit(_HAS_PROBLEMS)
    rules, problems = _check(files, devices)
    if declared is not None and functions is not None:
        problems += _undeclared(files, declared, str(functions))
    _report(rules, problems, len(files), form)
    if problems:
        context.exit(_HAS_PROBLEMS)


def _report(rules: RuleSet | None, problems: Sequence[Problem], files: int, form: str) -> None:
    """`rules` is None where the files can't be loaded: then nobody knows how many there are."""
    loaded = None if rules is None else (len(rules.rules), len(rules.streams))
    data = {"rules": loaded and loaded[0], "streams": loaded and loaded[1], "files": files}
    if problems or loaded is None:
        end = problems_in_files(problems)
    else:
        end = f"ok: {counted(loaded[0], 'rule')}, {counted(loaded[1], 'stream')} in {counted(files, 'file')}"
        if rules is not None and rules.registry is not None:
            end += f", {counted(len(rules.registry.devices), 'device')} in {rules.registry.file}"
    report([Entry(problem) for problem in problems], form, data, KIND, end)


def problems_in_files(problems: Sequence[Problem]) -> str:
    files = len({problem.file for problem in problems})
    return f"{counted(len(problems), 'problem')} in {counted(files, 'file')}"


def _check(files: Mapping[str, str], registry: RegistryFile | None) -> tuple[RuleSet | None, list[Problem]]:
    from iotrules.language import load_files
    from iotrules.model.errors import RuleError

    try:
        return load_files(files, registry), []
    except RuleError as error:
        return None, list(error.problems)


def _functions_file(path: Path) -> frozenset[str]:
    """The names of the functions that a SAM template declares: logical ids and FunctionNames."""
    from iotrules.language import read_directory
    from iotrules.model.errors import ConfigError
    from iotrules.yamlfile import Mapping, node_at, parse

    if path.is_dir():
        path = path / "template.yaml"
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: give the SAM template that declares the functions")
    text = read_directory(path)[str(path)]
    resources = node_at(parse(text, str(path)), ["Resources"])
    if not isinstance(resources, Mapping):
        return frozenset()
    return frozenset(name for key, node in resources.entries for name in _function_names(key.text, node))


def _function_names(logical_id: str, resource: Node) -> Iterator[str]:
    from iotrules.yamlfile import Scalar, node_at

    kind = node_at(resource, ["Type"])
    if not isinstance(kind, Scalar) or kind.value != _FUNCTION:
        return
    yield logical_id
    name = node_at(resource, ["Properties", "FunctionName"])
    if isinstance(name, Scalar) and isinstance(name.value, str):
        yield name.value


def _undeclared(files: Mapping[str, str], declared: frozenset[str], template: str) -> list[Problem]:
    """A problem for every function that rules name and the template does not declare."""
    from iotrules.language.invocations import invoked
    from iotrules.yamlfile import nearest, quoted

    return [
        source.problem(node.place, f"{template} declares no function {quoted(node.text)}{nearest(node.text, declared)}")
        for source, node in invoked(files)
        if node.text not in declared
    ]
