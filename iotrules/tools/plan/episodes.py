"""Episodes of two runs over the same past, side by side: those that only one has, and those that differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from iotrules.model.decisions import Key
from iotrules.tools.plan.past import Episode


@dataclass(frozen=True, slots=True)
class EpisodeChange:
    """`before` None: only the new rules would have it; `after` None: they would not."""

    rule: str
    key: Key
    before: Episode | None
    after: Episode | None

    @property
    def at(self) -> int:
        """When it began, ns."""
        return min(one.opened for one in (self.before, self.after) if one is not None)


def differences(before: Iterable[Episode], after: Iterable[Episode]) -> tuple[EpisodeChange, ...]:
    """By rule and time; what is the same in both is left out."""
    old, new = _grouped(before), _grouped(after)
    found = [change for name in old.keys() | new.keys() for change in _of_one(old.get(name, []), new.get(name, []))]
    return tuple(sorted(found, key=lambda change: (change.rule, change.at, change.key.text)))


def _grouped(episodes: Iterable[Episode]) -> dict[tuple[str, Key], list[Episode]]:
    found: dict[tuple[str, Key], list[Episode]] = {}
    for one in episodes:
        found.setdefault((one.rule, one.key), []).append(one)
    return found


def _of_one(old: list[Episode], new: list[Episode]) -> list[EpisodeChange]:
    """Of one rule and key: what overlaps is one episode that changed."""
    same = set(old) & set(new)
    left = [one for one in new if one not in same]
    found = []
    for one in (one for one in old if one not in same):
        partner = next((other for other in left if _overlap(one, other)), None)
        if partner is not None:
            left.remove(partner)
        found.append(EpisodeChange(one.rule, one.key, one, partner))
    return found + [EpisodeChange(one.rule, one.key, None, one) for one in left]


def _overlap(one: Episode, other: Episode) -> bool:
    return (other.closed is None or one.opened <= other.closed) and (one.closed is None or other.opened <= one.closed)
