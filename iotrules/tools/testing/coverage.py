"""What the cases of a suite have seen each rule do: the states they reached, not the lines they ran."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from iotrules.model.decisions import AlertState
from iotrules.model.rules import NO_HOLD, Rule, rungs_of
from iotrules.model.sequences import Sequence
from iotrules.tools.testing.world import Run


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one rule; None: it can't do that (nothing is pending without `for`, silence knows no missing data)."""

    rule: str
    fires: bool | None
    clears: bool | None
    drops_a_pending: bool | None
    meets_missing_data: bool | None
    restarts_while_pending: bool | None
    restarts_while_firing: bool | None

    @property
    def lacking(self) -> tuple[str, ...]:
        """What no case saw, in words."""
        names = [field.name for field in fields(self) if field.name != "rule"]
        return tuple(name.replace("_", " ") for name in names if getattr(self, name) is False)

    @property
    def enough(self) -> bool:
        """Was it seen to fire and to clear?"""
        return self.fires is not False and self.clears is not False


def cover(rule: Rule, runs: Iterable[Run]) -> Coverage:
    """What these runs have seen of a rule."""
    runs = list(runs)
    moves = {(one.before, one.after) for run in runs for one in run.transitions if one.rule == rule.name}
    restarted = {state for run in runs for name, state in run.restarted if name == rule.name}
    conditions = [rung.condition for rung in rungs_of(rule)]
    looks = bool(conditions) or isinstance(rule.body, Sequence)
    holds = any(condition.hold != NO_HOLD for condition in conditions)
    return Coverage(
        rule=rule.name,
        fires=any(after is AlertState.FIRING for _, after in moves),
        clears=(AlertState.FIRING, AlertState.RESOLVED) in moves,
        drops_a_pending=(AlertState.PENDING, AlertState.INACTIVE) in moves if holds else None,
        meets_missing_data=any(run.unknown[rule.name] for run in runs) if looks else None,
        restarts_while_pending=AlertState.PENDING in restarted if holds else None,
        restarts_while_firing=AlertState.FIRING in restarted,
    )
