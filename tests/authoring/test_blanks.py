"""Keys with nothing behind them are refused by the loader and by the schema, at every key of every file that loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator

from iotrules.cli.check import command
from iotrules.language import load_files
from iotrules.language.schema import rule_file_schema
from iotrules.model.errors import Problem, RuleError
from iotrules.yamlfile import parse, to_plain

GOOD = sorted((Path(__file__).parent / "corpus" / "good").glob("*.yaml"))
VALIDATOR = Draft7Validator(rule_file_schema())
HEAD = 'streams: {env: {topic: "a/{device}", fields: {temp: {unit: degC}}}}\nrules:\n'


def keys(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in pairs:
        if isinstance(step, str):
            yield (*path, step)
        yield from keys(inner, (*path, step))


def means_something(document: Any, path: tuple[str | int, ...]) -> bool:
    match path:
        case ("streams", _, "fields", _):
            return True
        case ("rules", name, key):
            return "use" in document["rules"][name] and key not in ("use", "with")
    return "payload" in path


def emptied(document: Any, path: tuple[str | int, ...]) -> Any:
    document = deepcopy(document)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = None
    return document


def problems(text: str) -> list[Problem]:
    try:
        load_files({"r.yaml": text})
    except RuleError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_every_key_of_every_file_is_refused_with_nothing_behind_it(file: Path) -> None:
    document = to_plain(parse(file.read_text(), file.name))
    for path in keys(document):
        if not means_something(document, path):
            text = json.dumps(emptied(document, path), indent=1)
            assert problems(text), path
            assert not VALIDATOR.is_valid(to_plain(parse(text, file.name))), path


@pytest.mark.parametrize(
    ("rule", "column", "key", "hint"),
    [
        ("sequence: , within: 1m", 7, "sequence", "write sequence: [{first: …}, {then: …}]"),
        ("from: env, when: temp > 3, for: ", 34, "for", "leave it out, or write for: 5m"),
        ("absent: env, for: ", 20, "for", "write for: 5m"),
        ("from: env, when: temp > 3, severity: ", 34, "severity", "leave it out, or write severity: major"),
        ("from: env, when: temp > 3, runbook: ~", 34, "runbook", "leave it out, or write what it is"),
        ("from: env, levels: {major: {when: temp > 3, for: null}}", 51, "for", "leave it out, or write for: 5m"),
    ],
)
def test_it_is_told_at_the_key_with_the_remedy(rule: str, column: int, key: str, hint: str) -> None:
    found = problems(f"{HEAD}  a: {{{rule}}}")
    assert [(one.line, one.column) for one in found] == [(3, column)]
    assert (found[0].message, found[0].hint) == (f'"{key}" has nothing behind it', hint)


def test_a_key_beside_use_takes_the_templates_away() -> None:
    template = "  t: {params: {m: {type: number}}, from: env, when: temp > m, clear: temp < m - 1, for: 1m}\n"
    plain = "  s: {from: env, when: temp > 3}\n"
    rules = load_files({"r.yaml": f"{HEAD}{template}  r: {{use: t, with: {{m: 3}}, clear: , for: }}\n{plain}"})
    assert rules.rules["r"].body == rules.rules["s"].body
    assert [one.message for one in problems(f"{HEAD}{template}  r: {{use: t, with: }}\n")] == [
        '"with" has nothing behind it'
    ]


def test_the_command_says_so(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(HEAD + "  a: {sequence: , within: 1m}\n")
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert result.exit_code == 1
    assert '3:7: "sequence" has nothing behind it' in result.output
