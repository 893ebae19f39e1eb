"""A snapshot of one instant, taken a few parts at a time while the engine goes on.

House rule: what a snapshot waits for is encoded before it changes, and nobody gets hold of it unencoded. To begin a
snapshot costs the same however much is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, overload

import msgspec

from iotrules.engine.decode import digest_of
from iotrules.engine.sources import Source
from iotrules.engine.tracks import Track
from iotrules.model.decisions import Key

N = TypeVar("N", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")

Part = tuple[str, Any]
"""(kind, name within the kind)"""

Parts = dict[str, bytes | None]
"""What is stored: a part's name → it, encoded; None: it is gone."""


class Touched(list[Source | Track]):
    """The sources and tracks that changed since the last snapshot began, each once.

    Of each that `before` has, the list of the snapshot in progress, `keep` is called before it changes.
    """

    def __init__(self, before: Touched | None = None, keep: Callable[[Source | Track], None] | None = None) -> None:
        super().__init__()
        self._before = before
        self._keep = keep

    def take(self, one: Source | Track) -> None:
        """It is going to change. Not to be called for what this list has already."""
        self.freeze(one)
        one.dirty = self
        self.append(one)

    def part_from_before(self) -> None:
        """The snapshot in progress is complete."""
        self._before = self._keep = None

    def freeze(self, one: Source | Track) -> None:
        """Something is going to look at it, which may drop what is too old: what the snapshot needs is kept first."""
        if one.dirty is self._before and self._keep is not None:
            self._keep(one)


class Table(dict[N, V]):
    """All of one kind, by name. What a snapshot in progress waits for is kept before it is given out or changed."""

    def __init__(self, kind: str, type_: type[V]) -> None:
        super().__init__()
        self._kind = kind
        self._type = type_
        self._changed: set[N] = set()
        self._waiting: set[N] = set()
        self._kept: Parts = {}

    def mark(self, name: N) -> None:
        """It changes, or has just changed since it was given out: it goes into the next snapshot."""
        if self._waiting:
            self._keep(name)
        self._changed.add(name)

    def begin(self, kept: Parts) -> None:
        """A snapshot of now begins. What has to be encoded early goes into `kept`."""
        self._waiting, self._changed, self._kept = self._changed, set(), kept

    def keep_next(self) -> bool:
        """Encode one more of those that the snapshot waits for; False if there are none."""
        if not self._waiting:
            return False
        self._keep(next(iter(self._waiting)))
        return True

    def decode(self, name: N, body: bytes) -> None:
        super().__setitem__(name, msgspec.msgpack.decode(body, type=self._type))

    def forget_changes(self) -> None:
        """It is as it was stored."""
        self._changed.clear()

    def __getitem__(self, name: N) -> V:
        if self._waiting:
            self._keep(name)
        return super().__getitem__(name)

    def __setitem__(self, name: N, value: V) -> None:
        if self._waiting:
            self._keep(name)
        super().__setitem__(name, value)

    def __delitem__(self, name: N) -> None:
        if self._waiting:
            self._keep(name)
        super().__delitem__(name)

    @overload
    def get(self, name: N, default: None = None, /) -> V | None: ...
    @overload
    def get(self, name: N, default: V, /) -> V: ...
    @overload
    def get(self, name: N, default: D, /) -> V | D: ...
    def get(self, name: N, default: Any = None, /) -> Any:
        if self._waiting:
            self._keep(name)
        return super().get(name, default)

    @overload
    def pop(self, name: N, /) -> V: ...
    @overload
    def pop(self, name: N, default: V, /) -> V: ...
    @overload
    def pop(self, name: N, default: D, /) -> V | D: ...
    def pop(self, name: N, *default: Any) -> Any:
        if self._waiting:
            self._keep(name)
        return super().pop(name, *default)

    def _keep(self, name: N) -> None:
        if name in self._waiting:
            self._waiting.discard(name)
            value = super().get(name)
            self._kept[part_name((self._kind, name))] = None if value is None else msgspec.msgpack.encode(value)


def part_of_object(one: Source | Track) -> Part:
    return ("track" if isinstance(one, Track) else "seen", one.name)


def encode_object(one: Source | Track) -> bytes:
    return msgspec.msgpack.encode(one.state() if isinstance(one, Track) else one.state(digest_of))


def part_name(part: Part) -> str:
    """The part's name in the store: JSON, a key as the object of its labels."""
    return msgspec.json.encode(_plain(part)).decode()


def part_of(name: str) -> Part:
    """The part that is stored under this name."""
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
