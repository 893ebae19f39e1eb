"""The judge is judged: each planted bug is caught in its scenario, and the program as it is shipped passes them all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.scenarios import SCENARIOS, run_scenario
from tests.mosquitto import mosquitto_program

SEED = 1
AT_ONCE = 4
"""Runs; each of them mostly waits."""

SHIPPED = ""
RUNS = [(name, planted) for name, scenario in SCENARIOS.items() for planted in (SHIPPED, *scenario.catches)]


@pytest.mark.timeout(480)
def test_each_planted_bug_is_caught_and_the_program_as_it_is_shipped_passes(tmp_path: Path) -> None:
    """Twelve of twelve, and more: each by an invariant that it breaks, and by none without it."""
    mosquitto_program()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {
            run: pool.submit(run_scenario, run[0], tmp_path / str(n), SEED, planted=run[1])
            for n, run in enumerate(RUNS)
        }
    missed, accused = {}, {}
    for name, planted in RUNS:
        found = running[name, planted].result()
        if planted == SHIPPED and found:
            accused[name] = [str(finding) for finding in found]
        elif planted and not {finding.invariant for finding in found} & set(SCENARIOS[name].catches[planted]):
            missed[planted] = [str(finding) for finding in found]
    assert sum(planted != SHIPPED for _, planted in RUNS) >= 12
    assert not missed, f"not caught: {missed}"
    assert not accused, f"found without a bug: {accused}"


def test_every_planted_module_has_its_scenario() -> None:
    folder = Path(__file__).parent / "planted"
    modules = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    assert modules == {planted for _, planted in RUNS if planted}
