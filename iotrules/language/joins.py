"""`from` with several streams: which they are, and by which labels their values can be joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iotrules.language.parts import Part
from iotrules.model.rules import Stream
from iotrules.yamlfile import nearest, quoted

MAX_JOINED = 8


def read_streams(part: Part, key: str, names: Sequence[str], known: Mapping[str, Stream | None]) -> list[Stream]:
    """The streams that are named at `key`; none, with the problems noted, if one is unknown or wrong in itself."""
    if not names or len(names) > MAX_JOINED:
        part.wrong(f"a rule joins from 1 to {MAX_JOINED} streams", key, hint="write from: [env, door]")
    for index, name in enumerate(names):
        path = (key, index) if len(names) > 1 else (key,)
        if name not in known:
            hint = f"streams: {', '.join(sorted(known)) or 'none is declared'}"
            part.wrong(f"unknown stream {quoted(name)}{nearest(name, known)}", *path, hint=hint)
        elif name in names[:index]:
            part.wrong(f"{quoted(name)} is here twice", *path)
    found = [stream for name in names if (stream := known.get(name)) is not None]
    return found if len(found) == len(names) == len(set(names)) else []


def shared_captures(streams: Sequence[Stream]) -> tuple[str, ...]:
    """The labels that the topics of all the streams have."""
    first, *others = streams
    return tuple(name for name in first.captures if all(name in stream.captures for stream in others))


def need_by(part: Part, streams: Sequence[Stream]) -> None:
    """Streams are joined by labels that the author chose."""
    shared = shared_captures(streams)
    names = " and ".join(stream.name for stream in streams)
    hint = f"the topics of {names} share {', '.join(shared) or 'no captures'}: say by: [{', '.join(shared)}]"
    part.wrong("a rule over several streams says by which labels their values are joined", "from", hint=hint)
