"""All that the engine remembers, and its parts as they are stored: a snapshot is a set of named parts.

House rule: whatever changes here is marked, and what is not here is not remembered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec

from iotrules.engine.amends import Log
from iotrules.engine.bounds import Active, Bounds
from iotrules.engine.decode import digest_of
from iotrules.engine.guarded import Counted, Guarding, GuardWindow, HeldAlert
from iotrules.engine.lifecycle import RuleState
from iotrules.engine.muting import Inhibitions, Notice
from iotrules.engine.plan import Plan, compile_rules
from iotrules.engine.route import MAX_CACHED, Labels
from iotrules.engine.sequences import SequenceState
from iotrules.engine.sources import Source, SourceName, SourceState
from iotrules.engine.stored import Floor, OwnAlert
from iotrules.engine.ties import members_under
from iotrules.engine.timers import Timers
from iotrules.engine.tracks import NEVER, Track, TrackName, TrackState
from iotrules.model.decisions import Decision, Key
from iotrules.model.inputs import Reload
from iotrules.model.rules import Guard, RuleSet

Part = tuple[str, Any]
"""(kind, name within the kind)"""


class OpenCommand(msgspec.Struct, array_like=True):
    """A command whose outcome is not known yet. Times in ns."""

    rule: str
    episode: int
    key: str
    name: str
    issued: int
    expires: int
    ack_within: int
    state: str
    deadline: int
    topic: str = ""
    payload: bytes = b""
    """Kept where it may have to be sent later, or again."""
    retries: int = 0
    repeats: int = 0
    guarding: Guarding | None = None
    note: str = ""
    """Of a held one: who approved it. Empty while it waits."""


class OpenInvoke(msgspec.Struct, array_like=True):
    """An invocation whose answer is not in yet: what its effects are named after."""

    rule: str
    key: str
    episode: int
    number: int
    step: int
    function: str
    guard: Guard | None = None


class Settled(msgspec.Struct, array_like=True):
    """How a command ended, and when."""

    outcome: str
    at: int


class Remembered(msgspec.Struct, array_like=True):
    """What handlers remember about a device."""

    version: int = 0
    body: dict[str, Any] = {}
    at: int = 0
    """Our clock (ns) when it last changed."""


class State:
    """The engine's memory. Only the engine's own modules touch it."""

    def __init__(self, read: Callable[[Reload], RuleSet], *, fused: bool, bounds: Bounds) -> None:
        self._read = read
        self.bounds = bounds
        self._fused = fused
        self.files = Reload({})
        self.plan: Plan = compile_rules(RuleSet())
        self.sources: dict[SourceName, Source] = {}
        self.sources_of: dict[str, dict[SourceName, Source]] = defaultdict(dict)
        """The same, by stream."""
        self.by_topic: dict[str, Source] = {}
        """Sources with a generated function to take their messages; emptied when anything it refers to is replaced."""
        self.tracks: dict[TrackName, Track] = {}
        self.rules: dict[tuple[str, Key], RuleState] = {}
        self.sequences: dict[tuple[str, Key], SequenceState] = {}
        self.devices: dict[Key, Remembered] = {}
        self.commands: dict[str, OpenCommand] = {}
        self.invokes: dict[str, OpenInvoke] = {}
        self.settled: dict[str, Settled] = {}
        """Commands with a known outcome, newest last, so that an answer given twice is known for what it is."""
        self.notices: dict[tuple[str, Key], Notice] = {}
        self.inhibitions = Inhibitions()
        self.own: dict[str, OwnAlert] = {}
        self.floor: dict[str, Floor] = {}
        self.active = Active()
        self.overflowing: set[str] = set()
        """Rules that could not open an alert, in this input."""
        self.full: dict[str, int] = {}
        """Streams in which no key could make room, with `active.ended` as it was then."""
        self.guards: dict[tuple[str, int, str], GuardWindow] = {}
        self.held: dict[tuple[str, str], HeldAlert] = {}
        self.counted: dict[tuple[str, str], Counted] = {}
        self.amends: dict[SourceName, Log] = {}
        """Of streams with `on_late: amend`, what each source's past can be decided on again from."""
        self.amended: list[tuple[SourceName, int]] = []
        """Late samples of this input, by their event times, that were put into those."""
        self._tables: dict[str, tuple[dict[Any, Any], type]] = {
            "rule": (self.rules, RuleState),
            "sequence": (self.sequences, SequenceState),
            "device": (self.devices, Remembered),
            "command": (self.commands, OpenCommand),
            "invoke": (self.invokes, OpenInvoke),
            "settled": (self.settled, Settled),
            "notice": (self.notices, Notice),
            "own": (self.own, OwnAlert),
            "floor": (self.floor, Floor),
            "guard": (self.guards, GuardWindow),
            "held": (self.held, HeldAlert),
            "counted": (self.counted, Counted),
            "amend": (self.amends, Log),
        }
        self.timers: Timers[tuple[str, ...]] = Timers()
        self.waiting: Timers[tuple[str, ...]] = Timers()
        """Sources with samples that wait for older ones; what is due here comes before what is due in `timers`."""
        self.changes = 0
        self.touched: list[Source | Track] = []
        """What a generated function changed since the last snapshot."""
        self._dirty: set[Part] = set()

    def aside(self, plan: Plan) -> State:
        """An empty memory with another plan, for the same devices: to decide on something that is not to count."""
        found = State(self._read, fused=False, bounds=self.bounds)
        found.plan, found.devices = plan, self.devices
        return found

    def mark(self, part: Part) -> None:
        """Note that a part changed: it goes into the next snapshot, and the input that did it into the journal."""
        self.changes += 1
        self._dirty.add(part)

    def load(self, files: Reload) -> None:
        """Use these rule files. RuleError if they don't load; then nothing has changed."""
        self.plan = compile_rules(self._read(files), fused=self._fused)
        self.files = files
        self.by_topic.clear()
        self.full.clear()
        self.mark(("files", ""))

    def track(self, name: TrackName, now: int) -> Track:
        """The track of that name, made if it is new."""
        found = self.tracks.get(name)
        if found is None:
            found = self.tracks[name] = self._new_track(name, now)
            found.restore(TrackState(dict(found.labels), 0, now))
        self.mark(("track", name))
        return found

    def source(self, stream: str, labels: Labels) -> Source:
        """The source of a stream with these captures, made if it is new."""
        name = (stream, tuple(value for _, value in labels))
        found = self.sources.get(name)
        if found is None:
            found = self.sources[name] = Source(name, dict(labels), self.plan.streams[stream].values_of)
            self.sources_of[stream][name] = found
        return found

    def knows_source(self, stream: str, labels: Labels) -> bool:
        return (stream, tuple(value for _, value in labels)) in self.sources

    def publishes(self, topic: str, source: Source) -> None:
        """From its second message on, a source's ordinary messages go to its stream's generated function."""
        plan = self.plan.streams[source.name[0]]
        if source.ahead:
            self.by_topic.pop(topic, None)  # whether its clock is believed again is asked the careful way
        if source.ahead or topic in self.by_topic or source.watermark is None:
            return
        if len(self.by_topic) >= MAX_CACHED:
            self.by_topic.clear()
        keys = [Key(tuple((name, source.labels[name]) for name in track.by)) for track in plan.tracks]
        names = [(plan.stream.name, track.by, key) for track, key in zip(plan.tracks, keys, strict=True)]
        source.tracks = tuple(self.tracks[name] for name in names)
        source.take = plan.taker(tuple(track.plan for track in source.tracks if track.plan is not None))
        self.by_topic[topic] = source

    def leaves(self, source: Source, wall: int | None) -> None:
        """Have the engine woken for the samples of a source that wait; None: there is none."""
        self.waiting.set((source.name[0], *source.name[1]), wall)

    def wake_track(self, track: Track, wall: int | None) -> None:
        """Have the engine woken for this track when our clock shows `wall`; None: not at all."""
        if wall is not None or track.wakes:
            self.timers.set(track.timer, wall)
        track.wakes, track.wake_at = wall is not None, NEVER if wall is None else wall

    def woken(self, name: tuple[str, ...]) -> Track:
        """The track that a timer was set for."""
        _, stream, by, key = name
        return self.tracks[stream, tuple(by.split()), Key.from_text(key)]

    def rule(self, rule: str, key: Key) -> RuleState:
        """What is remembered for a rule and key; a new one is remembered once `keep_rule` says so."""
        found = self.rules.get((rule, key))
        if found is None:
            floor = self.floor.get("")
            found = RuleState() if floor is None else RuleState(episode=floor.episode, number=floor.number)
        return found

    def keep_rule(self, rule: str, key: Key, rule_state: RuleState) -> None:
        """Remember this from now on."""
        self.rules[rule, key] = rule_state
        self.active.note(rule, key, rule_state)
        self.mark(("rule", (rule, key)))

    def refuse(self, rule: str, decision: Decision, *, pending: bool = False) -> None:
        """An alert of the rule is not opened, for there are too many."""
        decision.count("pending_refused" if pending else "episodes_refused", rule)
        self.overflowing.add(rule)

    def forget_track(self, name: TrackName) -> None:
        """Let go of a key, with what its rules remember of it; none of them is active."""
        track = self.tracks.pop(name)
        self.wake_track(track, None)
        self.plan.firings.leave(track)
        self.mark(("track", name))
        for compiled in track.plan.rules if track.plan else ():
            self._forget_rule((compiled.rule.name, name[2]))

    def drop_unheard(self, name: TrackName) -> None:
        """Let go of the key of a device that was never heard, and is expected no more."""
        self.plan.firings.leave(self.tracks.pop(name))
        self.mark(("track", name))

    def _forget_rule(self, name: tuple[str, Key]) -> None:
        found = self.rules.pop(name, None)
        if found is not None:
            floor = self.floor.get("") or Floor()
            self.floor[""] = Floor(max(floor.episode, found.episode), max(floor.number, found.number))
            self.mark(("floor", ""))
            self.mark(("rule", name))
        if self.notices.pop(name, None) is not None:
            self.mark(("notice", name))

    def forget_sequence(self, rule: str, key: Key) -> None:
        """Let go of the runs of a sequence that is not active."""
        del self.sequences[rule, key]
        self.timers.set(("sequence", rule, key.text), None)
        self.mark(("sequence", (rule, key)))
        self._forget_rule((rule, key))

    def forget_source(self, source: Source) -> None:
        """Let go of a topic."""
        stream = self.plan.set.streams[source.name[0]]
        self.by_topic.pop(stream.topic.fill(source.labels), None)
        self.leaves(source, None)
        if self.amends.pop(source.name, None) is not None:
            self.mark(("amend", source.name))
        del self.sources[source.name], self.sources_of[stream.name][source.name]
        self.mark(("seen", source.name))

    def _new_track(self, name: TrackName, now: int) -> Track:
        track = Track(name, self.plan.track_for(name), now)
        self.plan.firings.enter(track)
        track.attributes, track.devices = self.plan.directory.attributes(track.key), self.devices
        if track.ballots is not None:
            track.ballots.registered = self.plan.directory.count_members(track.key, members_under(name[0]))
        track.registered = track.key in self.plan.directory.members(name[1])
        return track

    def take_dirty(self) -> dict[str, bytes | None]:
        """The parts that changed since the last call, encoded; None for those that are gone."""
        for one in self.touched:
            self._dirty.add(("track" if isinstance(one, Track) else "seen", one.name))
            one.dirty = False
        self.touched.clear()
        parts = {_part_name(part): self._encode(part) for part in self._dirty}
        self._dirty.clear()
        return parts

    def restore(self, parts: dict[str, bytes]) -> None:
        """Become what was stored. ValueError, KeyError or msgspec.MsgspecError if it can't be read."""
        named = {_part_of(name): body for name, body in parts.items()}
        for part in sorted(named, key=lambda part: part[0] != "files"):  # tracks need to know their windows
            self._decode(part, named[part])
        by_age = sorted(self.settled.items(), key=lambda item: (item[1].at, item[0]))
        self.settled.clear()
        self.settled.update(by_age)
        self.plan.firings.fill(self.rules)
        self.active.fill(self.rules)
        self._dirty.clear()

    def _encode(self, part: Part) -> bytes | None:
        kind, name = part
        value: Any
        match kind:
            case "files":
                value = self.files
            case "track":
                track = self.tracks.get(name)
                value = None if track is None else track.state()
            case "seen":
                source = self.sources.get(name)
                value = None if source is None else source.state(digest_of)
            case _:
                value = self._tables[kind][0].get(name)
        return None if value is None else msgspec.msgpack.encode(value)

    def _decode(self, part: Part, body: bytes) -> None:
        kind, name = part
        match kind:
            case "files":
                self.load(msgspec.msgpack.decode(body, type=Reload))
            case "track":
                stored = msgspec.msgpack.decode(body, type=TrackState)
                track = self.tracks[name] = self._new_track(name, stored.clock_wall)
                track.restore(stored)
            case "seen":
                stored_source = msgspec.msgpack.decode(body, type=SourceState)
                captures = self.plan.set.streams[name[0]].captures
                self.source(name[0], tuple(zip(captures, name[1], strict=True))).restore(stored_source)
            case _:
                table, type_ = self._tables[kind]
                table[name] = msgspec.msgpack.decode(body, type=type_)


def _part_name(part: Part) -> str:
    """The part's name in the store: JSON, a key as the object of its labels."""
    return msgspec.json.encode(_plain(part)).decode()


def _part_of(name: str) -> Part:
    kind, inner = _unplain(msgspec.json.decode(name))
    return kind, inner


def _plain(name: Any) -> Any:
    match name:
        case Key():
            return dict(name.labels)
        case tuple():
            return [_plain(item) for item in name]
        case _:
            return name


def _unplain(name: Any) -> Any:
    match name:
        case dict():
            return Key(tuple(name.items()))
        case list():
            return tuple(_unplain(item) for item in name)
        case _:
            return name
