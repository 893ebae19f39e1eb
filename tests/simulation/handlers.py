"""The functions of the simulated plant: they answer, raise, hang or are away, as chance has it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from random import Random

from iotrules.model.errors import UnavailableError
from iotrules.model.inputs import FunctionUsage
from iotrules.ports import FunctionResult
from tests.simulation.facts import Facts

TAKES = 0.2
HANGS = 15.0


class SimulatedFunctions:
    """The port `Functions`, which outlives the engine.

    `trip` counts in the device's state how often it was called, and asks for a command.
    """

    def __init__(self, facts: Facts, chance: str, alive: Callable[[], bool]) -> None:
        self._facts = facts
        self._chance = chance
        self._alive = alive
        self._calls: Counter[str] = Counter()

    async def start(self) -> None: ...

    def names(self) -> frozenset[str]:
        return frozenset({"trip"})

    async def invoke(self, function: str, event: bytes, request_id: str) -> FunctionResult:
        """Run it. Which way it goes depends on the event's id and on how often that has come."""
        if function not in self.names():
            raise KeyError(function)
        read = json.loads(event)
        name = read["id"]
        self._calls[name] += 1
        if self._alive():
            self._facts.invoked.append((function, event))
        self._facts.events += 1
        fate = Random(f"{self._chance} {name} {self._calls[name]}").random()
        if fate < 0.1:
            raise UnavailableError("no room for another environment (by script)")
        await asyncio.sleep(HANGS if fate < 0.2 else TAKES)  # virtual time
        usage = FunctionUsage(f"{name} {self._calls[name]}", cold=False, init_ms=0.0, duration_ms=200.0, billed_ms=200,
                              memory_mb=128, max_memory_mb=40)  # fmt: skip
        if fate < 0.35:
            return FunctionResult(None, "ValueError", "raised (by script)", usage)
        if fate < 0.4:
            return FunctionResult(b'{"commands": 7}', "", "", usage)
        trips = read["state"].get("trips", 0) + 1
        answer = {"state": {"trips": trips}, "commands": [{"name": "lock", "args": {"trips": trips}, "expires": "24h"}]}
        return FunctionResult(json.dumps(answer).encode(), "", "", usage)

    async def stop(self) -> None: ...
