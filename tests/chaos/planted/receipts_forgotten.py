"""Planted: what was delivered stays in the ledger as if it had not been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from iotrules.cli.run import Parts
from iotrules.model.rules import RuleSet
from iotrules.ports import Entry
from tests.chaos.points import PassingStore


class Unsettled(PassingStore):
    """Commits no change of a ledger row."""

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        await self.real.commit([replace(one, decision=replace(one.decision, ledger=[])) for one in entries], rules)


def parts() -> Parts:
    return Parts(store=Unsettled)
