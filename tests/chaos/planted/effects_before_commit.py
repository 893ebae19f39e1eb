"""Planted: commands leave before the decision that made them is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from iotrules.cli.run import Parts
from iotrules.model.decisions import SendCommand
from iotrules.model.rules import RuleSet
from iotrules.ports import Entry, Transport
from tests.chaos.points import PassingStore, PassingTransport


class Way(PassingTransport):
    """Lets the store have the way out."""

    out: ClassVar[Transport | None] = None

    def __init__(self, real: Transport) -> None:
        super().__init__(real)
        Way.out = real


class Hasty(PassingStore):
    """Sends commands, and then commits them."""

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        commands = [effect for one in entries for effect in one.decision.effects if isinstance(effect, SendCommand)]
        for command in commands:
            if Way.out is not None:
                await Way.out.publish(command.topic, command.payload)
        if commands:
            await asyncio.sleep(0.2)
        await self.real.commit(entries, rules)


def parts() -> Parts:
    return Parts(store=Hasty, transport=Way)
