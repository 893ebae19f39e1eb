"""Errors of SQLite and the system in our words: UnavailableError for what passes, else the store is no good."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from iotrules.model.errors import StateError, UnavailableError

_PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file system is read-only",
    sqlite3.SQLITE_BUSY: "another process holds it",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened or made there",
}
_NO_ROOM = frozenset({sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMMAP})
"""A full disk where there was no room for the WAL's index. Any other failure to read or write is final: after a failed
fsync nobody knows what is on the disk, so the process ends, and the next one recovers from what is there."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """For all that is done to the store at this path."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        passing = _PASSING[sqlite3.SQLITE_FULL] if code in _NO_ROOM else _PASSING.get(code & 0xFF)
        if passing is not None:
            raise UnavailableError(f"store {path}: {passing}") from error
        advice = "; nothing is lost: start the engine again once the disk is sound" if _is_io(code) else ""
        raise StateError(f"store {path} can't be used: {error}{advice}") from error
    except OSError as error:
        if error.errno == errno.EIO:
            raise StateError(f"store {path} can't be used: {error}") from error
        raise UnavailableError(f"store {path}: {error.strerror}") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what can't be decoded into our word for it."""
    try:
        yield
    except (msgspec.MsgspecError, LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise StateError(f"store {path} holds what this program can't read: {error}") from error


def _is_io(code: int) -> bool:
    return code & 0xFF == sqlite3.SQLITE_IOERR
