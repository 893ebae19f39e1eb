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
        self.settled: dict[str, str] = {}
        """Commands with a known outcome, newest last, so that an answer given twice is known for what it is."""
        self.timers: Timers[tuple[str, ...]] = Timers()
        self.changes = 0
        self._dirty: set[Part] = set()

    def mark(self, part: Part) -> None:
        """Note that a part changed: it goes into the next snapshot, and the input that did it into the journal."""
        self.changes += 1
        self._dirty.add(part)

    def touch(self, part: Part) -> None:
        """Note that a part belongs into the next snapshot, though nothing changed that the journal has to know."""
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
        """Become what was stored. ValueError or msgspec.MsgspecError if it can't be read."""
        ordered = sorted(parts.items(), key=lambda item: not item[0].startswith('["files"'))
        for name, body in ordered:  # the rule files first: tracks need to know their windows
            kind, inner = msgspec.json.decode(name)
            self._decode(kind, inner, body)

    def _encode(self, part: Part) -> bytes | None:
        kind, name = part
        value: Any
        match kind:
            case "files":
                value = self.files
            case "settled":
                value = self.settled
            case "track":
                track = self.tracks.get(name)
                value = None if track is None else track.state()
            case _:
                value = self._table(kind).get(name)
        return None if value is None else msgspec.msgpack.encode(value)

    def _decode(self, kind: str, name: Any, body: bytes) -> None:
        match kind:
            case "files":
                self.load(msgspec.msgpack.decode(body, type=Reload))
            case "settled":
                self.settled = msgspec.msgpack.decode(body, type=dict[str, str])
            case "track":
                stored = msgspec.msgpack.decode(body, type=TrackState)
                stream, by, key = name
                full: TrackName = (stream, tuple(by), Key.from_text(key))
                track = self.tracks[full] = self._new_track(full, stored.clock_wall)
                track.restore(stored)
            case "seen":
                self.seen[name[0], tuple(name[1])] = msgspec.msgpack.decode(body, type=Seen)
            case "rule":
                self.rules[name[0], Key.from_text(name[1])] = msgspec.msgpack.decode(body, type=RuleState)
            case "device":
                self.devices[Key.from_text(name)] = msgspec.msgpack.decode(body, type=Remembered)
            case "command":
                self.commands[name] = msgspec.msgpack.decode(body, type=OpenCommand)
            case "invoke":
                self.invokes[name] = msgspec.msgpack.decode(body, type=OpenInvoke)
            case _:
                raise ValueError(f"a snapshot part of an unknown kind: {kind}")
        self._dirty.clear()

    def _table(self, kind: str) -> dict[Any, Any]:
        tables: dict[str, dict[Any, Any]] = {
            "seen": self.seen,
            "rule": self.rules,
            "device": self.devices,
            "command": self.commands,
            "invoke": self.invokes,
        }
        return tables[kind]


def _part_name(part: Part) -> str:
    """The part's name in the store: JSON, with keys in their canonical text."""
    kind, name = part
    return msgspec.json.encode((kind, _plain(name))).decode()


def _plain(name: Any) -> Any:
    match name:
        case Key():
            return name.text
        case tuple():
            return [_plain(item) for item in name]
        case _:
            return name
