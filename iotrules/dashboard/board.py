"""What all viewers share: the newest known facts, replaced by the poller, only read by pages."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from typing import Any

from iotrules.dashboard.rows import Row, Rows, delta

RING = 4000
"""Points of a chart that are kept, here and in the browser."""


@dataclass(slots=True)
class Watch:
    """One device that somebody looks at: a field's samples and the tables beside the chart."""

    key: str
    field: str
    viewers: int = 0
    stream: str = ""
    loaded: bool = False
    points: deque[tuple[int, float]] = dataclasses.field(default_factory=lambda: deque(maxlen=RING))
    """(event time ns, value), ascending"""
    thresholds: list[Row] = dataclasses.field(default_factory=list)
    facts: Row = dataclasses.field(default_factory=dict)
    """The device's newest reading, persisted state, fields with numbers, marks."""
    alerts: Rows = dataclasses.field(default_factory=dict)
    transitions: Rows = dataclasses.field(default_factory=dict)
    commands: Rows = dataclasses.field(default_factory=dict)


@dataclass(slots=True)
class Board:
    polled: int = 0
    """When the poller last looked, ns; a dead poller is seen by this standing still."""
    loaded: bool = False
    """Has the store been read at least once? Before that an empty table says nothing."""
    trouble: str = ""
    newest_message: int | None = None
    newest_input: int | None = None
    devices: int = 0
    active: Rows = dataclasses.field(default_factory=dict)
    resolved: Rows = dataclasses.field(default_factory=dict)
    fleet: Rows = dataclasses.field(default_factory=dict)
    watches: dict[tuple[str, str], Watch] = dataclasses.field(default_factory=dict)

    def watch(self, key: str, field_name: str) -> Watch:
        """Look at a field of a device; give it back with `release`. `field_name` empty: the first with numbers."""
        watch = self.watches.setdefault((key, field_name), Watch(key, field_name))
        watch.viewers += 1
        return watch

    def release(self, watch: Watch) -> None:
        watch.viewers -= 1
        if watch.viewers <= 0:
            self.watches = {name: other for name, other in self.watches.items() if other is not watch}


@dataclass(slots=True)
class Told:
    """What one viewer has been told: the tables it has (shared objects, not copies)."""

    tables: dict[str, Any] = dataclasses.field(default_factory=dict)

    def news(self, **tables: Rows) -> dict[str, Any]:
        """Name → delta of the tables that changed since the last call; empty if none did."""
        changes = {name: change for name, rows in tables.items() if (change := self._change(name, rows))}
        self.tables.update(tables)
        return changes

    def _change(self, name: str, rows: Rows) -> dict[str, Any] | None:
        if name not in self.tables:
            return {"put": list(rows.values()), "gone": []}
        return delta(self.tables[name], rows)
