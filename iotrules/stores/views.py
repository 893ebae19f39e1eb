"""What people ask of the engine's store, read-only: each query is a short transaction of its own."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import msgspec

from iotrules.model.decisions import AlertState, CommandState
from iotrules.model.errors import ConfigError, StateError, UnavailableError

T = TypeVar("T")
VERSION = "3"  # meta.version of a store that these queries understand
BUSY_SECONDS = 1.0  # a query waits so long for a lock; readers of a WAL store hardly ever do
_LAST_INSTANT = 2**63 - 1
ACTIVE = (AlertState.PENDING, AlertState.FIRING)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One comparison of a rule's condition with a constant: `temp > 85`."""

    field: str
    operator: str
    value: float


@dataclass(frozen=True, slots=True)
class RuleRow:
    name: str
    stream: str
    severity: str
    condition: str
    file: str
    line: int
    dry_run: bool
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True)
class AlertRow:
    """The present state of a rule for a key; times in ns."""

    rule: str
    key: str
    device: str
    state: str
    severity: str
    episode: int
    since: int
    updated: int
    summary: str
    reason: str
    muted: str = ""


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """One change of an alert's state; `at` event time, `decided` engine time, ns."""

    rule: str
    key: str
    number: int
    episode: int
    sequence: int
    before: str
    after: str
    severity: str
    at: int
    decided: int
    reason: str
    summary: str
    evidence: dict[str, Any]
    muted: str = ""


@dataclass(frozen=True, slots=True)
class CommandRow:
    id: str
    rule: str
    episode: int
    key: str
    device: str
    name: str
    state: str
    detail: str
    issued: int
    expires: int
    updated: int


@dataclass(frozen=True, slots=True)
class InvocationRow:
    """One attempt to run a function."""

    request_id: str
    effect: str
    function: str
    key: str
    outcome: str
    detail: str
    at: int
    cold: bool
    init_ms: float
    duration_ms: float
    billed_ms: int
    memory_mb: int
    max_memory_mb: int
    log_tail: str


