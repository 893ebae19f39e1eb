"""The device registry in the engine: attributes by key, and devices that are expected before they were ever heard.

House rule: a device of the registry has a track from the moment the engine knows of it, whose clock is ours until its
first message. Only rules about silence look at a track without a sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from iotrules.model.decisions import Key
from iotrules.model.expression import StateRef, Value
from iotrules.model.registry import Registry
from iotrules.model.rules import Absence

if TYPE_CHECKING:
    from iotrules.engine.plan import CompiledRule, Plan
    from iotrules.engine.state import State
    from iotrules.engine.tracks import Track, TrackName

NO_ATTRIBUTES: Mapping[str, Value] = {}
NOTHING_REMEMBERED: Mapping[str, Any] = {}
_TYPES = {"number": "a number", "text": "text", "flag": "true or false"}


class Directory:
    """Look-ups in one registry, each O(1) but for the first `members` of a way of keying."""

    __slots__ = ("_counts", "_members", "_registry")

    def __init__(self, registry: Registry | None) -> None:
        self._registry = registry
        self._members: dict[tuple[str, ...], dict[Key, None]] = {}
        self._counts: dict[tuple[tuple[str, ...], tuple[str, ...]], Counter[tuple[str, ...]]] = {}

    def attributes(self, key: Key) -> Mapping[str, Value]:
        """What is known of the key's device; nothing where it has no row, or the key lacks a label of the registry."""
        if self._registry is None:
            return NO_ATTRIBUTES
        labels = dict(key.labels)
        row = tuple(labels.get(name, "") for name in self._registry.labels)
        return self._registry.devices.get(row, NO_ATTRIBUTES)

    def count(self, label: str, value: str) -> int:
        """How many devices have this value of a label; without a label, how many there are."""
        if self._registry is None:
            return 0
        if label not in self._registry.labels:
            return len(self._registry.devices)
        place = self._registry.labels.index(label)
        return sum(row[place] == value for row in self._registry.devices)

    def members(self, by: tuple[str, ...]) -> Mapping[Key, None]:
        """The keys of all devices, in the order of the file; none where `by` has a label that the registry has not."""
        found = self._members.get(by)
        if found is None:
            found = self._members[by] = dict.fromkeys(self._keys(by))
        return found

    def count_members(self, group: Key, by: tuple[str, ...]) -> int:
        """How many devices of the registry, told apart by the labels `by`, are members of a group; 0 if unknown."""
        names = tuple(name for name, _ in group.labels)
        found = self._counts.get((by, names))
        if found is None:
            labels = (dict(key.labels) for key in self.members(by))
            found = self._counts[by, names] = Counter(tuple(one[name] for name in names) for one in labels)
        return found[tuple(value for _, value in group.labels)]

    def _keys(self, by: tuple[str, ...]) -> Iterator[Key]:
        if self._registry is None or not set(by) <= set(self._registry.labels):
            return
        places = [self._registry.labels.index(name) for name in by]
        for row in self._registry.devices:
            yield Key(tuple((name, row[place]) for name, place in zip(by, places, strict=True)))


def expected(compiled: CompiledRule, directory: Directory) -> Mapping[Key, None]:
    """The keys whose silence the rule is about, by the registry."""
    body = compiled.rule.body
    return directory.members(compiled.rule.by) if isinstance(body, Absence) and body.registered else {}


def newly_expected(state: State, before: Plan, now: int) -> None:
    """Let time begin for devices that the registry (or a rule about silence) has brought in."""
    for name, compiled in state.plan.rules.items():
        known = _expected_before(name, before)
        for key in expected(compiled, state.plan.directory):
            track_name = (compiled.rule.stream, compiled.rule.by, key)
            track = state.tracks.get(track_name)
            if track is None:
                _expect(state, compiled, track_name, now)
            elif key not in known:
                _expect_again(state, compiled, track, now)


