"""Which faults a run has, and when: from a seed, so that the same seed is the same schedule.

House rule: what weakens the judge for all of a run (a broker that loses what it took, a disk of its own) has a run, a
phase, of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.chaos.plant import hostile_rules, standard_rules
from tests.chaos.points import POINTS
from tests.chaos.world import Load


@dataclass(frozen=True, slots=True)
class Step:
    """After `messages` more, this fault; `point` is of a crash."""

    fault: str
    messages: int
    point: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """A world of its own. `disk` puts its store on a small disk."""

    name: str
    load: Load
    steps: tuple[Step, ...]
    disk: bool = False


@dataclass(frozen=True, slots=True)
class Amounts:
    """How often each fault happens: those of docs/reliability.md, scaled to `kills` of 200."""

    kills: int
    per_point: int
    others: dict[str, int]
    broker: dict[str, int]
    disk: dict[str, int]
    handlers_messages: int


def long_run(kills: int) -> Amounts:
    """The whole matrix."""
    some = max(1, kills // 20)
    others = {
        "pause": some, "cut": 2 * some, "refuse": some, "silence": some, "delay": some, "split": some,
        "burst": some, "poison": max(1, some // 5), "replay": some, "offline": 4 * some,
        "reload_good": 4 * some, "reload_bad": 2 * some, "reload_many": max(1, some // 5),
    }  # fmt: skip
    broker = {"broker_restart": 3 * some, "broker_kill": 3 * some}
    return Amounts(kills, max(2, kills // 10), others, broker, {"disk_full": 3 * some, "write_error": 5 * some}, 20_000)


SHORT = Amounts(
    kills=20,
    per_point=2,
    others={
        "cut": 1, "delay": 1, "split": 1, "poison": 1, "burst": 1, "replay": 1, "offline": 2, "reload_good": 2,
        "reload_bad": 1,
    },
    broker={"broker_restart": 1, "broker_kill": 1},
    disk={"disk_full": 2, "write_error": 2},
    handlers_messages=0,
)  # fmt: skip
"""What the tests run."""


def phases(seed: int, amounts: Amounts, load: Load) -> list[Phase]:
    """The phases of a run."""
    dice = Random(seed)
    small = replace(load, devices=min(load.devices, 20), hot=max(load.hot, 0.2))
    found = [
        Phase("crashes", load, _shuffled(dice, _crashes(amounts) + _named(amounts.others), load)),
        Phase("broker", small, _shuffled(dice, _named(amounts.broker), small)),
        Phase("disk", small, _shuffled(dice, _named(amounts.disk), small), disk=True),
    ]
    if amounts.handlers_messages:
        hostile = replace(small, hot=0.02, hostile=True, rules=(*standard_rules(), *hostile_rules()))
        found.append(Phase("handlers", hostile, (Step("kill", 1000), Step("kill", 1000))))
    return found


def _crashes(amounts: Amounts) -> list[Step]:
    at_points = [Step("crash_at", 0, point) for point in POINTS for _ in range(amounts.per_point)]
    return [Step("kill", 0)] * amounts.kills + at_points


def _named(amounts: dict[str, int]) -> list[Step]:
    return [Step(fault, 0) for fault, times in amounts.items() for _ in range(times)]


def _shuffled(dice: Random, steps: list[Step], load: Load) -> tuple[Step, ...]:
    """In any order, crashes in threes, each some tenths of a second of load after the one before."""
    crashes = [step for step in steps if step.fault == "crash_at"]
    dice.shuffle(crashes)
    heaps = [[step] for step in steps if step.fault != "crash_at"]
    heaps += [crashes[at : at + 3] for at in range(0, len(crashes), 3)]
    dice.shuffle(heaps)
    steps = [step for heap in heaps for step in heap]
    least = max(5, round(load.devices * load.rate / 10))
    return tuple(replace(step, messages=dice.randint(least, 4 * least)) for step in steps)
