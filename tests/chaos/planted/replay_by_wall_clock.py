"""Planted: recovery replays the journal with the time of the recovery instead of the journaled one."""

from __future__ import annotations

import time

from iotrules.cli.run import Parts
from iotrules.ports import Recovered
from tests.chaos.points import PassingStore


class Impatient(PassingStore):
    """Recovers as if all had happened now."""

    async def open(self) -> Recovered:
        recovered = await self.real.open()
        now = time.time_ns()
        entries = [(sequence, now, value) for sequence, _, value in recovered.entries]
        return Recovered(recovered.snapshot, entries, recovered.sequence, recovered.pending, recovered.alive)


def parts() -> Parts:
    return Parts(store=Impatient)
