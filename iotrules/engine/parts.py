"""A rule that was changed in part: each level, and each clear, that means what it did keeps its state.

House rule: what was changed begins anew. An alert that rests on it ends with that reason, or moves to the highest level
that is left.
"""

from __future__ import annotations

from iotrules.engine.alerts import edited
from iotrules.engine.lifecycle import Held, RuleState, RungState, Signal
from iotrules.engine.moment import Moment
from iotrules.engine.plan import CompiledRule
from iotrules.language.meaning import CLEAR, clears, raises
from iotrules.model.decisions import AlertState, Key
from iotrules.model.rules import Ladder, Rule, Severity, rungs_of


def keep_parts(compiled: CompiledRule, successor: Rule, moment: Moment) -> None:
    """Bring what the rule remembers of each key over to `successor`, and its alerts in line with that."""
    for (name, key), rule_state in moment.state.rules.items():
        if name != successor.name:
            continue
        latched = any(rung.latched for rung in rule_state.rungs)
        _carry(compiled.rule, successor, rule_state)
        if rule_state.active:
            _follow(compiled, successor, key, rule_state, latched, moment)
        moment.state.mark(("rule", (name, key)))


def _carry(before: Rule, after: Rule, rule_state: RuleState) -> None:
    """The levels that there are now, each with what is still true of it."""
    old = {rung.severity: state for rung, state in zip(rungs_of(before), rule_state.rungs, strict=False)}
    rule_state.rungs = []
    for rung in rungs_of(after):
        level, state = _level(after, rung.severity), old.get(rung.severity)
        if state is None or not _is_kept(before, after, raises(level)):
            state = RungState()
        elif not _is_kept(before, after, clears(level)):
            state.clear = Held()
        rule_state.rungs.append(state)
    if not _is_kept(before, after, CLEAR):
        rule_state.ending = Held()


def _follow(
    compiled: CompiledRule, after: Rule, key: Key, rule_state: RuleState, latched: bool, moment: Moment
) -> None:
    """What becomes of an active alert. `latched`: was any level before; else it waits for the rule's own clear."""
    left = [rung.severity for rung, state in zip(rungs_of(after), rule_state.rungs, strict=True) if state.latched]
    severity = Severity(rule_state.severity)
    changed = f"the rule's {_changed(compiled.rule, after, severity)} was changed"
    if rule_state.alert is AlertState.PENDING:
        goes_on = any(state.hold.since is not None for state in rule_state.rungs)
    else:
        stays = not latched and _is_kept(compiled.rule, after, raises(severity.word)) and bool(after.parts.of(CLEAR))
        goes_on = bool(left) or stays
    if not goes_on:
        edited(compiled, key, rule_state, Signal.WITHDRAWN, severity, changed, moment)
        rule_state.rungs = [RungState() for _ in rule_state.rungs]
    elif left and left[-1] < severity:
        edited(compiled, key, rule_state, Signal.MOVED, left[-1], changed, moment)


def _changed(before: Rule, after: Rule, severity: Severity) -> str:
    if not isinstance(after.body, Ladder):
        return "condition"
    level = raises(severity.word)
    return f"level {severity.word}" if before.parts.of(level) and not _is_kept(before, after, level) else "levels"


def _is_kept(before: Rule, after: Rule, part: str) -> bool:
    return before.parts.of(part) == after.parts.of(part)


def _level(rule: Rule, severity: Severity) -> str:
    return severity.word if isinstance(rule.body, Ladder) else ""
