"""Planted: commands go to the device before the one that they are for."""

from __future__ import annotations

from iotrules.cli.run import Parts
from iotrules.ports import Transport
from tests.chaos.points import PassingTransport


class Confused(PassingTransport):
    """Publishes each command to where the one before had to go."""

    def __init__(self, real: Transport) -> None:
        super().__init__(real)
        self._last = ""

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        if topic.endswith("/cmd"):
            topic, self._last = self._last or topic, topic
        await super().publish(topic, payload, expires_in=expires_in)


def parts() -> Parts:
    return Parts(transport=Confused)
