"""A commit as one visit to SQLite's thread: from a message to its command nobody waits for a visit per statement.

House rule: the first statement that fails is the last one. SQLite may have rolled back by itself, and what came after
that would stand alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = tuple[Any, ...]
Statement: TypeAlias = tuple[str, Sequence[Row]]
"""Carried out with each row in turn."""


class Ran(Protocol):
    """What became of a statement."""

    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> list[Any]: ...


class Database(Protocol):
    """What is used of sqlite3.Connection, in autocommit mode."""

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, sql: str, /) -> Ran: ...

    def executemany(self, sql: str, rows: Sequence[Row], /) -> Ran: ...


class FencedError(Exception):
    """The fence's row is not what it was to be; nothing was written."""


def transact(db: Database, fence: tuple[str, str], statements: Sequence[Statement]) -> list[int]:
    """Carry out all of them in one transaction, or nothing; how many rows each has changed.

    `fence`: a query, and the one value that it must give. FencedError, sqlite3.Error.
    """
    query, answer = fence
    db.execute("BEGIN IMMEDIATE")
    try:
        if [row[0] for row in db.execute(query).fetchall()] != [answer]:
            raise FencedError
        changed = [db.executemany(sql, rows).rowcount for sql, rows in statements]
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return changed
