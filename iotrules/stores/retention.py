"""How long a store keeps what is over, and what of it goes: by age and by number, a few rows at a time.

House rule: what is open stays, however old: an alert that is pending or firing with its transitions, an effect that is
not settled, a command whose outcome is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

from iotrules.model.times import DAY

SLICE = 200
"""Rows deleted at once."""

EVERY = 60_000_000_000
"""Ns between two rounds."""


@dataclass(frozen=True, slots=True)
class Keep:
    """`age` in ns. What is older goes, and what is beyond the newest `rows`."""

    age: int
    rows: int


@dataclass(frozen=True, slots=True)
class Retention:
    """By table. The defaults are those of docs/operations.md."""

    dead_letters: Keep = Keep(30 * DAY, 100_000)
    transitions: Keep = Keep(365 * DAY, 1_000_000)
    invocations: Keep = Keep(30 * DAY, 100_000)
    ledger: Keep = Keep(30 * DAY, 100_000)
    commands: Keep = Keep(365 * DAY, 1_000_000)
    alerts: Keep = Keep(365 * DAY, 1_000_000)


class _Rule(NamedTuple):
    key: str
    time: str
    over: str


_OPEN_COMMAND = "'requested', 'held', 'sent', 'acknowledged'"
_RULES = {
    "dead_letters": _Rule("id", "received", "1"),
    "transitions": _Rule(
        "rule, key, number",
        "decided",
        "NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.rule = transitions.rule AND alerts.key = transitions.key"
        " AND alerts.state IN ('pending', 'firing') AND alerts.episode <= transitions.episode)",
    ),
    "invocations": _Rule("request_id", "at", "1"),
    "ledger": _Rule("id", "settled", "state != 'pending' AND settled IS NOT NULL"),
    "commands": _Rule("id", "issued", f"state NOT IN ({_OPEN_COMMAND})"),
    "alerts": _Rule("rule, key", "updated", "state NOT IN ('pending', 'firing')"),
}


class Step(NamedTuple):
    """One slice of a table: what says up to when rows are over, and what deletes some of them."""

    table: str
    beyond: tuple[str, int]
    """The time of the oldest row that number allows, if there are more, and its value."""
    oldest: int
    """Ns: what is older goes by age."""
    delete: str
    """With the time up to which rows go as its value."""


def steps(retention: Retention, now: int) -> Iterator[Step]:
    """A round: each table's slice, to be repeated until it deletes fewer than `SLICE` rows."""
    for table in (field.name for field in fields(retention)):
        keep: Keep = getattr(retention, table)
        key, time, over = _RULES[table]
        some = f"SELECT {key} FROM {table} WHERE {time} < ? AND {over} ORDER BY {time} LIMIT {SLICE}"  # noqa: S608 - ours
        newest = f"SELECT {time} FROM {table} WHERE {time} IS NOT NULL ORDER BY {time} DESC LIMIT 1 OFFSET ?"  # noqa: S608 - ours
        yield Step(
            table,
            (newest, keep.rows - 1),
            now - keep.age,
            f"DELETE FROM {table} WHERE ({key}) IN ({some})",  # noqa: S608 - ours
        )
