"""What using other rules now would do at once: a copy of the engine is given them, and looks at the newest values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from iotrules.engine import Engine
from iotrules.language.comparing import RuleChange
from iotrules.model.decisions import AlertState, Decision, Key, Transition, effect_kind, effect_target
from iotrules.model.inputs import Reload


@dataclass(frozen=True, slots=True)
class LiveChange:
    """An alert that would end, open or change at once. `silent_for` ns: how old the values are, if they are stale."""

    what: Literal["ends", "fires", "pends", "moves"]
    rule: str
    key: Key
    severity: str
    reason: str
    silent_for: int | None = None


@dataclass(frozen=True, slots=True)
class LiveEffect:
    """What would be asked for: a function (`invoke`) or a command's topic (`command`)."""

    kind: str
    target: str
    key: Key


def live_changes(
    engine: Engine, files: Reload, changes: Iterable[RuleChange], now: int, sequence: int
) -> tuple[tuple[LiveChange, ...], tuple[LiveEffect, ...]]:
    """The engine is used up: it has the new rules afterwards."""
    ended = engine.process(files, now, sequence + 1)
    seen = engine.look_again(_to_look_at(changes), now, sequence + 2)
    found = [_told(engine, change, now) for decision in (ended, seen) for change in decision.transitions]
    return tuple(found), tuple(effect for decision in (ended, seen) for effect in _effects(decision))


def _to_look_at(changes: Iterable[RuleChange]) -> list[str]:
    """Those that would see the same values with other eyes, or show another severity."""
    return [
        change.rule
        for change in changes
        if change.kind in ("added", "meaning", "part") or any(part.part == "severity" for part in change.differences)
    ]


def _told(engine: Engine, change: Transition, now: int) -> LiveChange:
    what: Literal["ends", "fires", "pends", "moves"]
    match change.before, change.after:
        case AlertState.FIRING, AlertState.FIRING:
            what = "moves"
        case _, AlertState.FIRING:
            what = "fires"
        case _, AlertState.PENDING:
            what = "pends"
        case _:
            what = "ends"
    return LiveChange(what, change.rule, change.key, change.severity.word, change.reason, _silent(engine, change, now))


def _silent(engine: Engine, change: Transition, now: int) -> int | None:
    if change.rule not in engine.rules.rules or change.after not in (AlertState.FIRING, AlertState.PENDING):
        return None
    told = engine.explain(change.rule, change.key, now)
    return told.at - told.newest if told.stale and told.at is not None and told.newest is not None else None


def _effects(decision: Decision) -> list[LiveEffect]:
    return [LiveEffect(effect_kind(one), effect_target(one), one.key) for one in decision.effects]
