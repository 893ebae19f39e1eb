"""From decisions to the rows that people's views, the ledger and the counters are made of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from msgspec import to_builtins

from iotrules.language import thresholds
from iotrules.model.decisions import (
    CommandChange,
    DeviceState,
    LedgerChange,
    Transition,
    effect_kind,
    effect_target,
    encode_effect,
)
from iotrules.model.rules import RuleSet, condition_text
from iotrules.ports import Entry

Row: TypeAlias = tuple[Any, ...]

_ALERT = (
    "INSERT INTO alerts VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (rule, key) DO UPDATE SET "
    "since = CASE WHEN alerts.state = excluded.state THEN alerts.since ELSE excluded.since END, "
    "state = excluded.state, severity = excluded.severity, episode = excluded.episode, "
    "updated = excluded.updated, summary = excluded.summary, reason = excluded.reason, "
    "muted = excluded.muted"
)
_TRANSITION = "INSERT INTO transitions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_QUIET = "INSERT INTO quiet_transitions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_FORGET = "DELETE FROM quiet_transitions WHERE rule = ? AND key = ? AND number <= ?"
_LEDGER = "INSERT INTO ledger VALUES (?,?,?,?,?,?,'pending',0,?,?,NULL,'')"
_SETTLE = "UPDATE ledger SET state = ?, attempts = attempts + 1, next_try = ?, settled = ?, detail = ? WHERE id = ?"
_INVOCATION = (
    "INSERT OR REPLACE INTO invocations SELECT ?, id, target, key, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? "
    "FROM ledger WHERE id = ?"
)
_COMMAND = (
    "INSERT INTO commands VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
    "state = excluded.state, detail = excluded.detail, updated = excluded.updated"
)
_DEVICE = "INSERT OR REPLACE INTO device_state VALUES (?,?,?)"
_LAST_LETTER = (
    "max((SELECT coalesce(max(id), 0) FROM dead_letters), "
    "(SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE name = 'last_letter'))"
)
"""A number is never used twice: who has seen letter 17 must not throw away another one."""
_DEAD = f"INSERT INTO dead_letters SELECT {_LAST_LETTER} + 1, ?,?,?,?,?,?"
_DEAD_NUMBERED = f"INSERT OR REPLACE INTO meta SELECT 'last_letter', {_LAST_LETTER}"
_DEAD_AGAIN = "UPDATE dead_letters SET reason = ?, detail = ? WHERE id = ?"
_DEAD_NO_MORE = "DELETE FROM dead_letters WHERE id = ?"
_COUNT = "INSERT INTO counters VALUES (?,?,?) ON CONFLICT (counter, label) DO UPDATE SET total = total + excluded.total"


QUIET_KEPT = 200
"""Transitions of a rule with `alert: false` that are kept for each key; such a rule may change with every message."""


class EntryRows:
    """The statements of one commit, each with all its rows, in an order that respects what depends on what."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def statements(self) -> Iterator[tuple[str, list[Row]]]:
        decisions = [(entry, entry.decision) for entry in self._entries]
        candidates: list[tuple[str, list[Row]]] = [
            (_ALERT, [_alert_row(change) for _, d in decisions for change in d.transitions]),
            (_TRANSITION, [_transition_row(e, change) for e, d in decisions for change in d.transitions]),
            (_QUIET, [_transition_row(e, change) for e, d in decisions for change in d.quiet]),
            (_FORGET, [_too_old(change) for _, d in decisions for change in d.quiet if change.number > QUIET_KEPT]),
            (_LEDGER, self._ledger_rows()),
            (_SETTLE, [_settle_row(e, change) for e, d in decisions for change in d.ledger]),
            (_INVOCATION, [row for e, d in decisions for c in d.ledger if (row := _invocation_row(e, c))]),
            (_COMMAND, [_command_row(change) for _, d in decisions for change in d.commands]),
            (_DEVICE, [_device_row(device) for _, d in decisions for device in d.devices]),
            (_DEAD, self._dead_rows()),
            (_DEAD_AGAIN, self._again_rows()),
            (_DEAD_NUMBERED, [()] if any(d.letters_gone for _, d in decisions) else []),
            (_DEAD_NO_MORE, [(number,) for _, d in decisions for number in d.letters_gone]),
            (_COUNT, self._count_rows()),
        ]
        yield from ((statement, rows) for statement, rows in candidates if rows)

    def _ledger_rows(self) -> list[Row]:
        return [
            (
                effect.id, entry.sequence, effect_kind(effect), effect_target(effect), effect.key.text,
                encode_effect(effect), entry.now, entry.now,
            )
            for entry in self._entries
            for effect in entry.decision.effects
        ]  # fmt: skip

    def _dead_rows(self) -> list[Row]:
        return [
            (
                entry.sequence,
                _text(letter.topic),
                letter.payload,
                letter.received,
                letter.reason,
                letter.detail,
            )
            for entry in self._entries
            for letter in entry.decision.dead_letters
            if not letter.replayed
        ]

    def _again_rows(self) -> list[Row]:
        letters = (letter for entry in self._entries for letter in entry.decision.dead_letters)
        return [(letter.reason, letter.detail, letter.replayed) for letter in letters if letter.replayed]

    def _count_rows(self) -> list[Row]:
        totals: Counter[tuple[str, str]] = Counter()
        for entry in self._entries:
            totals.update(entry.decision.counts)
            totals.update(("dead_letters", letter.reason) for letter in entry.decision.dead_letters)
        return [(counter, label, total) for (counter, label), total in sorted(totals.items())]


