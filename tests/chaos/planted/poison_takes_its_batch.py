"""Planted: a message that can't be read takes the others of its batch with it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from iotrules.cli.run import Parts
from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken, OnBatch
from tests.chaos.points import PassingTransport


class Fragile(PassingTransport):
    """Acknowledges a batch that it can't read, and forgets it."""

    def taking(self, on_batch: OnBatch) -> OnBatch:
        def take(batch: Sequence[tuple[Arrival, AckToken]]) -> None:
            try:
                for arrival, _ in batch:
                    if not arrival.topic.endswith("/mark"):
                        msgspec.json.decode(arrival.payload)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                self.real.acknowledge([token for _, token in batch])
            else:
                on_batch(batch)

        return take


def parts() -> Parts:
    return Parts(transport=Fragile)
