"""Giving a store's unused room back to the disk: a new file is written and takes the place of the old one.

House rule: at every moment there is one whole store at the place. Without sums of pages a store is taken as it is, so
those go first and come last.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from iotrules.model.errors import ConfigError, StateError, UnavailableError
from iotrules.stores.disk import SYSTEM_DISK
from iotrules.stores.guard import beside, log_path
from iotrules.stores.pages import pages_path, sums_of
from iotrules.stores.sqlite import SqliteStore
from iotrules.tools.stores.holding import held


def compact(store: Path) -> tuple[int, int]:
    """Bytes before and after.

    StateError: it is damaged, and left as it is. UnavailableError: there is no room for a second file, or it is in use.
    """
    with held(store, "compact"):
        before = sum(file.stat().st_size for file in (store, log_path(store)) if file.exists())
    try:
        asyncio.run(_settled(store))
    except ConfigError as error:
        raise UnavailableError(str(error)) from error
    with held(store, "compact"):
        try:
            _rewrite(store, Path(f"{store}.compact"))
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"store {store} can't be compacted now: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StateError(f"store {store} is damaged: {error}; see `iotrules store verify {store}`") from error
        except OSError as error:
            raise UnavailableError(f"store {store} can't be compacted now: {error.strerror}") from error
    return before, store.stat().st_size


async def _settled(store: Path) -> None:
    """Have all of it checked, brought to this version, and in one file."""
    opened = SqliteStore(store)
    await opened.open()
    await opened.close()


def _rewrite(store: Path, new: Path) -> None:
    try:
        for file in (new, *beside(new)):
            file.unlink(missing_ok=True)
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
            db.execute("VACUUM INTO ?", (str(new),))
        with closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("VACUUM")
            db.execute("PRAGMA journal_mode = WAL")
        sums_of(new).save(new, SYSTEM_DISK)
        for file in (log_path(store), Path(f"{store}-shm"), pages_path(store)):
            file.unlink(missing_ok=True)  # the log is empty: all of it was in the file
        new.replace(store)
        pages_path(new).replace(pages_path(store))
    finally:
        for file in (new, *beside(new)):
            file.unlink(missing_ok=True)
