"""Dead letters, read from a store by numbers, reason, topic and time, without their being loaded all at once.

House rule: nothing is written here. Only the engine takes letters out of the table, with the input that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from iotrules.model.inputs import Letter
from iotrules.ports import Chosen
from iotrules.stores.views import DeadLetterRow, StoreView

_PAGE = 100
_LARGEST = 2**63 - 1
_WHERE = """id > ? AND id <= ? AND (? IS NULL OR id IN (SELECT value FROM json_each(?)))
AND (? = '' OR reason = ?) AND (? = '' OR topic GLOB ?) AND received >= ? """
_LETTERS = "SELECT id, sequence, topic, payload, received, reason, detail FROM dead_letters WHERE " + _WHERE  # noqa: S608 - ours


class StoredLetters:
    """The port `Letters`, on the store at a path; each question opens it anew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def choose(self, chosen: Chosen, most: int, most_bytes: int) -> Sequence[Letter]:
        """See the port."""
        async with StoreView(self._path) as view:
            found: list[Letter] = []
            size, after = 0, chosen.after
            while len(found) < most:
                rows = await chosen_rows(view, chosen, after, _PAGE)
                for row in rows:
                    size += len(row.payload)
                    if found and (size > most_bytes or len(found) >= most):
                        return found
                    found.append(Letter(row.id, row.topic, row.payload))
                if not rows:
                    break
                after = rows[-1].id
            return found

    async def newest(self) -> int:
        """See the port."""
        async with StoreView(self._path) as view:
            return await newest_letter(view)


async def newest_letter(view: StoreView) -> int:
    """The highest number in use; 0 if there is none."""
    return int((await view.rows("SELECT coalesce(max(id), 0) FROM dead_letters"))[0][0])


async def chosen_rows(view: StoreView, chosen: Chosen, after: int, limit: int) -> list[DeadLetterRow]:
    """At most `limit` of them with numbers above `after`, lowest first."""
    rows = await view.rows(_LETTERS + "ORDER BY id LIMIT ?", *_given(chosen, after), limit)
    return [DeadLetterRow(*row) for row in rows]


async def newest_rows(view: StoreView, chosen: Chosen, limit: int) -> list[DeadLetterRow]:
    """At most `limit` of them, newest first."""
    rows = await view.rows(_LETTERS + "ORDER BY id DESC LIMIT ?", *_given(chosen, chosen.after), limit)
    return [DeadLetterRow(*row) for row in rows]


def _given(chosen: Chosen, after: int) -> tuple[object, ...]:
    """The values of _WHERE."""
    numbers = None if chosen.numbers is None else msgspec.json.encode(chosen.numbers).decode()
    upto = _LARGEST if chosen.upto is None else chosen.upto
    words = (chosen.reason, chosen.reason, chosen.topic, chosen.topic)
    return after, upto, numbers, numbers, *words, chosen.since
