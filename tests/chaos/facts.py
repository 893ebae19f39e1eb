"""What the histories of a run say, put into sets and lists, and what the store exports. Nothing is judged here."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.history import Event, events
from tests.chaos.oracle import Row

Tables = dict[str, list[dict[str, Any]]]

EXPORTED = {
    "alerts": "rule, key",
    "transitions": "rule, key, number",
    "ledger": "id",
    "commands": "id",
    "device_state": "key",
    "dead_letters": "id",
    "counters": "counter, label",
}
"""Table → its order."""


@dataclass(slots=True)
class Facts:
    """All that was seen from outside. Times are monotonic ns; message names as in history.message_id."""

    sent: dict[str, int] = field(default_factory=dict)
    """Message → when it was first sent."""
    taken: set[str] = field(default_factory=set)
    """What the broker acknowledged to the fleet."""
    acknowledged: dict[str, int] = field(default_factory=dict)
    """What the engine acknowledged to the broker → when first."""
    acknowledgements: list[int] = field(default_factory=list)
    commands: list[Event] = field(default_factory=list)
    """Each command that a device had, with its verdict."""
    engine_sent: list[Event] = field(default_factory=list)
    sinks: list[Event] = field(default_factory=list)
    poison: dict[str, Event] = field(default_factory=dict)
    invocations: list[Event] = field(default_factory=list)
    harness: list[Event] = field(default_factory=list)
    unsteady: set[str] = field(default_factory=set)
    """Devices that went away or rebooted."""


def read_facts(directory: Path) -> Facts:
    """The histories of a run's directory."""
    facts = Facts()
    for name in ("fleet", "tap", "handlers", "harness"):
        for event in events(directory / f"{name}.jsonl"):
            _take(facts, event)
    return facts


def _take(facts: Facts, event: Event) -> None:
    match event["e"]:
        case "sent" | "answer":
            facts.sent.setdefault(event["m"], event["t"])
        case "poison":
            facts.poison[event["m"]] = event
        case "puback":
            facts.taken.update(event["m"])
        case "engine_acked":
            facts.acknowledgements.append(event["t"])
            for name in event["m"]:
                facts.acknowledged.setdefault(name, event["t"])
        case "command":
            facts.commands.append(event)
        case "engine_sent":
            facts.engine_sent.append(event)
        case "sink":
            facts.sinks.append(event)
        case "invoked":
            facts.invocations.append(event)
        case "rebooted" | "returned":
            facts.unsteady.add(event["d"])
        case "delivered" | "network" | "order" | "foreign":
            pass
        case _:
            facts.harness.append(event)


def keep_journal(store: Path) -> None:
    """Have SQLite itself keep every journal row that the engine lets go of, in a new store that no engine has open.

    What stands beside the store knows nothing of it, so it goes: the engine takes the store as it finds it.
    """
    with closing(sqlite3.connect(store, timeout=10, isolation_level=None)) as connection:
        connection.executescript(
            "BEGIN IMMEDIATE;"
            "CREATE TABLE IF NOT EXISTS chaos_journal (sequence INTEGER PRIMARY KEY, now INTEGER, body BLOB);"
            "CREATE TRIGGER IF NOT EXISTS chaos_keep BEFORE DELETE ON journal BEGIN "
            "INSERT OR IGNORE INTO chaos_journal VALUES (old.sequence, old.now, old.body); END; COMMIT;"
        )
    for beside in (".head", ".pages"):
        Path(f"{store}{beside}").unlink(missing_ok=True)


def raw_journal(store: Path) -> Iterator[tuple[int, int, bytes]]:
    """(sequence, now, body) of all rows that there ever were, in order."""
    query = "SELECT sequence, now, body FROM {} ORDER BY sequence"
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)) as connection:
        newest = 0
        for table in ("chaos_journal", "journal"):
            for sequence, now, body in connection.execute(query.format(table)):
                if sequence > newest:
                    newest = sequence
                    yield sequence, now, body


def journal(store: Path) -> Iterator[Row]:
    """The same, decoded."""
    for sequence, now, body in raw_journal(store):
        yield sequence, now, msgspec.msgpack.decode(body)


def export(store: Path) -> Tables:
    """The tables that people and other programs read."""
    tables: Tables = defaultdict(list)
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        for table, order in EXPORTED.items():
            tables[table] = [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order}")]
    return tables
