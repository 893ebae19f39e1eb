"""All that the engine remembers, and its parts as they are stored: a snapshot is a set of named parts.

House rule: whatever changes here is marked, and what is not here is not remembered.
"""

from __future__ import annotations

from typing import Any

import msgspec

from iotrules.engine.lifecycle import RuleState
from iotrules.engine.plan import Plan, compile_rules
from iotrules.engine.timers import Timers
from iotrules.engine.tracks import Seen, Track, TrackState
from iotrules.engine.windows import SampleWindow
from iotrules.language import load_files
from iotrules.model.decisions import Key
from iotrules.model.inputs import Reload
from iotrules.model.rules import RuleSet

TrackName = tuple[str, tuple[str, ...], Key]
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


class OpenInvoke(msgspec.Struct, array_like=True):
    """An invocation whose answer is not in yet: what its effects are named after."""

    rule: str
    key: str
    episode: int
    number: int
    step: int
    function: str


class Settled(msgspec.Struct, array_like=True):
    """How a command ended, and when."""

    outcome: str
    at: int


class Remembered(msgspec.Struct, array_like=True):
    """What handlers remember about a device."""

    version: int = 0
    body: dict[str, Any] = {}


class State:
    """The engine's memory. Only the engine's own modules touch it."""

    def __init__(self) -> None:
        self.files = Reload({})
        self.plan: Plan = compile_rules(RuleSet())
        self.seen: dict[tuple[str, tuple[str, ...]], Seen] = {}
        self.tracks: dict[TrackName, Track] = {}
        self.rules: dict[tuple[str, Key], RuleState] = {}
        self.devices: dict[Key, Remembered] = {}
        self.commands: dict[str, OpenCommand] = {}
        self.invokes: dict[str, OpenInvoke] = {}
        self.settled: dict[str, Settled] = {}
        """Commands with a known outcome, newest last, so that an answer given twice is known for what it is."""
        self._tables: dict[str, tuple[dict[Any, Any], type]] = {
            "seen": (self.seen, Seen),
            "rule": (self.rules, RuleState),
            "device": (self.devices, Remembered),
            "command": (self.commands, OpenCommand),
            "invoke": (self.invokes, OpenInvoke),
            "settled": (self.settled, Settled),
        }
        self.timers: Timers[tuple[str, ...]] = Timers()
        self.changes = 0
        self._dirty: set[Part] = set()

    def mark(self, part: Part) -> None:
        """Note that a part changed: it goes into the next snapshot, and the input that did it into the journal."""
        self.changes += 1
        self._dirty.add(part)

    def load(self, files: Reload) -> None:
        """Use these rule files. RuleError if they don't load; then nothing has changed."""
        self.plan = compile_rules(load_files(files.files))
        self.files = files
        self.mark(("files", ""))

    def track(self, name: TrackName, now: int) -> Track:
        """The track of that name, made if it is new."""
        found = self.tracks.get(name)
        if found is None:
            found = self.tracks[name] = self._new_track(name, now)
        self.mark(("track", name))
        return found

    def rule(self, rule: str, key: Key) -> RuleState:
        found = self.rules.get((rule, key))
        if found is None:
            found = self.rules[rule, key] = RuleState()
        return found

    def _new_track(self, name: TrackName, now: int) -> Track:
        stream, by, key = name
        track = Track(stream, by, key, now)
        plan = self.plan.tracks.get((stream, by))
        if plan is not None:
            track.windows = {buffer.name: SampleWindow(buffer.duration) for buffer in plan.buffers}
        return track

    def take_dirty(self) -> dict[str, bytes | None]:
        """The parts that changed since the last call, encoded; None for those that are gone."""
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
