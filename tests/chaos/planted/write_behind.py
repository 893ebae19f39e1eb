"""Planted: the store says that it has written when it only means to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from iotrules.cli.run import Parts
from iotrules.model.rules import RuleSet
from iotrules.ports import Entry, Store
from tests.chaos.points import PassingStore


class Lazy(PassingStore):
    """Writes half a second later, in order."""

    def __init__(self, real: Store) -> None:
        super().__init__(real)
        self._last: asyncio.Task[None] | None = None

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        self._last = asyncio.create_task(self._later(self._last, entries, rules))

    async def _later(self, before: asyncio.Task[None] | None, entries: Sequence[Entry], rules: RuleSet) -> None:
        await asyncio.sleep(0.5)
        if before is not None:
            await before
        await self.real.commit(entries, rules)

    async def close(self) -> None:
        if self._last is not None:
            await self._last
        await super().close()


def parts() -> Parts:
    return Parts(store=Lazy)
