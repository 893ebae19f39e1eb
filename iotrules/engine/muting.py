"""Who hears of an alert: what people were told of it, and why they are not told more; pure, in the key's event time.

House rules: muting never changes an alert, a command or a function. A resolve reaches exactly those who heard of the
episode; what was muted and still fires is told once, when nothing mutes it any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum

import msgspec

from iotrules.model.decisions import Key
from iotrules.model.guards import Flapping, Muting
from iotrules.model.rules import Rule
from iotrules.model.times import SECOND, duration_words

Source = tuple[str, tuple[tuple[str, str], ...]]
"""A rule that inhibits, and the labels that it shares with those whom it mutes."""

Inhibitors = tuple[tuple[str, tuple[str, ...]], ...]
"""Of one rule: the rules that inhibit it, each with the labels to compare."""


class Cause(Enum):
    """What mutes a notification; the strongest comes first."""

    INHIBITED = "inhibited"
    FLAPPING = "flapping"
    COOLDOWN = "cooldown"


class Notice(msgspec.Struct, array_like=True):
    """What people know of the alert of one rule and key. Times are event times."""

    told: int | None = None
    """The severity that they were last told of in this episode; None: nobody heard of it."""
    told_at: int | None = None
    """Their newest notification, of this episode or an earlier one."""
    owes: bool = False
    """It fires, and they do not know it as it is now."""
    cause: str = ""
    why: str = ""
    """What muted the newest news, and in words."""
    at: int = 0
    """The newest transition of which they were or could have been told."""
    changes: list[int] = []
    """The newest changes of the alert, no more than what makes flapping."""
    flapping: bool = False
    noticed: bool = False
    """Were they told that it flaps?"""

    def change(self, flapping: Flapping | None, at: int) -> None:
        """The alert fired, ended or moved to another severity."""
        if flapping is None:
            return
        self.changes = [*self.changes, at][-flapping.changes :]
        full = len(self.changes) == flapping.changes
        if not self.flapping and full and at - self.changes[0] <= flapping.within:
            self.flapping, self.noticed = True, False

    def calm_down(self, flapping: Flapping | None, at: int) -> bool:
        """Leave flapping if it has been quiet for long enough at `at`; did it?"""
        if not self.flapping or at < self._quiet_at(flapping):
            return False
        self.flapping, self.noticed, self.changes = False, False, []
        return True

    def muted(self, muting: Muting, at: int, source: Source | None) -> Cause | None:
        """What would mute a notification at `at`; `source` inhibits it then."""
        if source is not None:
            return Cause.INHIBITED
        if self.flapping:
            return Cause.FLAPPING if self.noticed else None  # that it flaps is said once, in a cooldown too
        if muting.cooldown and self.told_at is not None and at < self.told_at + muting.cooldown:
            return Cause.COOLDOWN
        return None

    def mute(self, cause: Cause, why: str) -> None:
        self.cause, self.why = cause.value, why

    def tell(self, severity: int | None, at: int) -> None:
        """They are told: that it fires at this severity, or (None) that it ended."""
        self.told, self.told_at, self.owes = severity, at, False
        self.cause = self.why = ""
        self.noticed = self.flapping

    def end(self) -> None:
        """The episode is over, and nobody is told."""
        self.told, self.owes, self.cause, self.why = None, False, "", ""

    def next_due(self, muting: Muting) -> int | None:
        """The event time at which time alone may change what mutes it."""
        due = []
        if self.flapping:
            due.append(self._quiet_at(muting.flapping))
        if self.owes and self.cause == Cause.COOLDOWN.value:
            due.append((self.told_at or 0) + muting.cooldown)
        return max(self.at, min(due)) if due else None

    def _quiet_at(self, flapping: Flapping | None) -> int:
        newest = self.changes[-1] if self.changes else self.at
        return newest if flapping is None else newest + flapping.within


class Inhibitions:
    """Which sources fire now and whom they mute: derived from the rest of the state, never stored."""

    __slots__ = ("_firing", "_waiting", "freed")

    def __init__(self) -> None:
        self._firing: dict[Source, int] = {}
        self._waiting: dict[Source, set[tuple[str, Key]]] = {}
        self.freed: set[tuple[str, Key]] = set()
        """Alerts whose source ended during this input."""

    def clear(self) -> None:
        self._firing.clear()
        self._waiting.clear()
        self.freed.clear()

    def begin(self, source: Source) -> None:
        self._firing[source] = self._firing.get(source, 0) + 1

    def end(self, source: Source) -> None:
        """One key of the source ended; with the last one those who waited for it are free."""
        left = self._firing.pop(source, 1) - 1
        if left:
            self._firing[source] = left
        else:
            self.freed |= self._waiting.pop(source, set())

    def source_of(self, inhibitors: Inhibitors, labels: Mapping[str, str]) -> Source | None:
        """The first source that fires and mutes a key with these labels."""
        for name, same in inhibitors:
            source = source_named(name, same, labels)
            if source in self._firing:
                return source
        return None

    def wait(self, source: Source, alert: tuple[str, Key]) -> None:
        """Have this alert looked at again when the source has ended."""
        self._waiting.setdefault(source, set()).add(alert)


def source_named(rule: str, same: tuple[str, ...], labels: Mapping[str, str]) -> Source:
    """The source that a rule is for all keys that share these labels."""
    return rule, tuple((name, labels[name]) for name in same)


def words(cause: Cause, notice: Notice, muting: Muting, source: Source | None) -> str:
    """Why it is muted, for people."""
    if source is not None:
        labels = "".join(f" {name}={value}" for name, value in source[1])
        return f"inhibited by {source[0]}{labels}"
    if cause is Cause.COOLDOWN:
        return f"cooldown until {_instant((notice.told_at or 0) + muting.cooldown)}"
    return "flapping"


def flapping_words(flapping: Flapping) -> str:
    return f"flapping: {flapping.changes} changes in {duration_words(flapping.within)}"


def _instant(at: int) -> str:
    """ISO 8601 in UTC, to the second; the ns where no calendar has it."""
    try:
        return f"{datetime.fromtimestamp(at // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return f"{at} ns"


def inhibitors_of(rules: Mapping[str, Rule]) -> dict[str, Inhibitors]:
    """For each rule that is inhibited, by whom. A rule in dry run mutes nobody: that would be to act."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for rule in sorted(rules.values(), key=lambda rule: rule.name):
        inhibit = rule.muting.inhibit
        for target in inhibit.rules if inhibit and not rule.dry_run else ():
            found.setdefault(target, []).append((rule.name, inhibit.same if inhibit else ()))
    return {target: tuple(sources) for target, sources in found.items()}


def rank(rule: str, inhibitors: Mapping[str, Inhibitors]) -> int:
    """How many rules stand above it: at one instant, those that inhibit move first. The loader refuses circles."""
    return max((1 + rank(source, inhibitors) for source, _ in inhibitors.get(rule, ())), default=0)
