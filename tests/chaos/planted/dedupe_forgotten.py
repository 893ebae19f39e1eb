"""Planted: after a restart the engine no longer knows which messages it has had."""

from __future__ import annotations

from collections.abc import Mapping

from iotrules.cli.run import Parts
from iotrules.model.inputs import Arrival, Input, Messages
from iotrules.ports import Recovered
from tests.chaos.points import PassingStore


class Forgetful(PassingStore):
    """Recovers as if all messages had come from other boots of their devices."""

    async def open(self) -> Recovered:
        recovered = await self.real.open()
        entries = [(sequence, now, _of_another_boot(value)) for sequence, now, value in recovered.entries]
        return Recovered(recovered.snapshot, entries, recovered.sequence, recovered.pending, recovered.alive)

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        """None: a snapshot would remember."""


def _of_another_boot(value: Input) -> Input:
    if not isinstance(value, Messages):
        return value
    return Messages(
        tuple(
            Arrival(one.topic, one.payload.replace(b'"boot":"', b'"boot":"other '), one.received)
            for one in value.arrivals
        )
    )


def parts() -> Parts:
    return Parts(store=Forgetful)
