"""The devices: each sends what the script has it measure until the broker has it, and carries out each command once.

House rule: a device trusts nobody: it looks at a command's expiry by its own clock, and remembers the ids it has seen.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from random import Random

from iotrules.model.inputs import Arrival
from iotrules.model.times import MILLISECOND
from iotrules.ports import AckToken
from iotrules.transports.memory import MemoryBroker, MemoryTransport
from tests.simulation.facts import Executed, Facts
from tests.simulation.plant import ANSWERS, COMMANDS, STREAM
from tests.simulation.script import Send
from tests.simulation.virtual import START

RESENDS_AFTER = 5.0
"""Virtual seconds that a device waits for the broker to say that it has a message."""

WORKS_FOR = 1.0
ANSWERS_LOST = 0.1


class Device:
    """One device, on the network or not."""

    def __init__(self, name: str, broker: MemoryBroker, facts: Facts, now: Callable[[], int], chance: str) -> None:
        self.name = name
        self._broker = broker
        self._facts = facts
        self._now = now
        self._chance = chance
        self._client = MemoryTransport(broker, name)
        self._waiting: list[tuple[str, bytes]] = []
        self._answered: dict[str, int] = {}
        self._offline = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._client.start([COMMANDS.format(device=self.name)], self._hear)

    async def offline(self, secs: float) -> None:
        self._offline += 1
        self._broker.cut(self.name)
        await asyncio.sleep(secs)  # virtual time
        self._offline -= 1
        if not self._offline:
            self._broker.join(self.name)
            waiting, self._waiting = self._waiting, []
            for message in waiting:
                self._publish(*message)

    async def measure(self, event: Send) -> None:
        """Send one measurement, in the way that fate has it."""
        at = (START // MILLISECOND) + round(event.at * 1000)
        body = json.dumps({"ts": at, "boot": f"b{event.boot}", "seq": event.seq, "temp": event.temp}).encode()
        message = (STREAM.format(device=self.name), body[:-9] if event.fate == "garbled" else body)
        await asyncio.sleep(event.delay)  # virtual time
        if event.fate != "lost":
            self._publish(*message)
        if event.fate == "twice":
            self._publish(*message)
        if event.fate in ("lost", "unheard"):
            await asyncio.sleep(RESENDS_AFTER)  # virtual time
            self._publish(*message)

    def _publish(self, topic: str, payload: bytes) -> None:
        if self._offline:
            self._waiting.append((topic, payload))
        else:
            self._facts.taken.append((topic, payload))
            self._facts.events += 1
            self._broker.publish(topic, payload)

    def _hear(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        for arrival, token in batch:
            self._client.acknowledge([token])
            task = asyncio.get_running_loop().create_task(self._obey(arrival.payload))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _obey(self, payload: bytes) -> None:
        command = json.loads(payload)
        name = command["id"]
        times = self._answered[name] = self._answered.get(name, 0) + 1
        if times > 1:
            self._answer(name, "succeeded", times)
            return
        if self._now() >= command["expires"] * MILLISECOND:
            self._answer(name, "rejected", times)
            return
        self._facts.executed.append(Executed(self._now(), self.name, payload))
        self._facts.events += 1
        self._answer(name, "acknowledged", times)
        await asyncio.sleep(WORKS_FOR)  # virtual time
        self._answer(name, "succeeded", times)

    def _answer(self, command: str, status: str, times: int) -> None:
        """Answer, unless that is lost on its way; whether it is depends on nothing else."""
        if Random(f"{self._chance} {command} {status} {times}").random() >= ANSWERS_LOST:
            body = json.dumps({"id": command, "status": status, "detail": str(times)}).encode()
            self._publish(ANSWERS.format(device=self.name), body)
