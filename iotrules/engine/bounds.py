"""How much the engine remembers at most, and which alerts are open: what is kept beyond a bound is counted.

House rule: nothing that devices or rules can do makes the engine's memory grow without end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from iotrules.engine.lifecycle import RuleState
from iotrules.model.decisions import AlertState, Key

SHARE_EVICTED = 100
"""One of so many is evicted at a time, so that making room costs little for each that comes."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Numbers; the defaults are those of docs/operations.md."""

    keys: int = 1_000_000
    """Topics of one stream that are remembered: the one heard longest ago, with nothing active, makes room."""
    episodes: int = 10_000
    """Alerts of one rule that fire: the old are kept, no new one is opened."""
    pending: int = 10_000
    """Alerts of one rule that are pending."""
    devices: int = 1_000_000
    """Devices for which functions persisted something: the one changed longest ago makes room."""
    commands: int = 100_000
    """Commands under way: a further one fails."""
    invocations: int = 100_000
    """Invocations whose answer is not in: a further one is left out."""


class Active:
    """The keys of each rule that are pending or firing: derived from the rest of the state, never stored."""

    __slots__ = ("_firing", "_pending", "ended")

    def __init__(self) -> None:
        self._firing: dict[str, set[Key]] = defaultdict(set)
        self._pending: dict[str, set[Key]] = defaultdict(set)
        self.ended = 0
        """How often an alert ended since the start."""

    def note(self, rule: str, key: Key, found: RuleState) -> None:
        """This is what is remembered of an alert now."""
        self._put(self._firing[rule], key, found.state == AlertState.FIRING.value)
        self._put(self._pending[rule], key, found.state == AlertState.PENDING.value)

    def fill(self, states: Mapping[tuple[str, Key], RuleState]) -> None:
        """Begin anew."""
        self._firing.clear()
        self._pending.clear()
        for (rule, key), found in states.items():
            self.note(rule, key, found)

    def has(self, rule: str, key: Key) -> bool:
        return key in self._firing[rule] or key in self._pending[rule]

    def counts(self, rule: str) -> tuple[int, int]:
        """How many fire, and how many are pending."""
        return len(self._firing[rule]), len(self._pending[rule])

    def is_full(self, rule: str, after: AlertState, bounds: Bounds) -> bool:
        """May no further alert of the rule be in this state?"""
        firing, pending = self.counts(rule)
        if after is AlertState.FIRING:
            return firing >= bounds.episodes
        return after is AlertState.PENDING and pending >= bounds.pending

    def _put(self, keys: set[Key], key: Key, wanted: bool) -> None:
        if wanted:
            keys.add(key)
        elif key in keys:
            keys.remove(key)
            self.ended += 1
