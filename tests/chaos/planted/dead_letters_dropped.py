"""Planted: what can't be read is thrown away without a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from iotrules.cli.run import Parts
from iotrules.model.rules import RuleSet
from iotrules.ports import Entry
from tests.chaos.points import PassingStore


class Tidy(PassingStore):
    """Commits no dead letters."""

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        await self.real.commit([replace(e, decision=replace(e.decision, dead_letters=[])) for e in entries], rules)


def parts() -> Parts:
    return Parts(store=Tidy)
