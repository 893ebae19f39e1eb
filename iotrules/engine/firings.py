"""Which rules ask for other rules' alerts, and what they are told: counts of firing keys by the labels asked for.

House rule: all of it follows from the rules and from what is stored, so it is not stored; what changed within an input
waits here until the rules that ask have looked again, and no longer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import NamedTuple

from iotrules.engine.lifecycle import RuleState
from iotrules.engine.muting import Inhibitors
from iotrules.engine.tracks import Track, TrackName
from iotrules.model.decisions import AlertState, Key
from iotrules.model.expression import Firing, firings
from iotrules.model.rules import Rule, conditions_of

Values = tuple[str, ...]


class Change(NamedTuple):
    """An alert began or ceased to fire when our clock showed `wall` (ns)."""

    wall: int
    rule: str
    key_text: str
    firing: bool
    key: Key


class Asker(NamedTuple):
    """A rule that asks for another one's alerts, and what its tracks are kept under."""

    name: str
    stream: str
    by: tuple[str, ...]
    asked: Firing


class Firings:
    """Of one rule set.

    `ranks` are those of rules that ask, and of those that such a rule inhibits: each is above all that it depends on.
    """

    __slots__ = ("_asked", "_askers", "_counted", "_keys", "_queue", "_tracks", "changes", "looks", "ranks", "tables")

    def __init__(self, rules: Collection[Rule], inhibitors: Mapping[str, Inhibitors], kept: Mapping[str, str]) -> None:
        asks = {rule.name: _asked_by(rule) for rule in rules}
        self.ranks = _ranks({name: {one.rule for one in asked} for name, asked in asks.items()}, inhibitors)
        self.tables: dict[Firing, dict[Values, int]] = {one: {} for asked in asks.values() for one in asked}
        """How many keys fire, by the values of the labels asked for; only where some do."""
        self._askers: dict[str, list[Asker]] = defaultdict(list)
        self._asked: dict[str, list[Firing]] = defaultdict(list)
        for one in self.tables:
            self._asked[one.rule].append(one)
        for rule in rules:
            for one in asks[rule.name]:
                self._askers[one.rule].append(Asker(rule.name, kept.get(rule.name, rule.stream), rule.by, one))
        self._keys: dict[tuple[str, tuple[str, ...]], set[tuple[str, ...]]] = defaultdict(set)
        for askers in self._askers.values():
            for asker in askers:
                self._keys[asker.stream, asker.by].add(asker.asked.same)
        self._tracks: dict[tuple[str, tuple[str, ...], tuple[str, ...]], dict[Values, dict[TrackName, Track]]] = {}
        self._counted: set[tuple[str, Key]] = set()
        self.changes: list[Change] = []
        """A heap of what those who ask don't know yet."""
        self.looks: dict[tuple[str, TrackName], tuple[Track, int | None]] = {}
        """Rules that have to look, on a key; and when what they ask for changed, if that is why."""
        self._queue: list[tuple[int, str, str, tuple[str, TrackName]]] = []

    def concerns(self, rule: str) -> bool:
        """Does the rule wait for others, or do others ask for it?"""
        return rule in self.ranks or rule in self._asked

    def fires(self, asked: Firing, labels: Mapping[str, str]) -> bool:
        """What a rule is told that asks, on a key with these labels."""
        return tuple(labels[name] for name in asked.same) in self.tables[asked]

    def fill(self, states: Mapping[tuple[str, Key], RuleState]) -> None:
        """Count anew all that fires."""
        self._counted.clear()
        for table in self.tables.values():
            table.clear()
        for (rule, key), found in states.items():
            if rule in self._asked and found.state == AlertState.FIRING.value:
                self._count(rule, key, 1)

    def enter(self, track: Track) -> None:
        """Rules of this key may ask from now on."""
        for same in self._keys.get(track.name[:2], ()):
            values = _values(track.key, same)
            self._tracks.setdefault((*track.name[:2], same), {}).setdefault(values, {})[track.name] = track

    def leave(self, track: Track) -> None:
        """The key is forgotten."""
        for same in self._keys.get(track.name[:2], ()):
            found, values = self._tracks[(*track.name[:2], same)], _values(track.key, same)
            del found[values][track.name]
            if not found[values]:
                del found[values]

    def note(self, rule: str, key: Key, firing: bool, wall: int) -> None:
        """An alert began or ceased to fire; who asks for it is told once `reread` is called."""
        if rule in self._asked:
            heappush(self.changes, Change(wall, rule, key.text, firing, key))

    def concerned(self, change: Change) -> list[tuple[Track, Asker]]:
        """The keys of rules that ask for this alert, in the order of their names."""
        found = []
        for asker in self._askers[change.rule]:
            places = self._tracks.get((asker.stream, asker.by, asker.asked.same), {})
            for track in places.get(_values(change.key, asker.asked.same), {}).values():
                found.append((track, asker))
        return sorted(found, key=lambda one: (one[1].name, one[0].key.text))

    def apply(self, change: Change) -> None:
        """From now on, those who ask are told."""
        known = (change.rule, change.key) in self._counted
        if known is not change.firing:
            self._count(change.rule, change.key, 1 if change.firing else -1)

    def look(self, track: Track, rule: str, wall: int | None = None) -> None:
        """Have a rule look at a key, after all rules that it asks for. `wall`: what it asks for changed then."""
        name = (rule, track.name)
        before = self.looks.get(name)
        if before is None:
            heappush(self._queue, (self.ranks[rule], rule, track.key.text, name))
        told = [one for one in (wall, before[1] if before else None) if one is not None]
        self.looks[name] = (track, max(told, default=None))

    def pop_look(self) -> tuple[str, Track, int | None]:
        """The next rule that has to look, and where."""
        name = heappop(self._queue)[3]
        return name[0], *self.looks.pop(name)

    def _count(self, rule: str, key: Key, by: int) -> None:
        (self._counted.add if by > 0 else self._counted.discard)((rule, key))
        for asked in self._asked[rule]:
            table, values = self.tables[asked], _values(key, asked.same)
            table[values] = table.get(values, 0) + by
            if not table[values]:
                del table[values]


def _asked_by(rule: Rule) -> list[Firing]:
    found = frozenset[Firing]().union(*(firings(condition) for condition in conditions_of(rule)))
    return sorted(found, key=lambda one: (one.rule, one.same))


def _ranks(asks: Mapping[str, set[str]], inhibitors: Mapping[str, Inhibitors]) -> dict[str, int]:
    """A rule that is inhibited by one that depends on itself does not wait for it."""
    above = {name: set(found) for name, found in asks.items()}
    for name, sources in inhibitors.items():
        for source, _ in sources:
            if not _reaches(source, name, above):
                above[name].add(source)
    ranks: dict[str, int] = {}
    waiting = {name for name, found in asks.items() if found}
    for name in TopologicalSorter(above).static_order():
        ranks[name] = max((1 + ranks[one] for one in above[name]), default=0)
        if above[name] & waiting:
            waiting.add(name)
    return {name: ranks[name] for name in sorted(waiting)}


def _reaches(name: str, other: str, above: Mapping[str, set[str]]) -> bool:
    ways, seen = [name], {name}
    for way in ways:
        found = above[way] - seen
        ways += found
        seen |= found
    return other in seen


def _values(key: Key, same: tuple[str, ...]) -> Values:
    labels = dict(key.labels)
    return tuple(labels[name] for name in same)
