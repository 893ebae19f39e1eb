"""Problems with files, as people and programs read them: text, JSON, GitHub's workflow commands, SARIF 2.1.0."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import click

from iotrules import __version__
from iotrules.model.errors import Problem

FORMATS = ("text", "json", "github", "sarif")
JSON_VERSION = 1
"""Raised when a key of the JSON document changes its meaning or goes; new keys may come at any time."""

_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_COLORS = {"error": "red", "warning": "yellow", "note": "blue"}

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="For people, or for programs; with all but text only data is on stdout, words are on stderr.",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A problem, how bad it is, and the kind that it is one of (`L003`; empty: a file that can't be loaded)."""

    problem: Problem
    level: Literal["error", "warning", "note"] = "error"
    code: str = ""


def report(entries: Sequence[Entry], form: str, data: Mapping[str, Any], kinds: Mapping[str, str], end: str) -> None:
    """Print the entries. `data` goes into the JSON beside them, `kinds` (code → text) into SARIF, `end` to people."""
    match form:
        case "json":
            click.echo(_json(entries, data))
        case "github":
            for line in _github(entries):
                click.echo(line)
        case "sarif":
            click.echo(_sarif(entries, kinds))
        case _:
            for entry in entries:
                _show(entry)
    if end:
        say(end, err=form != "text")


def say(text: str, *, err: bool = False) -> None:
    """In color on a terminal only, and not if NO_COLOR is set (no-color.org)."""
    click.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)


def counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _show(entry: Entry) -> None:
    head, _, rest = str(entry.problem).partition("\n")
    if entry.code:
        place = f"{entry.problem.file}:{entry.problem.line}:{entry.problem.column}: "
        head = f"{place}{entry.code} {head.removeprefix(place)}"
    say(click.style(head, fg=_COLORS[entry.level], bold=True) + (f"\n{rest}" if rest else ""))


def _json(entries: Iterable[Entry], data: Mapping[str, Any]) -> str:
    problems = [_plain(entry) for entry in entries]
    return json.dumps({"version": JSON_VERSION, "problems": problems, **data}, indent=2, ensure_ascii=False)


def _plain(entry: Entry) -> dict[str, Any]:
    found = entry.problem
    kind = {"code": entry.code, "level": entry.level} if entry.code else {}
    place = {"file": found.file, "line": found.line, "column": found.column}
    return {**place, **kind, "message": found.message, "hint": found.hint}


def _github(entries: Iterable[Entry]) -> Iterable[str]:
    """Workflow commands, which GitHub shows as annotations beside the line."""
    for entry in entries:
        found = entry.problem
        command = "notice" if entry.level == "note" else entry.level
        title = f",title={_escaped(entry.code, property=True)}" if entry.code else ""
        place = f"file={_escaped(found.file, property=True)},line={found.line},col={found.column}{title}"
        hint = f"\nhint: {found.hint}" if found.hint else ""
        yield f"::{command} {place}::{_escaped(found.message + hint)}"


def _escaped(text: str, *, property: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if property else text


def _sarif(entries: Sequence[Entry], kinds: Mapping[str, str]) -> str:
    """One run of a SARIF 2.1.0 log; columns count characters, as ours do."""
    rules = [{"id": code, "shortDescription": {"text": text}} for code, text in kinds.items()]
    driver = {"name": "iotrules", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(entry, list(kinds)) for entry in entries],
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _result(entry: Entry, codes: Sequence[str]) -> dict[str, Any]:
    found = entry.problem
    code = entry.code or codes[0]
    region = {"startLine": found.line, "startColumn": found.column}
    location = {"physicalLocation": {"artifactLocation": {"uri": _uri(found.file)}, "region": region}}
    message = {"text": found.message + (f"\nhint: {found.hint}" if found.hint else "")}
    return {
        "ruleId": code,
        "ruleIndex": codes.index(code),
        "level": entry.level,
        "message": message,
        "locations": [location],
    }


def _uri(file: str) -> str:
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
