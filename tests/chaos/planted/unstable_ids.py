"""Planted: each attempt to send a command gives it another id, so that no device can know a repeat."""

from __future__ import annotations

import msgspec

from iotrules.cli.run import Parts
from iotrules.ports import Transport
from tests.chaos.points import PassingTransport


class Renaming(PassingTransport):
    """Numbers the commands that it sends."""

    def __init__(self, real: Transport) -> None:
        super().__init__(real)
        self._sent = 0

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        if topic.endswith("/cmd"):
            self._sent += 1
            body = msgspec.json.decode(payload)
            payload = msgspec.json.encode({**body, "id": f"{body['id']}#{self._sent}"})
        await super().publish(topic, payload, expires_in=expires_in)


def parts() -> Parts:
    return Parts(transport=Renaming)
