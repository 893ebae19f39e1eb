"""Which table or index a page of a database file belongs to, for people who read that a page is damaged.

House rule: it reads what may be damaged, so it follows nothing twice and gives up on what makes no sense.
Source: sqlite.org/fileformat2.html, "B-tree Pages".
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

_INTERIOR = (2, 5)


def owners(store: Path) -> dict[int, str]:
    """Page → what it belongs to, as far as that can be found: overflow pages of large values are not followed."""
    data = store.read_bytes() if store.exists() else b""
    if len(data) < 100:
        return {}
    size = int.from_bytes(data[16:18], "big")
    size = 65536 if size == 1 else size
    found = {1: "the schema"}
    for name, root in _roots(store):
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number not in found and 0 < number <= len(data) // size:
                found[number] = name
                waiting += _children(data[(number - 1) * size : number * size])
    return found


def _roots(store: Path) -> list[tuple[str, int]]:
    uri = f"{store.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as db:
            query = "SELECT tbl_name, type, name, rootpage FROM sqlite_schema WHERE rootpage > 0"
            rows = db.execute(query).fetchall()
    except sqlite3.Error:
        return []
    return [(f"table {table}" if type_ == "table" else f"index {name}", root) for table, type_, name, root in rows]


def _children(page: bytes) -> Iterator[int]:
    """The pages below an interior page."""
    if page[0] not in _INTERIOR:
        return
    cells = int.from_bytes(page[3:5], "big")
    yield int.from_bytes(page[8:12], "big")
    for at in struct.unpack_from(f">{min(cells, (len(page) - 12) // 2)}H", page, 12):
        if at + 4 <= len(page):
            yield int.from_bytes(page[at : at + 4], "big")
