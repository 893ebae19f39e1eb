"""`make simtest` as its user runs it: many seeds keep every promise, and one seed goes the same way each time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.running import Verdict, history, run, smallest
from tests.simulation.script import Crash, Script, Send, Stop, script_of

pytestmark = pytest.mark.simulation

ROOT = Path(__file__).parents[2]
SEEDS = 250


def simtest(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_every_promise_is_kept_in_some_seeds() -> None:
    """`make simtest` runs a thousand."""
    done = simtest("--seeds", str(SEEDS), "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{SEEDS} seeds, 0 failed" in done.stdout


@pytest.mark.timeout(300)
def test_a_seed_goes_the_same_way_in_every_process() -> None:
    runs = [simtest("--seed", "12", PYTHONHASHSEED=hashing) for hashing in ("1", "2")]
    assert runs[0].returncode == 0, runs[0].stdout + runs[0].stderr
    assert runs[0].stdout == runs[1].stdout


def test_seeds_are_not_alike() -> None:
    assert len({script_of(seed).events for seed in range(50)}) == 50


def needs_three_and_a_crash(script: Script) -> Verdict:
    """As if a run failed whenever it has three measurements and a crash."""
    kinds = Counter(type(event) for event in script.events)
    faults = ("I1 acknowledged, and lost",) if kinds[Send] >= 3 and kinds[Crash] else ()
    return Verdict(script, faults, (), Counter())


def test_a_failing_script_is_cut_down_to_what_it_needs() -> None:
    events = (*(Send(float(at), 0, 0, at, 60) for at in range(1, 40)), Crash(50.0, "kill", 3, 1.0, 7), Stop(60.0, 1.0))
    least = smallest(needs_three_and_a_crash(Script(0, 10, 20, events)), needs_three_and_a_crash)
    assert sorted(type(event).__name__ for event in least.script.events) == ["Crash", "Send", "Send", "Send"]


def test_a_history_tells_what_was_sent_what_failed_and_which_promise_was_broken() -> None:
    verdict = run(Script(0, 10, 20, (Send(5.0, 1, 0, 1, 97), Crash(5.0, "kill", 1, 1.0, 7)), lasts=20.0))
    told = history(verdict)
    assert verdict.faults == ()
    assert "d1 measures 97" in told
    assert "the engine is killed" in told
    assert told.count("the engine starts") == 2
