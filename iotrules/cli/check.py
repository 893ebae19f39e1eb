"""`iotrules check`: are these rule files right? Every problem with its place, its line and a hint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from iotrules.model.errors import Problem
    from iotrules.model.rules import RuleSet
    from iotrules.yamlfile import Node, Scalar

_FUNCTION = "AWS::Serverless::Function"
_HAS_PROBLEMS, _NOTHING_READ = 1, 3


@click.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--functions",
    type=click.Path(path_type=Path),
    metavar="TEMPLATE",
    help="A SAM template: functions that rules invoke must be declared in it.",
)
@click.pass_context
def command(context: click.Context, paths: tuple[Path, ...], functions: Path | None) -> None:
    """Check rule files, or all *.yaml below a directory.

    Exit code 0: all right; 1: there are problems; 3: something could not be read.
    """
    from iotrules.model.errors import ConfigError, FileError

    try:
        files = _read(paths)
        declared = None if functions is None else _functions_file(functions)
    except ConfigError as error:
        click.echo(f"error: {error}", err=True)
        context.exit(_NOTHING_READ)
    except FileError as error:
        _show(error.problems)
        context.exit(_HAS_PROBLEMS)
    rules, problems = _check(files)
    if declared is not None and functions is not None:
        problems += _undeclared(files, declared, str(functions))
    if problems or rules is None:
        _show(problems)
        context.exit(_HAS_PROBLEMS)
    files_word = _counted(len(files), "file")
    click.echo(f"ok: {_counted(len(rules.rules), 'rule')}, {_counted(len(rules.streams), 'stream')} in {files_word}")


def _read(paths: tuple[Path, ...]) -> dict[str, str]:
    from iotrules.language import read_directory

    files: dict[str, str] = {}
    for path in paths:
        files |= read_directory(path)
    return files


def _check(files: Mapping[str, str]) -> tuple[RuleSet | None, list[Problem]]:
    from iotrules.language import load_files
    from iotrules.model.errors import RuleError

    try:
        return load_files(files), []
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
    """A problem for every `invoke:` of a function that the template does not declare."""
    from iotrules.model.errors import FileError
    from iotrules.yamlfile import Source, nearest, parse, quoted

    problems: list[Problem] = []
    for file, text in files.items():
        try:
            invoked = list(_invoked(parse(text, file)))
        except FileError:
            continue  # load_files has said so already
        for node in invoked:
            if node.text not in declared:
                message = f"{template} declares no function {quoted(node.text)}{nearest(node.text, declared)}"
                problems.append(Source.of(text, file).problem(node.place, message))
    return problems


def _invoked(root: Node) -> Iterator[Scalar]:
    from iotrules.yamlfile import Mapping, Scalar, Sequence, node_at

    rules = node_at(root, ["rules"])
    for _, rule in rules.entries if isinstance(rules, Mapping) else ():
        steps = node_at(rule, ["do"])
        for step in steps.items if isinstance(steps, Sequence) else ():
            name = node_at(step, ["invoke"])
            if isinstance(name, Scalar) and isinstance(name.value, str):
                yield name


def _show(problems: list[Problem] | tuple[Problem, ...]) -> None:
    for problem in problems:
        head, _, rest = str(problem).partition("\n")
        _print(click.style(head, fg="red", bold=True) + (f"\n{rest}" if rest else ""))
    files = len({problem.file for problem in problems})
    _print(f"{_counted(len(problems), 'problem')} in {_counted(files, 'file')}")


def _print(text: str) -> None:
    """In color on a terminal only, and not if NO_COLOR is set (no-color.org)."""
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
