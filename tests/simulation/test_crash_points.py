"""Crashes at every commit boundary: a short run is ended at each operation of the disk, and at each point, in turn."""

from __future__ import annotations

import pytest

from tests.simulation.running import Verdict, run
from tests.simulation.script import POINTS, Crash, CrashAt, Point, Script, Send

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

BEGIN = 0.4
"""Before the engine's first start: making the store is among what is interrupted."""

SHORT = tuple(
    Send(at, device, 0, number, temp)
    for number, (at, temps) in enumerate(((2.0, (97, 60)), (8.0, (97, 92)), (14.0, (97, 60)), (20.0, (60, 66))), 1)
    for device, temp in enumerate(temps)
)
"""Two devices: alerts begin and end, a function is called, commands leave and are answered."""


def crashed(event: Crash | CrashAt) -> Verdict:
    return run(Script(1, 6, 20, (event, *SHORT), lasts=30.0, settles=70.0))


def without_a_crash() -> Verdict:
    verdict = run(Script(1, 6, 20, SHORT, lasts=30.0, settles=70.0))
    assert verdict.faults == ()
    assert verdict.did["commands"] >= 4
    return verdict


def test_a_crash_at_any_operation_of_the_disk_breaks_no_promise() -> None:
    operations = without_a_crash().did["operations"]
    assert operations > 300
    broken = {}
    for ops in range(1, operations + 1):
        verdict = crashed(Crash(BEGIN, "power" if ops % 3 else "kill", ops, 2.0, ops))
        if verdict.faults or verdict.did["crashes"] != 1:
            broken[ops] = verdict.faults
    assert broken == {}


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_point_of_the_work_breaks_no_promise(point: Point) -> None:
    times = without_a_crash().did[f"point {point}"]
    assert times > 2
    broken = {}
    for nth in range(1, times + 1):
        verdict = crashed(CrashAt(BEGIN, point, nth, 0, "power" if nth % 2 else "kill", 2.0, nth))
        if verdict.faults or verdict.did["crashes"] != 1:
            broken[nth] = verdict.faults
    assert broken == {}
