"""The engine's state, read for people: what a condition sees, why a value is unknown, which keys there are.

House rule: nothing here changes the state; a change of how it is laid out changes this module and no reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from iotrules.engine.buffers import Kept, buffer_of
from iotrules.engine.conditions import scope_of
from iotrules.engine.drift import Drift
from iotrules.engine.evaluate import Scope
from iotrules.engine.explain import shown
from iotrules.engine.explain_tree import WhyUnknown, cut
from iotrules.engine.lifecycle import RuleState
from iotrules.engine.newest import Newest
from iotrules.engine.plan import CompiledRule
from iotrules.engine.state import State
from iotrules.engine.tracks import Track
from iotrules.engine.windows import SampleWindow
from iotrules.model.decisions import AlertState, Key
from iotrules.model.evidence import Place, Samples
from iotrules.model.expression import (
    AttributeRef,
    Expression,
    FieldRef,
    Lag,
    Members,
    Outlier,
    StateRef,
    Statistic,
    Window,
    WindowKind,
    fields,
    own_windows,
)
from iotrules.model.rules import Rule, Severity
from iotrules.model.sequences import Sequence
from iotrules.model.times import rough_words

SAMPLES_SHOWN = 5
SERIES_SHOWN = 8
LINES_SHOWN = 40
LINE_SHOWN = 160

_PAIR = frozenset({Statistic.DELTA, Statistic.CHANGED})


def scope_at(compiled: CompiledRule, track: Track, at: int) -> Scope:
    """What a condition sees at event time `at`; values that are stale it does not see."""
    return scope_of(track, at, is_stale(compiled, track, at))


def is_stale(compiled: CompiledRule, track: Track, at: int) -> bool:
    """Has the key been silent for longer than does not break a hold?"""
    gap = compiled.silence_allowed(track)
    return gap is not None and at - track.clock > gap


def why_unknown(compiled: CompiledRule, track: Track, at: int, faults: Mapping[str, str]) -> WhyUnknown:
    """Reasons for unknown values. `faults`: field → what was wrong with its value in the newest message."""

    def reason(node: Expression) -> str:
        match node:
            case FieldRef(name):
                return _field_unknown(name, compiled, track, at, faults)
            case AttributeRef(name):
                return _attribute_unknown(name, track)
            case StateRef(name):
                return _state_unknown(name, track)
            case Window():
                return _window_unknown(node, compiled, track, at)
        return ""

    return reason


def _field_unknown(name: str, compiled: CompiledRule, track: Track, at: int, faults: Mapping[str, str]) -> str:
    if not track.sampled:
        return "there was no message yet"
    kept, came = track.values.get(name), track.came.get(name, track.clock)
    if is_stale(compiled, track, at) and kept is not None:
        return f"{shown(kept)} is stale, it came {rough_words(at - came)} before"
    if kept is not None and track.values_at(at).get(name) is None:
        return f"{shown(kept)} is not fresh any more, it came {rough_words(at - came)} before"
    fault = faults.get(name)
    return f"bad value in the newest message: {fault}" if fault else "missing in the newest message"


def _attribute_unknown(name: str, track: Track) -> str:
    if not track.registered and not track.attributes:
        return f"the registry has no row for {track.key}"
    return f"the registry's row for {track.key} says nothing under {name}"


def _state_unknown(name: str, track: Track) -> str:
    found = track.remembered().get(name)
    return "no function has stored it yet" if found is None else "what a function stored is of another type"


def _window_unknown(node: Window, compiled: CompiledRule, track: Track, at: int) -> str:
    if isinstance(node.kind, Members):
        return _members_unknown(node, track, at)
    window = _window(node, track)
    if window is None:
        return ""
    if isinstance(window, Drift):
        return "it is still being learned what is usual"
    least = node.kind.steps + 1 if isinstance(node.kind, Lag) else 2 if node.kind in _PAIR else node.min_samples
    count = window.value(WindowKind.COUNT, at, 0)
    if count is None:
        return "the window had more samples than it keeps"
    if count < max(least, 1):
        return f"has {count:g} of {max(least, 1)} samples"
    if isinstance(node.kind, Outlier):
        return "too few others of the group are fresh, or most of them are alike"
    if isinstance(node.kind, Lag) or node.kind in _PAIR:
        return "missing in the newest message"
    return f"can't be told from its {count:g} samples"


def _members_unknown(node: Window, track: Track, at: int) -> str:
    if track.ballots is None or track.plan is None:
        return ""
    votes = track.ballots.tally(track.plan.places[node], at).known
    least = max(node.min_samples, 1)
    return f"{votes} of at least {least} members vote" if votes < least else f"can't be told from {votes} votes"


def samples_read(track: Track, node: Expression) -> tuple[Samples, ...]:
    """The newest samples of the windows and fields that a condition reads."""
    kept = {buffer.name: one for buffer, one in zip(track.buffers, track.windows, strict=True)}
    names = dict.fromkeys(buffer_of(window).name for window in own_windows(node))
    series = [
        _samples(name, one) for name in names if (one := kept.get(name)) is not None and not isinstance(one, Drift)
    ]
    plain = [name for name in sorted(fields(node)) if track.values.get(name) is not None]
    newest = [Samples(name, 1, ((track.came.get(name, track.clock), _short(track.values[name])),)) for name in plain]
    return tuple((newest + [one for one in series if one.count])[:SERIES_SHOWN])


def _window(node: Window, track: Track) -> Kept | None:
    place = None if track.plan is None else track.plan.places.get(node)
    return None if place is None or place >= len(track.windows) else track.windows[place]


def _samples(name: str, window: SampleWindow | Newest) -> Samples:
    return Samples(cut(name), len(window), tuple((at, _short(value)) for at, value in window.tail(SAMPLES_SHOWN)))


def _short(value: float | str | bool | None) -> float | str | bool:
    return cut(value) if isinstance(value, str) else False if value is None else value


def place_of(state: State, rule: Rule) -> Place:
    """Where a rule stands in the files in use, with its lines."""
    where = rule.location
    return Place(where.file, where.line, _lines(state.files.files.get(where.file, ""), where.line))


@lru_cache(maxsize=1024)
def _lines(text: str, line: int) -> tuple[str, ...]:
    """The lines of the entry that begins at `line`: all that are indented deeper, without blank ones at the end."""
    lines = text.split("\n", line - 1 + LINES_SHOWN)[line - 1 : line - 1 + LINES_SHOWN]
    if not lines:
        return ()
    depth = _indent(lines[0])
    end = next((n for n, one in enumerate(lines) if n and one.strip() and _indent(one) <= depth), len(lines))
    found = [_printable(one[depth:])[:LINE_SHOWN].rstrip() for one in lines[:end]]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def keys_of(state: State, rule: Rule) -> list[Key]:
    """The keys that the rule has seen a message of, in no order."""
    if isinstance(rule.body, Sequence):
        streams = {pattern.stream for pattern in rule.body.patterns}
        seen = [source.labels for name, source in state.sources.items() if name[0] in streams]
        return list(dict.fromkeys(Key(tuple((name, labels[name]) for name in rule.by)) for labels in seen))
    compiled = state.plan.rules.get(rule.name)
    kept = rule.stream if compiled is None else compiled.kept
    return [key for (name, by, key) in state.tracks if (name, by) == (kept, rule.by)]


@dataclass(frozen=True, slots=True)
class Standing:
    """One rule and key: the alert's state, and whether a timer of it runs that an edit would begin anew."""

    rule: str
    key: Key
    state: AlertState
    severity: Severity
    running: bool


def standings(state: State) -> list[Standing]:
    """Every rule and key of which something is remembered, by rule and key."""
    known = dict(state.rules)
    for track in state.tracks.values():
        for compiled in track.plan.rules if track.plan else ():
            known.setdefault((compiled.rule.name, track.key), RuleState())  # nothing has happened there yet
    found = [
        Standing(rule, key, one.alert, Severity(one.severity), any(rung.hold.since is not None for rung in one.rungs))
        for (rule, key), one in known.items()
    ]
    return sorted(found, key=lambda one: (one.rule, one.key.text))


@dataclass(frozen=True, slots=True)
class Gap:
    """Of one device: how many messages never came, when that was last found (ns, 0: never), how many may still come."""

    stream: str
    key: Key
    missing: int
    found: int
    awaited: int


def gaps(state: State) -> list[Gap]:
    """Of all devices whose count lacks something, most first."""
    found = [
        Gap(source.name[0], source.key, source.missing, source.missed, sum(h.last - h.first + 1 for h in source.holes))
        for source in state.sources.values()
        if source.missing or source.holes
    ]
    return sorted(found, key=lambda gap: (-gap.missing, gap.stream, gap.key.text))
