"""Planted: a commit that fails, for want of room on the disk, is taken for done."""

from __future__ import annotations

from collections.abc import Sequence

from iotrules.cli.run import Parts
from iotrules.model.errors import UnavailableError
from iotrules.model.rules import RuleSet
from iotrules.ports import Entry
from tests.chaos.points import PassingStore


class Careless(PassingStore):
    """Goes on as if it had been written."""

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        try:
            await self.real.commit(entries, rules)
        except UnavailableError:
            return


def parts() -> Parts:
    return Parts(store=Careless)
