"""Errors, told apart by whose fault they are: the rule's author, the device, the handler, the configuration, or us."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class IotrulesError(Exception):
    """Base of every error this project raises on purpose; `str(error)` is fit to be shown to a person."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file, at a place: `line` and `column` count from 1, `source` is the text of that line."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    source: str = ""

    def __str__(self) -> str:
        head = f"{self.file}:{self.line}:{self.column}: {self.message}"
        hint = f"\n    hint: {self.hint}" if self.hint else ""
        if not self.source.strip():
            return head + hint
        return f"{head}\n    {self.source}\n    {' ' * (self.column - 1)}^{hint}"


class FileError(IotrulesError):
    """A file that people write can't be used. Carries every problem found, not the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RuleError(FileError):
    """The author's: a rule file that can't be loaded."""


class ConfigError(IotrulesError):
    """The operator's: a setting, an address or a file given on the command line can't be used."""


class HeldError(ConfigError):
    """Another engine has the store. `certain`: its process was seen to be there; else it may be on another machine."""

    def __init__(self, text: str, *, holder: str, certain: bool) -> None:
        self.holder = holder
        self.certain = certain
        super().__init__(text)


class MessageError(IotrulesError):
    """The device's: a message that can't be read. `reason` is one of a closed set of words, for counting."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class FunctionError(IotrulesError):
    """The handler's: it raised, hung, grew too big, or answered something that can't be used."""

    def __init__(self, kind: str, detail: str) -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(f"{kind}: {detail}")


class StateError(IotrulesError):
    """Ours: the store holds something that it can't hold if the code is right, or was written by a newer version."""


class LostLeaseError(StateError):
    """Another engine has taken over while this one gave no sign of life: what this one remembers counts no more."""


class UnavailableError(IotrulesError):
    """A part the engine needs (broker, disk) is away for now; trying again later is right."""
