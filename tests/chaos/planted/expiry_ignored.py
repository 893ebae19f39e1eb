"""Planted: what could not be sent in time is sent when it can be, and the broker is not told when it expires."""

from __future__ import annotations

from iotrules.cli.run import Parts
from tests.chaos.points import PassingTransport


class Stubborn(PassingTransport):
    """Knows no expiry."""

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        await super().publish(topic, payload)


def parts() -> Parts:
    return Parts(transport=Stubborn)
