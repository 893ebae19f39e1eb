"""The same journaled input, each with its `now`, through an engine that nothing ever stopped: what I5 compares with.

This is the one place of the judge that runs the product: equivalence is about the engine and itself.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from iotrules.engine import Engine
from iotrules.model.inputs import decode_input
from iotrules.ports import Entry
from iotrules.stores.sqlite import SqliteStore
from tests.chaos.facts import export, raw_journal

ACCOUNTED = ("received", "applied", "duplicate", "late")
"""Counters that are the same however often the engine was started; others count its looks at the clock."""

BATCH = 500
RUNGS, OBSERVED = 4, 6
"""Places in a rule's state."""

AT_REST = [[None, None], [None, None], False]


async def dumps(store: Path, directory: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What the store holds, and what it would hold if nothing had happened: part → canonical text."""
    again = directory / "uninterrupted.db"
    state = await _replay(store, again)
    left = _views(store) | await _stored_state(store, directory / "copy.db")
    return left, _views(again) | _state(state)


async def _replay(store: Path, again: Path) -> dict[str, bytes | None]:
    """Decide on the whole journal anew, into another store; the engine's state at its end."""
    engine, target = Engine(), SqliteStore(again)
    await target.open()
    waiting: list[Entry] = []
    for sequence, now, body in raw_journal(store):
        value = decode_input(body)
        waiting.append(Entry(sequence, now, value, engine.process(value, now, sequence)))
        if len(waiting) >= BATCH:
            await target.commit(waiting, engine.rules)
            waiting = []
    await target.commit(waiting, engine.rules)
    await target.close()
    return engine.take_snapshot()


async def _stored_state(store: Path, copy: Path) -> dict[str, str]:
    """The state that an engine would recover from the store."""
    for beside in ("", ".head", ".pages"):
        shutil.copy(f"{store}{beside}", f"{copy}{beside}")
    real = SqliteStore(copy)
    recovered = await real.open()
    await real.close()
    engine = Engine()
    engine.restore(recovered.snapshot)
    for sequence, now, value in recovered.entries:
        engine.process(value, now, sequence)
    parts: dict[str, bytes | None] = {**recovered.snapshot, **engine.take_snapshot()}
    return _state(parts)


def _state(parts: dict[str, bytes | None]) -> dict[str, str]:
    """Each part's bytes; of a rule's without its newest look, of which the journal does not tell.

    A look that changes no more than its time, or makes levels that are at rest, is no change to the engine
    (iotrules.engine.lifecycle): it need not be journaled or stored, and a restart may forget it.
    """
    texts = {}
    for name, body in parts.items():
        if body is not None:
            content = msgspec.msgpack.decode(body)
            if name.startswith('["rule"'):
                content[OBSERVED] = 0
                content[RUNGS] = [rung for rung in content[RUNGS] if rung != AT_REST]
            texts[f"state {name}"] = msgspec.msgpack.encode(content).hex()
    return texts


def _views(store: Path) -> dict[str, str]:
    """The rows that people read, one text each."""
    views = {}
    for table, rows in export(store).items():
        for n, row in enumerate(_accounted(table, rows)):
            views[f"{table} {n}"] = json.dumps(row, sort_keys=True, default=_text)
    return views


def _accounted(table: str, rows: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    return (row for row in rows if row["counter"] in ACCOUNTED) if table == "counters" else rows


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else repr(value)
