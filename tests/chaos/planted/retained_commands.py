"""Planted: commands are published retained: whoever subscribes later gets them again."""

from __future__ import annotations

import asyncio

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from iotrules.cli.run import Parts
from iotrules.ports import Transport
from tests.chaos.points import PassingTransport


class Retaining(PassingTransport):
    """Publishes commands by a client of its own, with the retain flag."""

    def __init__(self, real: Transport) -> None:
        super().__init__(real)
        self._client: mqtt.Client | None = None

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        if not topic.endswith("/cmd"):
            await super().publish(topic, payload, expires_in=expires_in)
            return
        if self._client is None:
            address = vars(self.real)["_settings"].address
            self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
            self._client.connect(address.host, address.port)
            self._client.loop_start()
        await asyncio.to_thread(self._client.publish(topic, payload, qos=1, retain=True).wait_for_publish, 5)


def parts() -> Parts:
    return Parts(transport=Retaining)
