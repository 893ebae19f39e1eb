"""What an edit does to what is remembered: kept where the meaning stayed, begun anew or dropped where it didn't."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from iotrules.engine.buffers import buffers_of
from iotrules.engine.inspect import Standing
from iotrules.engine.plan import CompiledRule, Plan, compile_rules
from iotrules.language.comparing import RuleChange
from iotrules.model.decisions import AlertState
from iotrules.model.expression import fields
from iotrules.model.rules import RuleSet, Stream, conditions_of, joined_stream


@dataclass(frozen=True, slots=True)
class StateEffect:
    """Of one rule: `keys` are remembered, of these so many fire, are pending, or have another timer running.

    `windows` begin anew, each for every key.
    """

    rule: str
    fate: Literal["kept", "reset in part", "reset", "dropped"]
    why: str
    keys: int
    firing: int
    pending: int
    windows: tuple[str, ...]

    @property
    def loses(self) -> bool:
        """Is anything lost that is there now?"""
        return bool((self.fate != "kept" and (self.firing or self.pending)) or (self.windows and self.keys))


_FATES: dict[str, tuple[Literal["kept", "reset in part", "reset", "dropped"], str]] = {
    "removed": ("dropped", "the rule is removed"),
    "meaning": ("reset", "what it decides by is changed"),
    "part": ("reset in part", "of what it decides by some is changed, and the rest is kept"),
    "action": ("kept", "what it decides by is the same"),
    "words": ("kept", "only words are changed"),
    "same": ("kept", "its stream is changed"),
}


def state_effects(
    before: RuleSet, after: RuleSet, changes: Iterable[RuleChange], standings: Iterable[Standing]
) -> tuple[StateEffect, ...]:
    """The rules that are remembered and are not as they were, or whose windows begin anew; by name."""
    kinds = {change.rule: change.kind for change in changes}
    old, new = compile_rules(before), compile_rules(after)
    by_rule: dict[str, list[Standing]] = {}
    for one in standings:
        by_rule.setdefault(one.rule, []).append(one)
    found = []
    for name in sorted(before.rules):
        windows = _anew(name, old, new)
        if name not in kinds and not windows:
            continue
        fate, why = _FATES[kinds.get(name, "same")]
        known = by_rule.get(name, [])
        states = [one.state for one in known]
        firing, pending = states.count(AlertState.FIRING), states.count(AlertState.PENDING)
        found.append(StateEffect(name, fate, why, len(known), firing, pending, windows))
    return tuple(found)


def _anew(name: str, old: Plan, new: Plan) -> tuple[str, ...]:
    """The windows of a rule that its keys have to fill again."""
    compiled = new.rules.get(name)
    if compiled is None or name not in old.rules:
        return ()
    read = [old.set.streams.get(one) for one in compiled.rule.joined or (compiled.rule.stream,)]
    known = [stream for stream in read if stream is not None]
    was, is_ = joined_stream(known) if len(known) == len(read) else None, compiled.stream
    kept = old.tracks.get((compiled.kept, compiled.rule.by))
    names = {buffer.name for buffer in kept.buffers} if kept else set()
    same_source = was is not None and (was.topic, was.time) == (is_.topic, is_.time)
    return tuple(
        sorted(
            buffer
            for buffer, read in _buffers(compiled).items()
            if not (same_source and buffer in names) or (read & _changed(was, is_))
        )
    )


def _buffers(compiled: CompiledRule) -> dict[str, frozenset[str]]:
    """Buffer → the fields that go into it."""
    return {buffer.name: fields(buffer.argument) for buffer in buffers_of(conditions_of(compiled.rule))}


def _changed(was: Stream | None, is_: Stream) -> frozenset[str]:
    return frozenset(field.name for field in set(was.fields if was else ()) ^ set(is_.fields))
