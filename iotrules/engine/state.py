"""All that the engine remembers, and its parts as they are stored: a snapshot is a set of named parts.

House rule: whatever changes here is marked, and what is not here is not remembered. What a snapshot in progress waits
for is kept before it changes (`freezing`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec

from iotrules.engine.amends import Log
from iotrules.engine.bounds import Active, Bounds
from iotrules.engine.freezing import Part, Parts, Table, Touched, encode_object, part_name, part_of, part_of_object
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
    """Of one that was held: who approved it and why. Empty while it waits, and for those that never did."""


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
        self.rules: Table[tuple[str, Key], RuleState] = Table("rule", RuleState)
        self.sequences: Table[tuple[str, Key], SequenceState] = Table("sequence", SequenceState)
        self.devices: Table[Key, Remembered] = Table("device", Remembered)
        self.commands: Table[str, OpenCommand] = Table("command", OpenCommand)
        self.invokes: Table[str, OpenInvoke] = Table("invoke", OpenInvoke)
        self.settled: Table[str, Settled] = Table("settled", Settled)
        """Commands with a known outcome, newest last, so that an answer given twice is known for what it is."""
        self.notices: Table[tuple[str, Key], Notice] = Table("notice", Notice)
        self.inhibitions = Inhibitions()
        self.own: Table[str, OwnAlert] = Table("own", OwnAlert)
        self.floor: Table[str, Floor] = Table("floor", Floor)
        self.active = Active()
        self.overflowing: set[str] = set()
        """Rules that could not open an alert, in this input."""
        self.full: dict[str, int] = {}
        """Streams in which no key could make room, with `active.ended` as it was then."""
        self.guards: Table[tuple[str, int, str], GuardWindow] = Table("guard", GuardWindow)
        self.held: Table[tuple[str, str], HeldAlert] = Table("held", HeldAlert)
        self.counted: Table[tuple[str, str], Counted] = Table("counted", Counted)
        self.amends: Table[SourceName, Log] = Table("amend", Log)
        """Of streams with `on_late: amend`, what each source's past can be decided on again from."""
        self.amended: list[tuple[SourceName, int]] = []
        """Late samples of this input, by their event times, that were put into those."""
        self._tables: dict[str, Table[Any, Any]] = {
            "rule": self.rules,
            "sequence": self.sequences,
            "device": self.devices,
            "command": self.commands,
            "invoke": self.invokes,
            "settled": self.settled,
            "notice": self.notices,
            "own": self.own,
            "floor": self.floor,
            "guard": self.guards,
            "held": self.held,
            "counted": self.counted,
            "amend": self.amends,
        }
        self.timers: Timers[tuple[str, ...]] = Timers()
        self.waiting: Timers[tuple[str, ...]] = Timers()
        """Sources with samples that wait for older ones; what is due here comes before what is due in `timers`."""
        self.changes = 0
        self.touched = Touched()
        """The sources and tracks that changed since the last snapshot began. `mark` enters them, or generated code."""
        self._files_changed = False
        self._gone: set[Part] = set()
        """Sources and tracks that were forgotten since the last snapshot began, and are not there again."""
        self._kept: Parts = {}
        """Of the snapshot in progress, what is encoded and not yet taken."""
        self._waiting: Touched = Touched()
        """What it waits for of what was touched before it began, and of what was gone."""
        self._waiting_gone: set[Part] = set()

    def aside(self, plan: Plan) -> State:
        """An empty memory with another plan, for the same devices: to decide on something that is not to count."""
        found = State(self._read, fused=False, bounds=self.bounds)
        found.plan, found.devices = plan, self.devices
        return found

    def mark(self, part: Part) -> None:
        """Note that a part changed: it goes into the next snapshot, and the input that did it into the journal.

        A source or track is marked before it changes.
        """
        self.changes += 1
        kind, name = part
        if kind in self._tables:
            self._tables[kind].mark(name)
            return
        found = self.tracks.get(name) if kind == "track" else self.sources.get(name)
        if found is None:
            self._gone.add(part)
        elif found.dirty is not self.touched:
            self.touched.take(found)

    def load(self, files: Reload) -> None:
        """Use these rule files. RuleError if they don't load; then nothing has changed."""
        self.plan = compile_rules(self._read(files), fused=self._fused)
        self.files = files
        self.by_topic.clear()
        self.full.clear()
        self.changes += 1
        self._files_changed = True

    def track(self, name: TrackName, now: int) -> Track:
        """The track of that name, made if it is new."""
        found = self.tracks.get(name)
        if found is None:
            found = self.tracks[name] = self._new_track(name, now)
            found.restore(TrackState(dict(found.labels), 0, now))
            self._begin_again(found)
        self.mark(("track", name))
        return found

    def source(self, stream: str, labels: Labels) -> Source:
        """The source of a stream with these captures, made if it is new."""
        name = (stream, tuple(value for _, value in labels))
        found = self.sources.get(name)
        if found is None:
            found = self.sources[name] = Source(name, dict(labels), self.plan.streams[stream].values_of)
            self.sources_of[stream][name] = found
            self._begin_again(found)
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
        self.waiting.set(self._captured(source), wall)

    def _captured(self, source: Source) -> tuple[str, ...]:
        return source.name[0], *source.name[1]

    def wake_track(self, track: Track, wall: int | None) -> None:
        """Have the engine woken for this track when our clock shows `wall`; None: not at all."""
        if wall is not None or track.wakes:
            self.timers.set(track.timer, wall)
        track.wakes, track.wake_at = wall is not None, NEVER if wall is None else wall

    def woken(self, name: tuple[str, ...]) -> Track:
        """The track that a timer was set for."""
        _, stream, by, key = name
        track = self.tracks[stream, tuple(by.split()), Key.from_text(key)]
        self.touched.freeze(track)
        return track

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
        self.let_go(track)
        for compiled in track.plan.rules if track.plan else ():
            self._forget_rule((compiled.rule.name, name[2]))

    def drop_unheard(self, name: TrackName) -> None:
        """Let go of the key of a device that was never heard, and is expected no more."""
        track = self.tracks.pop(name)
        self.plan.firings.leave(track)
        self.let_go(track)

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
        self.timers.set(("gap", *self._captured(source)), None)
        del self.sources[source.name], self.sources_of[stream.name][source.name]
        self.let_go(source)

    def let_go(self, one: Source | Track) -> None:
        """A source or track is not there any more; it may come again."""
        self.touched.freeze(one)
        one.dirty = None
        self.mark(part_of_object(one))

    def _begin_again(self, one: Source | Track) -> None:
        """A source or track is new. Where one of that name was forgotten before, nothing of that one may be left."""
        part = part_of_object(one)
        if part in self._waiting_gone:
            self._waiting_gone.discard(part)
            self._kept[part_name(part)] = None
        if part in self._gone:
            self._gone.discard(part)
            self.touched.take(one)

    def _new_track(self, name: TrackName, now: int) -> Track:
        track = Track(name, self.plan.track_for(name), now)
        self.plan.firings.enter(track)
        track.attributes, track.devices = self.plan.directory.attributes(track.key), self.devices
        if track.ballots is not None:
            track.ballots.registered = self.plan.directory.count_members(track.key, members_under(name[0]))
        track.registered = track.key in self.plan.directory.members(name[1])
        return track

    def begin_snapshot(self) -> None:
        """From now on `take_parts` gives what changed since the last snapshot began, as it is now."""
        self.keep_all()
        self.touched.part_from_before()
        self._waiting = self.touched
        self.touched = Touched(self._waiting, self._keep)
        self._waiting_gone, self._gone = self._gone, set()
        for table in self._tables.values():
            table.begin(self._kept)
        if self._files_changed:
            self._kept[part_name(("files", ""))] = msgspec.msgpack.encode(self.files)
        self._files_changed = False

    def take_parts(self, size: int) -> Parts:
        """Further parts of the snapshot in progress, until they are `size` bytes; none: it is complete."""
        found: Parts = {}
        while size > 0:
            if self._kept:
                name, body = self._kept.popitem()
                found[name] = body
                size -= len(name) + len(body or b"")
            elif not self._keep_next():
                break
        return found

    def keep_all(self) -> None:
        """Encode all that the snapshot in progress still waits for: what comes changes everything."""
        while self._keep_next():
            pass

    def _keep_next(self) -> bool:
        """Encode one more part of those that the snapshot in progress waits for; False if there are none."""
        if self._waiting:
            one = self._waiting.pop()
            if one.dirty is self._waiting:
                self._keep(one)
            return True
        if self._waiting_gone:
            self._kept[part_name(self._waiting_gone.pop())] = None
            return True
        return any(table.keep_next() for table in self._tables.values())

    def _keep(self, one: Source | Track) -> None:
        self._kept[part_name(part_of_object(one))] = encode_object(one)
        one.dirty = None

    def restore(self, parts: dict[str, bytes]) -> None:
        """Become what was stored. ValueError, KeyError or msgspec.MsgspecError if it can't be read."""
        named = {part_of(name): body for name, body in parts.items()}
        for part in sorted(named, key=lambda part: part[0] != "files"):  # tracks need to know their windows
            self._decode(part, named[part])
        by_age = sorted(self.settled.items(), key=lambda item: (item[1].at, item[0]))
        self.settled.clear()
        self.settled.update(by_age)
        self.plan.firings.fill(self.rules)
        self.active.fill(self.rules)
        self.touched = Touched()
        self._gone.clear()
        self._files_changed = False
        for table in self._tables.values():
            table.forget_changes()

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
                self._tables[kind].decode(name, body)
