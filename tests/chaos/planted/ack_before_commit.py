"""Planted: messages are acknowledged as they come, not when they are durable."""

from __future__ import annotations

from collections.abc import Sequence

from iotrules.cli.run import Parts
from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken, OnBatch
from tests.chaos.points import PassingTransport


class Eager(PassingTransport):
    """Acknowledges at once."""

    def taking(self, on_batch: OnBatch) -> OnBatch:
        def take(batch: Sequence[tuple[Arrival, AckToken]]) -> None:
            self.real.acknowledge([token for _, token in batch])
            on_batch(batch)

        return take


def parts() -> Parts:
    return Parts(transport=Eager)
