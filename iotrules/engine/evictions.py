"""Making room for a new key: the topics of a stream heard longest ago are forgotten, with all that is known of them.

House rule: which ones go depends on what is remembered alone, by when they were heard last, then by name. One with an
alert that is pending or firing stays; where all have one, the new key is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from iotrules.engine.bounds import SHARE_EVICTED
from iotrules.engine.sources import Source
from iotrules.engine.state import State
from iotrules.engine.tracks import TrackName
from iotrules.model.decisions import Decision, Key
from iotrules.model.errors import MessageError


def make_room(state: State, stream: str, decision: Decision) -> None:
    """Have room for one more topic of the stream. MessageError if there can be none."""
    most = state.bounds.keys
    known = state.sources_of[stream]
    if len(known) < most:
        return
    if state.full.get(stream) != state.active.ended:
        wanted = len(known) - most + max(1, most // SHARE_EVICTED)
        users = Counter(name for source in known.values() for name in _names(state, source))
        for source in sorted(known.values(), key=lambda one: (one.wall, one.name)):
            if wanted and not _is_busy(state, source, users):
                abandon(source, decision)
                _forget(state, source, users)
                wanted -= 1
                decision.count("keys_evicted", stream)
    if len(known) >= most:
        state.full[stream] = state.active.ended
        decision.count("keys_refused", stream)
        raise MessageError("too many keys", f"{len(known)} keys of {stream} are known, and all have an active alert")


def abandon(source: Source, decision: Decision) -> None:
    """Count the samples that wait for older ones at a source that goes: nobody will decide on them."""
    if source.held:
        decision.count("waiting", source.name[0], by=-len(source.held))
        decision.count("abandoned", source.name[0], by=len(source.held))


def _sequences(state: State, source: Source, users: Counter[TrackName]) -> list[tuple[str, Key]]:
    """The sequences of keys that nobody else of the stream reports for."""
    found = []
    for one in state.plan.sequences.by_stream.get(source.name[0], ()):
        key = Key(tuple((name, source.labels[name]) for name in one.rule.by))
        if (one.rule.name, key) in state.sequences and users[_sequence_name(one.rule.name, key)] == 1:
            found.append((one.rule.name, key))
    return found


def _sequence_name(rule: str, key: Key) -> TrackName:
    """Told apart from a key of a stream: no stream is called so."""
    return f"{rule}/", (), key


def _names(state: State, source: Source) -> Iterator[TrackName]:
    """All that is kept under the labels of a topic."""
    yield from _track_names(state, source)
    for one in state.plan.sequences.by_stream.get(source.name[0], ()):
        yield _sequence_name(one.rule.name, Key(tuple((name, source.labels[name]) for name in one.rule.by)))


def _track_names(state: State, source: Source) -> Iterator[TrackName]:
    for plan in state.plan.streams[source.name[0]].tracks:
        yield source.name[0], plan.by, _key(source, plan.by)
        for link in plan.ties.links:
            yield link.name, link.by, _key(source, link.by)
    for joined in state.plan.joins.get(source.name[0], ()):
        yield joined.name, joined.by, _key(source, joined.by)


def _key(source: Source, by: tuple[str, ...]) -> Key:
    return Key(tuple((name, source.labels[name]) for name in by))


def _leaving(state: State, source: Source, users: Counter[TrackName]) -> list[TrackName]:
    """The keys that nobody else reports for."""
    return [name for name in _track_names(state, source) if users[name] == 1 and name in state.tracks]


def _is_busy(state: State, source: Source, users: Counter[TrackName]) -> bool:
    """Is anything active, is its clock told to be ahead, or is it in the registry, which expects it?"""
    if source.ahead:
        return True
    tracks = [state.tracks[name] for name in _leaving(state, source, users)]
    return any(
        track.registered or any(state.active.has(compiled.rule.name, track.key) for compiled in track.plan.rules)
        for track in tracks
        if track.plan
    ) or any(state.active.has(*name) for name in _sequences(state, source, users))


def _forget(state: State, source: Source, users: Counter[TrackName]) -> None:
    for name in _leaving(state, source, users):
        state.forget_track(name)
    for rule, key in _sequences(state, source, users):
        state.forget_sequence(rule, key)
    users.subtract(_names(state, source))
    state.forget_source(source)