def rule_rows(rules: RuleSet) -> list[Row]:
    """The table `rules`: what the running rules are, for people."""
    return [
        (
            rule.name, rule.stream, rule.severity.word,
            condition_text(rule),
            rule.location.file, rule.location.line, rule.dry_run, json.dumps(thresholds(rule)),
        )
        for rule in rules.rules.values()
    ]  # fmt: skip


def _alert_row(change: Transition) -> Row:
    return (
        change.rule, change.key.text, change.key.device, change.after.value, change.severity.word,
        change.episode, change.at, change.decided, change.summary, change.reason,
        change.muted,
    )  # fmt: skip


def _transition_row(entry: Entry, change: Transition) -> Row:
    evidence = {
        "condition": change.evidence.condition,
        "truth": change.evidence.truth,
        "values": dict(change.evidence.values),
        "sample_time": change.evidence.sample_time,
        "tree": to_builtins(change.evidence.tree),
        "clear": to_builtins(change.evidence.clear),
        "samples": to_builtins(change.evidence.samples),
        "progress": to_builtins(change.evidence.progress),
        "meaning": change.evidence.meaning,
        "place": to_builtins(change.evidence.place),
    }
    return (
        change.rule, change.key.text, change.number, change.episode, entry.sequence, change.before.value,
        change.after.value, change.severity.word, change.at, change.decided, change.reason, change.summary,
        json.dumps(evidence), change.muted,
    )  # fmt: skip


def _too_old(change: Transition) -> Row:
    return (change.rule, change.key.text, change.number - QUIET_KEPT)


def _settle_row(entry: Entry, change: LedgerChange) -> Row:
    settled = None if change.state == "pending" else entry.now
    return (change.state, change.next_try, settled, change.detail, change.effect)


def _invocation_row(entry: Entry, change: LedgerChange) -> Row | None:
    usage = change.usage
    if usage is None:
        return None
    return (
        usage.request_id, change.state, change.detail, entry.now, usage.cold, usage.init_ms, usage.duration_ms,
        usage.billed_ms, usage.memory_mb, usage.max_memory_mb, usage.log_tail, change.effect,
    )  # fmt: skip


def _command_row(change: CommandChange) -> Row:
    return (
        change.id, change.rule, change.episode, change.key.text, change.key.device, change.name,
        change.state.value, change.detail, change.issued, change.expires, change.at,
    )  # fmt: skip


def _device_row(device: DeviceState) -> Row:
    return (device.key.text, device.version, json.dumps(device.body))


def _text(text: str) -> str:
    """SQLite takes no lone surrogates."""
    return text.encode(errors="replace").decode()
