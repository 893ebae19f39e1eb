"""From a run's directory to findings: reads the histories and the store, and asks the judge."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from iotrules.model.errors import StateError
from tests.chaos.checker import Case, Finding, judge, waits
from tests.chaos.facts import export, journal, read_facts
from tests.chaos.oracle import expect
from tests.chaos.uninterrupted import dumps
from tests.chaos.world import World


@dataclass(frozen=True, slots=True)
class Judged:
    """What does not hold, and how much there was to judge."""

    findings: list[Finding]
    messages: int
    alerts: int
    executed: int
    p99_ms: float

    @property
    def numbers(self) -> str:
        """As cells of a table."""
        return f"{self.messages:,} | {self.alerts:,} | {self.executed:,} | {self.p99_ms:.0f} ms"


def judged(world: World, *, waits_p99_ms: float | None = None) -> Judged:
    """What does not hold of a finished run."""
    facts = read_facts(world.directory)
    expected = expect(journal(world.store))
    compared: tuple[dict[str, str], dict[str, str]] = ({}, {})
    unusable = []
    try:
        compared = asyncio.run(dumps(world.store, world.directory))
    except StateError as error:
        unusable = [Finding("I5", "the store can't be recovered", str(error))]
    case = Case(facts, expected, export(world.store), world.rules, compared, world.broker_kept, waits_p99_ms)
    times = waits(facts)
    return Judged(
        [*judge(case), *unusable],
        expected.counts["received", ""],
        sum(word == "firing" for alert in expected.alerts.values() for word, _ in alert.story),
        sum(event["verdict"] == "executed" for event in facts.commands),
        times[len(times) * 99 // 100] / 1e6 if times else 0.0,
    )
