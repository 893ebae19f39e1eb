"""The short run of each commit: 20 kills at any moment, 2 at each crash point, and each fault that takes no minute."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.chaos.faults import strace_program
from tests.chaos.processes import ChaosError
from tests.chaos.run import run_phase
from tests.chaos.schedule import SHORT, Phase, phases
from tests.chaos.world import Load
from tests.mosquitto import mosquitto_program

SEED = int(os.environ.get("CHAOS_SEED", "1"))
LOAD = Load(devices=20, rate=10, hot=0.3)
PHASES = {phase.name: phase for phase in phases(SEED, SHORT, LOAD)}


@pytest.mark.timeout(480)
@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
def test_nothing_is_lost_and_nothing_happens_twice(phase: Phase, tmp_path: Path) -> None:
    mosquitto_program()
    if phase.disk:
        _need_strace()
    outcome = run_phase(phase, tmp_path / "run", SEED)
    if outcome.findings:
        kept = Path(".chaos") / f"test-{phase.name}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(tmp_path / "run", kept, ignore=shutil.ignore_patterns("*.sock"))
        again = f"CHAOS_SEED={SEED} make test ARGS='tests/chaos/test_chaos.py -k {phase.name}'"
        words = "\n".join(map(str, outcome.findings))
        pytest.fail(f"{words}\nagain: {again}   (histories: {kept})")
    assert outcome.judged is not None
    assert outcome.judged.executed > 0
    assert outcome.judged.alerts > 20
    assert sum(outcome.times.values()) == len(phase.steps)


def test_one_seed_is_one_schedule() -> None:
    assert phases(7, SHORT, LOAD) == phases(7, SHORT, LOAD)
    assert phases(7, SHORT, LOAD) != phases(8, SHORT, LOAD)


def _need_strace() -> None:
    try:
        strace_program()
    except ChaosError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
