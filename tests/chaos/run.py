"""The long run: `make chaos KILLS=200 SEED=1`. Prints a table, and writes it beside the histories that it keeps.

House rule: one seed is one schedule; a run that finds something says in one line how to have it again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos import faults
from tests.chaos.checker import Finding
from tests.chaos.judging import Judged, judged
from tests.chaos.processes import ChaosError
from tests.chaos.schedule import Phase, Step, long_run, phases
from tests.chaos.world import Load, World, running_world
from tests.stores.disks import SmallDisk, small_disk

DISK = "64m"
OTHER_LABELS = {"crash_at": "F2", "disk_full": "F7", "write_error": "F8"}


@dataclass(slots=True)
class Outcome:
    """What came of one phase."""

    phase: Phase
    times: Counter[str] = field(default_factory=Counter)
    accepted_after: dict[str, list[float]] = field(default_factory=dict)
    judged: Judged | None = None
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0


def run_phase(phase: Phase, directory: Path, seed: int) -> Outcome:
    """Play a phase to its end, and judge it. All histories stay in `directory`."""
    directory.mkdir(parents=True)
    outcome, dice, began = Outcome(phase), Random(f"{seed} {phase.name}"), time.monotonic()
    with _disk(phase, directory) as disk:
        store = directory / "disk" / "store.db" if disk is not None else None
        with running_world(directory, phase.load, seed, store=store) as world:
            try:
                for step, after in zip(phase.steps, (*phase.steps[1:], None), strict=True):
                    if not world.engine.ended():
                        world.measure()
                        world.wait_for_more(step.messages)
                    crashes_again = after is not None and after.fault == "crash_at"
                    _do(world, dice, step, disk, revive=not crashes_again)
                    outcome.times[_label(step)] += 1
                world.wait_for_more(20)
                world.finish()
                outcome.judged = judged(world)
                outcome.findings = outcome.judged.findings
            except ChaosError as error:
                outcome.findings = [Finding("I10", "the run could not go on", str(error))]
            outcome.accepted_after = world.accepted_after
        if disk is not None:
            shutil.copy(directory / "disk" / "store.db", directory / "store.db")
    outcome.seconds = time.monotonic() - began
    return outcome


def report(outcomes: Sequence[Outcome], command: str) -> str:
    """The table, in Markdown."""
    lines = [f"`{command}`", "", "| fault | times | accepts again, p50 / p95 s |", "| --- | --- | --- |"]
    for outcome in outcomes:
        for label, times in sorted(outcome.times.items()):
            lines.append(f"| {label} ({outcome.phase.name}) | {times} | {_quantiles(outcome, label)} |")
    lines += ["", "| phase | seconds | messages | alerts | commands executed | p99 to acknowledgement | findings |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for outcome in outcomes:
        facts = "" if outcome.judged is None else outcome.judged.numbers
        lines.append(f"| {outcome.phase.name} | {outcome.seconds:.0f} | {facts or '| | |'} | {len(outcome.findings)} |")
    findings = [f"- {outcome.phase.name}: {finding}" for outcome in outcomes for finding in outcome.findings]
    return "\n".join([*lines, "", *(findings or ["I1-I11 hold in each phase."]), ""])


def main(arguments: Sequence[str]) -> int:
    """The command line; 1 if an invariant does not hold."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--only", default="", help="one phase")
    parser.add_argument("--directory", type=Path, default=Path(".chaos"))
    given = parser.parse_args(arguments)
    load = Load(devices=given.devices, rate=given.rate)
    command = f"make chaos KILLS={given.kills} SEED={given.seed} DEVICES={given.devices} RATE={given.rate:g}"
    shutil.rmtree(given.directory, ignore_errors=True)
    outcomes = []
    for phase in phases(given.seed, long_run(given.kills), load):
        if given.only in ("", phase.name):
            outcomes.append(run_phase(phase, given.directory.absolute() / phase.name, given.seed))
            print(
                f"{phase.name}: {len(outcomes[-1].findings)} findings in {outcomes[-1].seconds:.0f} s", file=sys.stderr
            )
    text = report(outcomes, command)
    print(text)
    (given.directory / "table.md").write_text(text)
    if any(outcome.findings for outcome in outcomes):
        print(f"again: {command}   (histories: {given.directory})", file=sys.stderr)
        return 1
    return 0


def _do(world: World, dice: Random, step: Step, disk: SmallDisk | None, *, revive: bool) -> None:
    match step.fault:
        case "crash_at":
            faults.crash_at(world, dice, step.point, revive=revive)
        case "write_error":
            faults.write_error(world, dice)
        case "disk_full":
            assert disk is not None
            faults.disk_full(world, dice, disk)
        case _:
            faults.FAULTS[step.fault][1](world, dice)


def _label(step: Step) -> str:
    return OTHER_LABELS.get(step.fault) or faults.FAULTS[step.fault][0]


def _quantiles(outcome: Outcome, label: str) -> str:
    seconds = sorted(outcome.accepted_after.get(label, []))
    if not seconds:
        return ""
    return f"{seconds[len(seconds) // 2]:.2f} / {seconds[min(len(seconds) - 1, len(seconds) * 95 // 100)]:.2f}"


@contextmanager
def _disk(phase: Phase, directory: Path) -> Iterator[SmallDisk | None]:
    if not phase.disk:
        yield None
        return
    with small_disk(directory / "disk", DISK) as disk:
        yield disk


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
