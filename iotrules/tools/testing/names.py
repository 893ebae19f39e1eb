"""Names of commands and functions that a case counts: they are those that its rules can cause, so that no slip passes.

House rule: a name is known from a step, or from an answer that a case gives for a function. What a real handler may
send is written nowhere: such a name is known once some case of the file expects it to come, which playing that proves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from iotrules.language.parts import Part
from iotrules.model.rules import CommandStep, InvokeStep, Rule, RuleSet
from iotrules.tools.testing.documents import CaseDocument
from iotrules.yamlfile import nearest, quoted

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Caused:
    """What the rules of a case can cause; `calls`: one of their functions is a real handler."""

    commands: frozenset[str]
    functions: frozenset[str]
    calls: bool


def expected_to_come(cases: Iterable[Any]) -> frozenset[str]:
    """The commands that some case of a file expects once or more; `cases` as the file has them."""
    lists = (case.get("expect") for case in cases if isinstance(case, dict))
    return frozenset(
        name
        for one in lists
        for _, name, times in _counts(one if isinstance(one, list) else [], "commands", "name")
        if times
    )


def check_names(part: Part, document: CaseDocument, rules: RuleSet, about: Iterable[str], come: frozenset[str]) -> None:
    """Note the names that nothing in the case can cause. `come`: the commands that the file expects to come."""
    caused = _caused([rules.rules[name] for name in about if name in rules.rules], document)
    for path, name, times in _counts(document.expect, "commands", "name"):
        if name not in caused.commands and not (caused.calls and (times or name in come)):
            known = caused.commands | (come - {name} if caused.calls else frozenset())
            message = f"nothing in this case sends a command {quoted(name)}{nearest(name, known)}"
            part.wrong(message, *path, hint=_hint(name, caused, rules))
    for path, name, _ in _counts(document.expect, "invocations", "function"):
        if name not in caused.functions:
            message = f"no rule of this case invokes {quoted(name)}{nearest(name, caused.functions)}"
            part.wrong(message, *path, hint=f"they invoke {_listed(caused.functions)}")


def _caused(rules: list[Rule], document: CaseDocument) -> _Caused:
    steps = [step for rule in rules for step in rule.steps]
    functions = frozenset(step.function for step in steps if isinstance(step, InvokeStep))
    answered = frozenset(name for one in functions for name in _sent_by(document.answers.get(one)))
    commands = frozenset(step.command for step in steps if isinstance(step, CommandStep))
    return _Caused(commands | answered, functions, bool(functions - document.answers.keys()))


def _sent_by(answer: object) -> Iterator[str]:
    """The commands that an answer asks for."""
    asked = answer.get("commands") if isinstance(answer, dict) else None
    for one in asked if isinstance(asked, list) else []:
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            yield one["name"]


def _counts(expect: list[Any], kind: str, key: str) -> Iterator[tuple[Path, str, int]]:
    """Where a name stands in a case, the name, and how often it is expected."""
    for index, item in enumerate(expect):
        counts = item.get(kind) if isinstance(item, dict) else None
        for place, one in enumerate(counts if isinstance(counts, list) else []):
            if isinstance(one, dict) and isinstance(name := one.get(key), str):
                times = one.get("times", 1)
                yield ("expect", index, kind, place, key), name, times if isinstance(times, int) else 1


def _hint(name: str, caused: _Caused, rules: RuleSet) -> str:
    others = [
        rule.name
        for rule in rules.rules.values()
        if any(isinstance(step, CommandStep) and step.command == name for step in rule.steps)
    ]
    if others:
        return f"rule {others[0]} does: write this beside its rule file, or expect a state of {others[0]} here"
    if caused.calls:
        called = "a command that only a handler sends is known from a case of this file that expects it to come"
        return f"steps and answers send {_listed(caused.commands)}; {called}"
    return f"steps and answers send {_listed(caused.commands)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
