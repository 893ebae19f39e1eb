"""The table of names and values in which a store says what it is."""

from __future__ import annotations

import aiosqlite


async def get_meta(connection: aiosqlite.Connection, name: str, default: str) -> str:
    async with connection.execute("SELECT value FROM meta WHERE name = ?", (name,)) as cursor:
        row = await cursor.fetchone()
    return default if row is None else str(row[0])


async def set_meta(connection: aiosqlite.Connection, name: str, value: str) -> None:
    await connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