@dataclass(frozen=True, slots=True)
class DeviceStateRow:
    """What handlers remember about a key."""

    key: str
    version: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    id: int
    sequence: int
    topic: str
    payload: bytes
    received: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers for a summary. Mappings are word → count, without zeros: alerts and commands by state, active alerts
    (pending or firing) by severity, invocations by outcome, counters added up over their labels.
    """

    alerts: dict[str, int]
    active: dict[str, int]
    commands: dict[str, int]
    invocations: dict[str, int]
    counters: dict[str, int]
    transitions: int
    dead_letters: int
    cold_starts: int


_ALERTS = "SELECT rule, key, device, state, severity, episode, since, updated, summary, reason, muted FROM alerts "
_WORST_FIRST = """ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'major' THEN 1 WHEN 'minor' THEN 2 ELSE 3 END,
state = 'pending', since DESC, rule, key LIMIT ?"""
_ALERTS_IN = " ".join((_ALERTS, "WHERE state IN (SELECT value FROM json_each(?))", _WORST_FIRST))
_TRANSITIONS = """SELECT rule, key, number, episode, sequence, before, after, severity, at, decided, reason, summary,
evidence, muted FROM transitions """
_QUIET = _TRANSITIONS.replace("FROM transitions", "FROM quiet_transitions")
_COMMANDS = "SELECT id, rule, episode, key, device, name, state, detail, issued, expires, updated FROM commands "
_INVOCATIONS = """SELECT request_id, effect, function, key, outcome, detail, at, cold, init_ms, duration_ms, billed_ms,
memory_mb, max_memory_mb, log_tail FROM invocations ORDER BY at DESC LIMIT ?"""
_DEAD_LETTERS = """SELECT id, sequence, topic, payload, received, reason, detail FROM dead_letters
ORDER BY id DESC LIMIT ?"""
_SIZES = """SELECT (SELECT count(*) FROM transitions), (SELECT count(*) FROM dead_letters),
(SELECT count(*) FROM invocations WHERE cold)"""
_RULES = "SELECT name, stream, severity, condition, file, line, dry_run, thresholds FROM rules ORDER BY name"


class StoreView:
    """A read-only connection to a store: `async with StoreView(path) as view:`.

    Opening raises ConfigError if there is no store, StateError if it is no store or of another version. Every query
    raises UnavailableError if the store is locked or gone, StateError if it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: tuple[int, int] | None = None
        self._db: aiosqlite.Connection | None = None

    async def __aenter__(self) -> StoreView:
        self._file = _file_identity(self.path)
        if self._file is None:
            raise ConfigError(
                f"there is no store at {self.path}: start the engine (`iotrules run`), or name another with --store"
            )
        with _translated(self.path):
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            self._db = await aiosqlite.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                await _check_version(self._db, self.path)
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            await db.close()

    def is_current(self) -> bool:
        """Is the file that was opened still the one at the path? A deleted or replaced store is not."""
        return self._file is not None and _file_identity(self.path) == self._file

    async def change_mark(self) -> int:
        """A number that moves whenever another connection has committed: equal marks, equal answers."""
        return int((await self.rows("PRAGMA data_version"))[0][0])

    async def alerts(self, *states: AlertState, limit: int = 10_000) -> list[AlertRow]:
        """Alerts in these states (none named: in any), worst first."""
        words = msgspec.json.encode([state.value for state in states or AlertState]).decode()
        return [AlertRow(*row) for row in await self.rows(_ALERTS_IN, words, limit)]

    async def active_alerts(self, limit: int = 10_000) -> list[AlertRow]:
        """Alerts pending or firing, worst first."""
        return await self.alerts(*ACTIVE, limit=limit)

    async def resolved_alerts(self, limit: int = 50) -> list[AlertRow]:
        """Alerts that ended, latest first."""
        query = _ALERTS + "WHERE state = 'resolved' ORDER BY updated DESC, rule, key LIMIT ?"
        return [AlertRow(*row) for row in await self.rows(query, limit)]

    async def alert(self, rule: str, key: str) -> AlertRow | None:
        """The alert of this rule for this key (canonical JSON), if it was ever pending."""
        rows = await self.rows(_ALERTS + "WHERE rule = ? AND key = ?", rule, key)
        return AlertRow(*rows[0]) if rows else None

    async def transitions(
        self, *, key: str | None = None, rule: str | None = None, limit: int = 100
    ) -> list[TransitionRow]:
        """Transitions, newest first; of one key, one rule, or all."""
        where, values = _filters(("key = ?", key), ("rule = ?", rule))
        query = _TRANSITIONS + where + "ORDER BY decided DESC, number DESC LIMIT ?"
        return self._transition_rows(await self.rows(query, *values, limit))

    async def history(
        self, rule: str, key: str, limit: int = 100, *, until: int = _LAST_INSTANT
    ) -> list[TransitionRow]:
        """Transitions of a rule and key decided up to `until` (ns), newest first, with those under `alert: false`."""
        where = "WHERE rule = ? AND key = ? AND decided <= ?"
        query = " ".join((_TRANSITIONS, where, "UNION ALL", _QUIET, where, "ORDER BY number DESC LIMIT ?"))
        return self._transition_rows(await self.rows(query, *(rule, key, until) * 2, limit))

    def _transition_rows(self, rows: Iterable[tuple[Any, ...]]) -> list[TransitionRow]:
        return [TransitionRow(*(*row[:-2], _decoded(row[-2], dict[str, Any], self.path), row[-1])) for row in rows]

    async def commands(
        self, *, key: str | None = None, state: CommandState | None = None, limit: int = 100
    ) -> list[CommandRow]:
        """Commands, newest first; of one key, in one state, or all."""
        where, values = _filters(("key = ?", key), ("state = ?", state.value if state else None))
        rows = await self.rows(_COMMANDS + where + "ORDER BY issued DESC, id LIMIT ?", *values, limit)
        return [CommandRow(*row) for row in rows]

    async def invocations(self, limit: int = 100) -> list[InvocationRow]:
        """Attempts to run functions, newest first."""
        rows = await self.rows(_INVOCATIONS, limit)
        return [InvocationRow(*(*row[:7], bool(row[7]), *row[8:])) for row in rows]

    async def device_states(self) -> list[DeviceStateRow]:
        """What handlers remember about every key they ever wrote for."""
        rows = await self.rows("SELECT key, version, body FROM device_state")
        return [_device_state(row, self.path) for row in rows]

    async def rules(self) -> list[RuleRow]:
        """The rules in use, by name."""
        rows = await self.rows(_RULES)
        return [RuleRow(*(*row[:6], bool(row[6]), _decoded(row[7], tuple[Threshold, ...], self.path))) for row in rows]

    async def counters(self) -> dict[tuple[str, str], int]:
        """(counter, label) → total since the store was made."""
        rows = await self.rows("SELECT counter, label, total FROM counters")
        return {(counter, label): total for counter, label, total in rows}

    async def dead_letters(self, limit: int = 100) -> list[DeadLetterRow]:
        """Messages that could not be used, newest first."""
        return [DeadLetterRow(*row) for row in await self.rows(_DEAD_LETTERS, limit)]

    async def newest_input(self) -> int | None:
        """When the engine last decided on anything, ns; None if the journal is empty."""
        rows = await self.rows("SELECT now FROM journal ORDER BY sequence DESC LIMIT 1")
        return int(rows[0][0]) if rows else None

    async def totals(self) -> Totals:
        """The numbers of a summary."""
        active = "SELECT severity, count(*) FROM alerts WHERE state IN ('pending', 'firing') GROUP BY severity"
        (sizes,) = await self.rows(_SIZES)
        return Totals(
            alerts=dict(await self.rows("SELECT state, count(*) FROM alerts GROUP BY state")),
            active=dict(await self.rows(active)),
            commands=dict(await self.rows("SELECT state, count(*) FROM commands GROUP BY state")),
            invocations=dict(await self.rows("SELECT outcome, count(*) FROM invocations GROUP BY outcome")),
            counters=dict(await self.rows("SELECT counter, sum(total) FROM counters GROUP BY counter")),
            transitions=sizes[0],
            dead_letters=sizes[1],
            cold_starts=sizes[2],
        )

    async def rows(self, query: str, *values: object) -> list[Any]:
        """Of a query on the schema; for modules of this room."""
        if self._db is None:
            raise UnavailableError(f"the store {self.path} is not open")
        with _translated(self.path):
            return list(await self._db.execute_fetchall(query, values))


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def _check_version(db: aiosqlite.Connection, path: Path) -> None:
    made = await db.execute_fetchall("SELECT 1 FROM sqlite_schema WHERE name = 'meta'")
    query = "SELECT value FROM meta WHERE name = 'version'"
    versions = [row[0] for row in await db.execute_fetchall(query)] if made else []
    if not versions:
        raise StateError(f"{path} is not a store of iotrules: it names no version")
    if versions != [VERSION]:
        raise StateError(
            f"the store {path} is of version {versions[0]}, this iotrules reads version {VERSION}:"
            " use the iotrules that wrote it"
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's errors in our words."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UnavailableError(f"the store {path} can't be read now: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StateError(f"{path} is damaged, or not a store of iotrules: {error}") from error


def _filters(*filters: tuple[str, str | None]) -> tuple[str, list[str]]:
    """The WHERE of those filters that have a value."""
    used = [(text, value) for text, value in filters if value is not None]
    where = " AND ".join(text for text, _ in used)
    return (f"WHERE {where} " if where else ""), [value for _, value in used]


def _device_state(row: tuple[str, int, str], path: Path) -> DeviceStateRow:
    return DeviceStateRow(row[0], row[1], _decoded(row[2], dict[str, Any], path))


def _decoded(text: str, kind: type[T], path: Path) -> T:
    """JSON of the store as a value of this type."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise StateError(f"the store {path} holds JSON that can't be read: {error}") from error
