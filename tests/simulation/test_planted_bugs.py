"""The simulation finds bugs that are there: each planted one is caught, by a promise that it breaks."""

from __future__ import annotations

import pytest

from tests.simulation.planted import BUGS
from tests.simulation.running import run, smallest
from tests.simulation.script import script_of

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

WITHIN = 200
"""Seeds in which each is found."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    bug = BUGS[name]
    for seed in range(WITHIN):
        faults = run(script_of(seed), bug.adapters).faults
        if bug.breaks & {fault.split()[0] for fault in faults}:
            return
    pytest.fail(f"{name}: not caught in {WITHIN} seeds")


def test_what_a_bug_needs_is_found() -> None:
    """Acknowledged on arrival, a message is lost by a crash: one measurement and one crash are enough."""
    bug = BUGS["acknowledged on arrival"].adapters
    verdict = next(found for seed in range(WITHIN) if (found := run(script_of(seed), bug)).faults)
    least = smallest(verdict, lambda script: run(script, bug))
    assert len(least.script.events) <= 6
    assert least.faults[0].startswith("I1")
