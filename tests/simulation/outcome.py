"""What a run may be given in place of sound adapters, and what it leaves for the judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from iotrules.ports import Recovered, Store, Transport
from tests.simulation.disk import Disk
from tests.simulation.facts import Facts
from tests.simulation.inline import InlineConnection, Row
from tests.simulation.script import Script


@dataclass(frozen=True, slots=True)
class Adapters:
    """What stands between the runtime and the world; a planted bug replaces one of them."""

    store: Callable[[Store], Store] = lambda store: store
    transport: Callable[[Transport], Transport] = lambda transport: transport
    connection: type[InlineConnection] = InlineConnection
    disk: type[Disk] = Disk


SOUND = Adapters()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left: the facts, what the store says of itself at the end, and its tables as rows."""

    script: Script
    facts: Facts
    recovered: Recovered
    tables: dict[str, list[dict[str, Any]]]
    unheard: int
    """Messages that the broker still has for the engine."""
    operations: int
    """How often something was written to the disk, or synced, as long as faults could happen."""


def tables_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows of the store's tables, by column."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        names: list[Row] = list(db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"))
        return {str(name): _rows(db, str(name)) for (name,) in names}
    finally:
        db.close()


def _rows(db: apsw.Connection, table: str) -> list[dict[str, Any]]:
    cursor = db.execute(f'SELECT * FROM "{table}"')
    rows = list(cursor)
    if not rows:
        return []
    columns = [str(row[1]) for row in db.execute(f'PRAGMA table_info("{table}")')]
    return [dict(zip(columns, row, strict=True)) for row in rows]
