"""Planted: a NaN is read as a number, and every comparison with it is false."""

from __future__ import annotations

from collections.abc import Sequence

from iotrules.cli.run import Parts
from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken, OnBatch
from tests.chaos.points import PassingTransport


class Lenient(PassingTransport):
    """Reads NaN as a value that is above no threshold."""

    def taking(self, on_batch: OnBatch) -> OnBatch:
        def take(batch: Sequence[tuple[Arrival, AckToken]]) -> None:
            on_batch([(_read(arrival), token) for arrival, token in batch])

        return take


def _read(arrival: Arrival) -> Arrival:
    return Arrival(arrival.topic, arrival.payload.replace(b":NaN", b":-40"), arrival.received)


def parts() -> Parts:
    return Parts(transport=Lenient)
