"""Entries for tests of the store, decided by a real engine, and what a store file holds as plain rows."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from iotrules.engine import Engine
from iotrules.model.inputs import Arrival, Input, Messages, Receipt, Reload
from iotrules.model.times import MILLISECOND, SECOND
from iotrules.ports import Entry, Recovered
from iotrules.stores.head import head_path
from iotrules.stores.pages import pages_path
from iotrules.stores.sqlite import SqliteStore
from tests.engine.world import START, STREAM

RULES = """
  overheat:
    from: env
    when: temp > 85
    severity: critical
    summary: "{device} is at {temp:.1f}"
    do:
      - invoke: shutdown_machine
      - {command: beep, args: {times: 3}, expires: 1m, ack_within: 10s}
      - {at: resolved, invoke: open_ticket}
"""


class Author:
    """One engine; what it decides becomes entries in sequence, a second apart."""

    def __init__(self, rules: str = RULES) -> None:
        self.engine = Engine()
        self.sequence = 0
        self.now = START
        self._first: Input = Reload({"rules.yaml": STREAM + rules})

    def begin(self) -> Entry:
        """The entry of every store's first commit: the rules."""
        return self.decide(self._first)

    def decide(self, value: Input) -> Entry:
        self.now += SECOND
        self.sequence += 1
        return Entry(self.sequence, self.now, value, self.engine.process(value, self.now, self.sequence))

    def message(self, device: str = "b1", **values: Any) -> Entry:
        body = {"ts": (self.now + SECOND) // MILLISECOND, "boot": "x", "seq": self.sequence} | values
        topic = f"site/A/dev/{device}/env"
        return self.decide(Messages((Arrival(topic, json.dumps(body).encode(), self.now + SECOND),)))

    def receipt(self, effect: str, outcome: str = "done", **fields: Any) -> Entry:
        return self.decide(Receipt(effect, outcome, **fields))

    def follow(self, recovered: Recovered) -> None:
        """Become the engine that a store gives back."""
        self.engine = Engine()
        self.engine.restore(recovered.snapshot)
        for sequence, now, value in recovered.entries:
            self.engine.process(value, now, sequence)
            self.now = now
        self.sequence = recovered.sequence


async def filled(path: Path, devices: int = 3) -> list[Entry]:
    """Make a store with the rules and a hot message of each device, each committed by itself; it is closed again."""
    author, store = Author(), SqliteStore(path)
    await store.open()
    entries = [author.begin()] + [author.message(f"b{n}", temp=90) for n in range(1, devices + 1)]
    for entry in entries:
        await store.commit([entry], author.engine.rules)
    await store.close()
    return entries


async def recovered(path: Path) -> Recovered:
    """What a store gives back; it is closed again."""
    store = SqliteStore(path)
    try:
        return await store.open()
    finally:
        await store.close()


def rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return list(db.execute(query, values))


def write(path: Path, *statements: str) -> None:
    """Change a closed store behind the engine's back, as somebody does who knows what stands beside it."""
    for beside in (head_path(path), pages_path(path)):
        beside.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All tables with all their rows."""
    names = [name for (name,) in rows(path, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    return {name: rows(path, f"SELECT * FROM {name}") for name in names}
