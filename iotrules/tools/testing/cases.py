"""What a test file says, checked: cases with the very messages they send, and what they expect.

Instants are offsets from the case's start, in ns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from iotrules.model.decisions import AlertState, Key
from iotrules.model.rules import RuleSet, Severity
from iotrules.yamlfile import Place

Reply: TypeAlias = Literal["succeeded", "failed", "rejected", "none"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One message, as it comes from the device at `at`."""

    at: int
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Restart:
    """The engine is killed at `at` and starts again `down` later; what is sent meanwhile is delivered then."""

    at: int
    down: int

    @property
    def end(self) -> int:
        return self.at + self.down


@dataclass(frozen=True, slots=True)
class Ruling:
    """Somebody approves or rejects the commands of a name that are held for a device at `at`, after its messages."""

    place: Place
    at: int
    action: Literal["approve", "reject"]
    command: str
    key: Mapping[str, str]
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class StateExpected:
    """The alert of a rule and key, or of one level of a ladder, at an instant; None: not looked at."""

    place: Place
    at: int
    rule: str
    key: Key
    state: AlertState
    severity: Severity | None
    level: Severity | None
    held: int | None
    because: str | None
    summary: str | None
    muted: str | bool | None
    """Is the notification of its last transition muted; a text: and why?"""


@dataclass(frozen=True, slots=True)
class Count:
    """So many of a name in the whole case; `outcome` is the last state of each command, `state` one it was in."""

    name: str
    times: int
    outcome: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class CountsExpected:
    """Commands or invocations; none at all if `counts` is empty."""

    place: Place
    kind: Literal["commands", "invocations"]
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class NoAlertsExpected:
    """No alert fires in the whole case."""

    place: Place


@dataclass(frozen=True, slots=True)
class NothingMoreExpected:
    """No alert fires or resolves, no command leaves and no function runs but those that are expected."""

    place: Place


Expected: TypeAlias = StateExpected | CountsExpected | NoAlertsExpected | NothingMoreExpected


@dataclass(frozen=True, slots=True)
class Case:
    """One story. `start` is ns since the Unix epoch, `end` the last instant that is played.

    It is `about` the rules of the file beside it, and those that it expects something of by name.
    """

    file: str
    name: str
    place: Place
    start: int
    end: int
    sent: tuple[Sent, ...]
    restarts: tuple[Restart, ...]
    rulings: tuple[Ruling, ...]
    """In order of time."""
    answers: Mapping[str, Any]
    reply: Reply
    expected: tuple[Expected, ...]
    about: frozenset[str]

    def is_about(self, alert: str) -> bool:
        """Is it the alert of such a rule (`RULE`, `RULE/held` …), or that of a stream's clock?"""
        rule, _, kind = alert.partition("/")
        return rule in self.about or kind == "clock"


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutation that changes nothing anybody could see, by the word of the file's author."""

    place: Place
    change: str
    because: str


@dataclass(frozen=True, slots=True)
class Suite:
    """A test file with the rule file beside it, and all the rules that are loaded with that."""

    file: str
    rule_file: str
    rules: RuleSet
    texts: Mapping[str, str]
    cases: tuple[Case, ...]
    equivalent: tuple[Equivalent, ...]

    @property
    def own_rules(self) -> tuple[str, ...]:
        """The names of the rules in the rule file beside it."""
        return tuple(name for name in self.rules.rules if name in rules_of(self.rules, self.rule_file))


def rules_of(rules: RuleSet, file: str) -> frozenset[str]:
    """The names of the rules that stand in a file."""
    return frozenset(name for name, rule in rules.rules.items() if rule.location.file == file)
