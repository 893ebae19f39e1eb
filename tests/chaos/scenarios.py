"""Short schedules, each of which shows certain bugs at once: what is planted must be caught in its scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from tests.chaos import faults
from tests.chaos.checker import Finding
from tests.chaos.history import events
from tests.chaos.judging import judged
from tests.chaos.plant import Threshold, standard_rules
from tests.chaos.processes import ChaosError, wait_until
from tests.chaos.world import Load, World, running_world
from tests.stores.disks import small_disk

SMALL = Load(devices=20, rate=10, hot=0.4)
LATE_ORDERS = (*standard_rules(), Threshold("late-orders", "env", "temp", 84, 60, does=("chaos_slow",)))


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is run, and the planted engines that it is to catch, each with the invariants that may say so."""

    load: Load
    play: Callable[[World, Random], None]
    catches: dict[str, tuple[str, ...]]
    disk: bool = False


def _crashes(world: World, dice: Random) -> None:
    world.wait_for_more(200)
    faults.kill(world, dice)
    world.wait_for_more(60)
    for point in ("commit.before", "commit.before", "write.effects"):
        faults.crash_at(world, dice, point)
    faults.poison(world, dice, count=40)
    faults.kill(world, dice)
    world.wait_for_more(20)
    faults.burst(world, dice)
    faults.kill(world, dice)
    world.wait_for_more(20)


def _calm(world: World, dice: Random) -> None:
    world.wait_for_more(200)
    faults.poison(world, dice, count=40)
    world.wait_for_more(50)


def _kills(world: World, dice: Random) -> None:
    for _ in range(4):
        world.wait_for_more(80)
        faults.kill(world, dice)
    world.wait_for_more(20)


def _outage(world: World, dice: Random) -> None:
    """While there is no way out, a function that takes its time asks for commands that soon expire."""
    history = world.directory / "handlers.jsonl"
    for times in (4, 12):
        _wait_for_slow(history, times)
        faults.refuse(world, dice, seconds=4)
        world.wait_for_more(50)


def _wait_for_slow(history: Path, times: int) -> None:
    def invoked() -> bool:
        return [event["function"] for event in events(history)].count("slow") >= times

    wait_until(invoked, 60, lambda: "the slow function was not invoked")


def _full_disk(world: World, dice: Random) -> None:
    world.wait_for_more(100)


SCENARIOS = {
    "crashes": Scenario(
        SMALL,
        _crashes,
        {
            "ack_before_commit": ("I1",),
            "write_behind": ("I1",),
            "effects_before_commit": ("I2",),
            "dedupe_forgotten": ("I6", "I10"),
            "replay_by_wall_clock": ("I5", "I10"),
        },
    ),
    "calm": Scenario(
        SMALL,
        _calm,
        {
            "receipts_forgotten": ("I3",),
            "dead_letters_dropped": ("I11",),
            "retained_commands": ("I4",),
            "unstable_ids": ("I4",),
            "wrong_device": ("I4",),
            "nan_comparison": ("I11",),
            "poison_takes_its_batch": ("I1",),
        },
    ),
    "kills": Scenario(SMALL, _kills, {"ledger_outside_transaction": ("I2", "I5")}),
    "outage": Scenario(replace(SMALL, hostile=True, rules=LATE_ORDERS), _outage, {"expiry_ignored": ("I4",)}),
    "full disk": Scenario(SMALL, _full_disk, {"failed_commit_ignored": ("I1", "I5", "I10")}, disk=True),
}


def run_scenario(name: str, directory: Path, seed: int, *, planted: str = "") -> list[Finding]:
    """Play it, with one part of the engine replaced or none, and judge."""
    scenario, dice = SCENARIOS[name], Random(seed)
    directory.mkdir(parents=True)
    if not scenario.disk:
        return _play(scenario, directory, seed, planted, None, lambda world: scenario.play(world, dice))
    with small_disk(directory / "disk", "16m") as disk:

        def play(world: World) -> None:
            scenario.play(world, dice)
            faults.disk_full(world, dice, disk)
            world.wait_for_more(50)

        return _play(scenario, directory, seed, planted, directory / "disk" / "store.db", play)


def _play(
    scenario: Scenario, directory: Path, seed: int, planted: str, store: Path | None, play: Callable[[World], None]
) -> list[Finding]:
    with running_world(directory, scenario.load, seed, planted=planted, store=store) as world:
        try:
            play(world)
            world.finish(patience=3 if planted else 60)
        except ChaosError as error:
            return [Finding("I10", "the engine did not go on", str(error))]
        return judged(world).findings
