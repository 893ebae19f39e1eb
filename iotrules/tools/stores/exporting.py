"""A store as canonical JSON lines: two stores that hold the same are the same text, whenever snapshots were taken.

House rule: state is that of the newest input, so the journal is replayed; what only says when things were written is
left out.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from iotrules.model.errors import StateError, UnavailableError
from iotrules.stores.kept import read_kept
from iotrules.tools.restored import restore

_TABLES = {
    "alerts": "SELECT * FROM alerts ORDER BY rule, key",
    "transitions": "SELECT * FROM transitions ORDER BY rule, key, number",
    "ledger": "SELECT id, sequence, kind, target, key, body, state, attempts, next_try, created, settled, detail"
    " FROM ledger ORDER BY id",
    "commands": "SELECT * FROM commands ORDER BY id",
    "device_state": "SELECT * FROM device_state ORDER BY key",
    "dead_letters": "SELECT sequence, topic, payload, received, reason, detail FROM dead_letters ORDER BY sequence, id",
    "counters": "SELECT * FROM counters ORDER BY counter, label",
}


def export(store: Path) -> Iterator[str]:
    """A line an object: `table`, and its columns by name; bytes are base64. The errors of `read_kept`."""
    kept = read_kept(store)
    restored = restore(kept)
    parts = kept.snapshot | restored.engine.take_snapshot()
    yield _line("journal", {"sequence": kept.sequence})
    for name, body in sorted(parts.items()):
        if body is not None:
            yield _line("state", {"part": json.loads(name), "value": msgspec.msgpack.decode(body)})
    uri = f"{store.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as db:
            db.row_factory = sqlite3.Row
            for table, query in _TABLES.items():
                for row in db.execute(query):
                    yield _line(table, dict(row))
    except sqlite3.OperationalError as error:
        raise UnavailableError(f"the store {store} can't be read now: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StateError(f"{store} is damaged: {error}") from error


def _line(table: str, values: dict[str, Any]) -> str:
    return json.dumps(
        {"table": table} | values, default=_text, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} in a store")
