"""Rows as the browser gets them: JSON objects by id, times in ms; only rows that changed are sent.

Everything in a row is text or a number. The browser writes it with textContent, never as markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from iotrules.model.times import MILLISECOND
from iotrules.stores.views import AlertRow, CommandRow, RuleRow, TransitionRow

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = dict[str, Row]
"""id → row, in the order of the query; a row that did not change is the same object as before."""


def kept(old: Rows, new: Rows) -> Rows:
    """`new`, with the objects of `old` where they are equal; `old` itself if nothing changed at all."""
    merged = {name: before if (before := old.get(name)) == row else row for name, row in new.items()}
    same = len(old) == len(merged) and all(old.get(name) is row for name, row in merged.items())
    return old if same else merged


def delta(old: Mapping[str, Row], new: Mapping[str, Row]) -> dict[str, Any] | None:
    """What a viewer that has `old` must be told to have `new`; None if nothing."""
    if old is new:
        return None
    put = [row for name, row in new.items() if old.get(name) is not row]
    gone = [name for name in old if name not in new]
    return {"put": put, "gone": gone} if put or gone else None


def milliseconds(nanoseconds: int) -> int:
    return nanoseconds // MILLISECOND


def alert_rows(alerts: list[AlertRow]) -> Rows:
    return {row["id"]: row for row in map(_alert, alerts)}


def transition_rows(transitions: list[TransitionRow]) -> Rows:
    return {row["id"]: row for row in map(_transition, transitions)}


def command_rows(commands: list[CommandRow]) -> Rows:
    return {row["id"]: row for row in map(_command, commands)}


def threshold_rows(rules: list[RuleRow], stream: str, field: str) -> list[Row]:
    """The lines that a chart of this field shows: each constant that a rule of the stream compares it with."""
    return [
        {"rule": rule.name, "severity": rule.severity, "operator": line.operator, "value": line.value}
        for rule in rules
        for line in rule.thresholds
        if rule.stream == stream and line.field == field
    ]


def _alert(alert: AlertRow) -> Row:
    return {
        "id": f"{alert.rule} {alert.key}",
        "rule": alert.rule,
        "key": alert.key,
        "device": alert.device,
        "state": alert.state,
        "severity": alert.severity,
        "since": milliseconds(alert.since),
        "updated": milliseconds(alert.updated),
        "summary": alert.summary,
        "reason": alert.reason,
        "muted": alert.muted,
    }


def _transition(change: TransitionRow) -> Row:
    return {
        "id": f"{change.rule} {change.number}",
        "rule": change.rule,
        "at": milliseconds(change.at),
        "before": change.before,
        "after": change.after,
        "severity": change.severity,
        "summary": change.summary,
        "reason": change.reason,
        "muted": change.muted,
    }


def _command(command: CommandRow) -> Row:
    return {
        "id": command.id,
        "name": command.name,
        "rule": command.rule,
        "state": command.state,
        "detail": command.detail,
        "at": milliseconds(command.issued),
        "took": milliseconds(max(0, command.updated - command.issued)),
    }
