"""I5: the store after all faults is what an engine that was never interrupted makes of the same journaled inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from iotrules.engine import Engine
from iotrules.engine.lifecycle import RuleState, RungState
from iotrules.model.decisions import Decision, effect_kind, effect_target, encode_effect
from iotrules.model.inputs import decode_input
from iotrules.ports import Recovered
from tests.simulation.outcome import Outcome

Rows = dict[Any, Any]


Decided = list[tuple[int, int, Decision]]
"""(sequence, now, decision)"""


def state_differences(outcome: Outcome) -> Iterator[str]:
    """Each part of the state in which the two are not the same."""
    engine, _ = _uninterrupted(outcome)
    yield from _compared("state", _canonical(engine.take_snapshot()), _canonical(_parts(outcome.recovered)))


def row_differences(outcome: Outcome) -> Iterator[str]:
    """Each row that people read, and each of the ledger, in which the two are not the same."""
    _, decided = _uninterrupted(outcome)
    for table, make, read in (
        ("transitions", _expected_transitions, _found_transitions),
        ("alerts", _expected_alerts, _found_alerts),
        ("ledger", _expected_ledger, _found_ledger),
        ("commands", _expected_commands, _found_commands),
        ("device_state", _expected_devices, _found_devices),
        ("dead_letters", _expected_letters, _found_letters),
    ):
        yield from _compared(table, make(decided), read(outcome.tables[table]))


def _uninterrupted(outcome: Outcome) -> tuple[Engine, Decided]:
    """An engine that was given the same inputs in one go, and what it decided."""
    engine = Engine()
    decided = [
        (sequence, given.now, engine.process(decode_input(given.body), given.now, sequence))
        for sequence, given in sorted(outcome.facts.journal.items())
    ]
    return engine, decided


def _canonical(parts: Mapping[str, bytes | None]) -> Rows:
    """The parts that there are. Not kept, on purpose: when a rule last looked, and levels with nothing to remember."""
    found: Rows = {}
    for name, body in parts.items():
        if body is not None and msgspec.json.decode(name)[0] == "rule":
            rule = msgspec.msgpack.decode(body, type=RuleState)
            rungs = rule.rungs if any(rung != RungState() for rung in rule.rungs) else []
            found[name] = msgspec.structs.replace(rule, observed=0, rungs=rungs)
        elif body is not None:
            found[name] = body
    return found


def _parts(recovered: Recovered) -> dict[str, bytes | None]:
    """All parts of the state that the store remembers."""
    engine = Engine()
    engine.restore(recovered.snapshot)
    for sequence, now, value in recovered.entries:
        engine.process(value, now, sequence)
    return {**recovered.snapshot, **engine.take_snapshot()}


def _compared(what: str, expected: Rows, found: Rows) -> Iterator[str]:
    for name in sorted(expected.keys() | found.keys(), key=str):
        if expected.get(name) != found.get(name):
            yield f"{what} {name}: uninterrupted {expected.get(name)!r}, found {found.get(name)!r}"


def _expected_transitions(decided: Decided) -> Rows:
    return {
        (c.rule, c.key.text, c.number): (
            sequence, c.episode, c.before.value, c.after.value, c.severity.word, c.at, c.decided, c.reason, c.summary,
            c.muted,
        )
        for sequence, _, decision in decided
        for c in decision.transitions
    }  # fmt: skip


def _found_transitions(rows: list[dict[str, Any]]) -> Rows:
    return {
        (row["rule"], row["key"], row["number"]): tuple(
            row[name]
            for name in (
                "sequence", "episode", "before", "after", "severity", "at", "decided", "reason", "summary", "muted",
            )
        )
        for row in rows
    }  # fmt: skip


def _expected_alerts(decided: Decided) -> Rows:
    return {
        (c.rule, c.key.text): (c.after.value, c.severity.word, c.episode, c.summary, c.reason)
        for _, _, decision in decided
        for c in decision.transitions
    }


def _found_alerts(rows: list[dict[str, Any]]) -> Rows:
    names = ("state", "severity", "episode", "summary", "reason")
    return {(row["rule"], row["key"]): tuple(row[name] for name in names) for row in rows}


def _expected_ledger(decided: Decided) -> Rows:
    """How each effect stands: what it is, and what became of it."""
    rows: Rows = {}
    for sequence, _, decision in decided:
        for effect in decision.effects:
            content = (sequence, effect_kind(effect), effect_target(effect), encode_effect(effect))
            rows[effect.id] = (*content, "pending", 0, "")
        for change in decision.ledger:
            if change.effect in rows:
                *content_of, _, attempts, _ = rows[change.effect]
                rows[change.effect] = (*content_of, change.state, attempts + 1, change.detail)
    return rows


def _found_ledger(rows: list[dict[str, Any]]) -> Rows:
    names = ("sequence", "kind", "target", "body", "state", "attempts", "detail")
    return {row["id"]: tuple(row[name] for name in names) for row in rows}


def _expected_commands(decided: Decided) -> Rows:
    return {
        change.id: (change.rule, change.episode, change.name, change.state.value, change.detail, change.at)
        for _, _, decision in decided
        for change in decision.commands
    }


def _found_commands(rows: list[dict[str, Any]]) -> Rows:
    names = ("rule", "episode", "name", "state", "detail", "updated")
    return {row["id"]: tuple(row[name] for name in names) for row in rows}


def _expected_devices(decided: Decided) -> Rows:
    return {device.key.text: (device.version, device.body) for _, _, decision in decided for device in decision.devices}


def _found_devices(rows: list[dict[str, Any]]) -> Rows:
    return {row["key"]: (row["version"], json.loads(row["body"])) for row in rows}


def _expected_letters(decided: Decided) -> Rows:
    letters = [(sequence, letter) for sequence, _, decision in decided for letter in decision.dead_letters]
    return {
        number: (sequence, letter.topic, letter.payload, letter.received, letter.reason, letter.detail)
        for number, (sequence, letter) in enumerate(letters, 1)
    }


def _found_letters(rows: list[dict[str, Any]]) -> Rows:
    names = ("sequence", "topic", "payload", "received", "reason", "detail")
    return {row["id"]: tuple(row[name] for name in names) for row in rows}
