"""A plan for programs: JSON with ISO 8601 instants."""

from __future__ import annotations

from typing import Any

from iotrules.language.comparing import RuleChange
from iotrules.model.times import SECOND
from iotrules.tools.instants import instant_text
from iotrules.tools.plan.making import Past, Plan
from iotrules.tools.plan.past import Episode

JSON_VERSION = 1


def document(plan: Plan) -> dict[str, Any]:
    """The plan as a JSON object, with everything that the text cuts."""
    return {
        "version": JSON_VERSION,
        "at": instant_text(plan.now),
        "differs": plan.differs,
        "rules": [_change(change) for change in plan.changes],
        "state": [
            {
                "rule": one.rule, "fate": one.fate, "why": one.why, "keys": one.keys,
                "firing": one.firing, "pending": one.pending, "windows_anew": list(one.windows),
            }
            for one in plan.state
        ],
        "live": [
            {
                "what": one.what, "rule": one.rule, "key": dict(one.key.labels), "severity": one.severity,
                "reason": one.reason, "silent_seconds": None if one.silent_for is None else one.silent_for / SECOND,
            }
            for one in plan.live
        ],
        "effects": [
            {"kind": one.kind, "target": one.target, "key": dict(one.key.labels)} for one in plan.effects
        ],
        "past": _past(plan.past),
    }  # fmt: skip


def _change(change: RuleChange) -> dict[str, Any]:
    parts = [{"part": one.part, "before": one.before, "after": one.after} for one in change.differences]
    return {"rule": change.rule, "kind": change.kind, "differences": parts}


def _past(past: Past) -> dict[str, Any]:
    return {
        "begin": None if past.begin is None else instant_text(past.begin),
        "end": None if past.end is None else instant_text(past.end),
        "messages": past.messages,
        "episodes_before": past.episodes_before,
        "episodes_after": past.episodes_after,
        "changes": [
            {
                "rule": change.rule, "key": dict(change.key.labels),
                "before": _episode(change.before), "after": _episode(change.after),
            }
            for change in past.changes
        ],
        "streams_not_played": list(past.not_played),
    }  # fmt: skip


def _episode(one: Episode | None) -> dict[str, Any] | None:
    if one is None:
        return None
    closed = None if one.closed is None else instant_text(one.closed)
    return {"opened": instant_text(one.opened), "closed": closed, "severity": one.severity.word}