def _expect(state: State, compiled: CompiledRule, name: TrackName, now: int) -> None:
    state.track(name, now).clock = now
    rule_state = state.rules.get((compiled.rule.name, name[2]))
    if rule_state is not None and rule_state.observed > now:  # by the clock of a device that is not known any more
        rule_state.observed = now
        state.mark(("rule", (compiled.rule.name, name[2])))


def _expect_again(state: State, compiled: CompiledRule, track: Track, now: int) -> None:
    """A device that was given up, or decommissioned, is back in the registry: its silence counts from now."""
    rule_state = state.rule(compiled.rule.name, track.key)
    if not rule_state.active and rule_state.observed >= given_up_at(compiled, track):
        rule_state.observed = track.clock_at(now)
        state.keep_rule(compiled.rule.name, track.key, rule_state)


def no_longer_expected(state: State, before: Plan) -> Iterator[tuple[CompiledRule, Key]]:
    """Each rule about silence with the keys that were taken out of the registry it goes by."""
    for name, compiled in state.plan.rules.items():
        now_expected = expected(compiled, state.plan.directory)
        body = compiled.rule.body
        for key in _expected_before(name, before):
            if (
                key not in now_expected
                and isinstance(body, Absence)
                and (body.registered or _is_unheard(state, compiled, key))
            ):
                yield compiled, key


def _is_unheard(state: State, compiled: CompiledRule, key: Key) -> bool:
    track = state.tracks.get((compiled.rule.stream, compiled.rule.by, key))
    return track is not None and not track.sampled


def give_up(state: State, compiled: CompiledRule, key: Key) -> None:
    """Expect a device that was heard no more until it is heard again."""
    track = state.tracks.get((compiled.rule.stream, compiled.rule.by, key))
    if track is not None and track.sampled:
        rule_state = state.rule(compiled.rule.name, key)
        rule_state.observed = given_up_at(compiled, track)
        state.keep_rule(compiled.rule.name, key, rule_state)


def forget_unheard(state: State) -> None:
    """Drop the tracks of devices that were never heard and that no rule expects any more."""
    wanted: dict[TrackName, None] = {}
    for compiled in state.plan.rules.values():
        keys = expected(compiled, state.plan.directory)
        wanted |= dict.fromkeys((compiled.rule.stream, compiled.rule.by, key) for key in keys)
    for name in [name for name, track in state.tracks.items() if not track.sampled and name not in wanted]:
        state.drop_unheard(name)


def _expected_before(rule: str, before: Plan) -> Mapping[Key, None]:
    compiled = before.rules.get(rule)
    return {} if compiled is None else expected(compiled, before.directory)


def given_up_at(compiled: CompiledRule, track: Track) -> int:
    """The event time at which a silent key is not expected any more, where no registry says so."""
    body = compiled.rule.body
    return track.clock + (body.seen_within if isinstance(body, Absence) else 0)


def revise(state: State, key: Key, now: int) -> None:
    """What functions persisted for the key has changed: that counts from now on."""
    for stream, by in state.plan.tracks:
        track = state.tracks.get((stream, by, key))
        if track is not None:
            state.mark(("track", (stream, by, key)))
            track.revised = track.clock_at(now)


def read_state(node: StateRef, remembered: Callable[[], Mapping[str, Any]], faults: list[str]) -> Value | None:
    """What functions persisted for the key; None if nothing, or something of another type, which is a fault."""
    found = remembered().get(node.name)
    value = scalar(found)
    if found is None or (value is not None and node.type in (None, _type_of(value))):
        return value
    if node.type is None:
        return True  # a list or an object: it is there, and only has() asks
    faults.append(f"state.{node.name} is not {_TYPES[node.type]}")
    return None


def scalar(found: Any) -> Value | None:
    """What functions persisted under a name as a value of the language; None for a list, an object, or nothing."""
    if isinstance(found, bool | str):
        return found
    try:
        return float(found) if isinstance(found, int | float) else None
    except OverflowError:
        return None


def _type_of(value: Value) -> str:
    return "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
