"""Planted: effects are written in a transaction of their own, after the decision that made them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from iotrules.cli.run import Parts
from iotrules.model.decisions import effect_kind, effect_target, encode_effect
from iotrules.model.rules import RuleSet
from iotrules.ports import Entry
from tests.chaos.points import PassingStore


class Apart(PassingStore):
    """Commits decisions without their effects, and then the effects."""

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        bare = [replace(entry, decision=replace(entry.decision, effects=[])) for entry in entries]
        await self.real.commit(bare, rules)
        if any(entry.decision.effects for entry in entries):
            await asyncio.sleep(0.2)
            self._write(entries)

    def _write(self, entries: Sequence[Entry]) -> None:
        with closing(sqlite3.connect(vars(self.real)["_path"], timeout=5)) as connection, connection:
            for entry in entries:
                for effect in entry.decision.effects:
                    connection.execute(
                        "INSERT OR IGNORE INTO ledger (id, sequence, kind, target, key, body, state, attempts,"
                        " next_try, created, detail) VALUES (?, ?, ?, ?, ?, ?, 'pending', 0, ?, ?, '')",
                        (
                            effect.id, entry.sequence, effect_kind(effect), effect_target(effect), effect.key.text,
                            encode_effect(effect), entry.now, entry.now,
                        ),
                    )  # fmt: skip


def parts() -> Parts:
    return Parts(store=Apart)
