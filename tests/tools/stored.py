"""A store and its history as a running engine leaves them, with a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iotrules.history.sqlite import SqliteHistory
from iotrules.history.views import history_path
from iotrules.model.decisions import Decision
from iotrules.model.inputs import Input
from iotrules.model.times import SECOND
from iotrules.ports import Entry
from iotrules.stores.sqlite import SqliteStore
from tests.engine.world import START, World


class Stored(World):
    """A world whose inputs, and what they caused, can be written to a store of its own, as the runtime does."""

    def __init__(self, path: Path, rules: str, **options: Any) -> None:
        self.path = path
        self._entries: list[Entry] = []
        super().__init__(rules, **options)

    def put(self, value: Input) -> Decision:
        decision = super().put(value)
        if decision.changed:
            self._entries.append(Entry(self.sequence, self.now, value, decision))
        return decision

    async def write(self, *, snapshot: bool = False) -> None:
        """Commit what has not been yet; with `snapshot` the journal is dropped, as after many inputs."""
        store, history = SqliteStore(self.path), SqliteHistory(history_path(self.path))
        await store.open()
        entries, self._entries = self._entries, []
        for entry in entries:
            await store.commit([entry], self.engine.rules)
            await history.append(entry.decision.readings)
        if snapshot:
            await store.snapshot(self.sequence, self.engine.take_snapshot())
        await store.close()
        await history.close()

    def sends(self, values: Sequence[float], start: float = 0, every: float = 10, **more: Any) -> None:
        """Temperatures, one after another."""
        for number, value in enumerate(values):
            self.send(start + number * every, temp=value, **more)


def at(seconds: float) -> int:
    """ns, so many seconds after the start."""
    return START + round(seconds * SECOND)
