"""One seed, run and judged; and a failing script cut down to the events without which it does not fail."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import structlog

from tests.simulation.judge import Fault, judge
from tests.simulation.outcome import SOUND, Adapters, Outcome
from tests.simulation.script import Script, Send, script_of
from tests.simulation.virtual import StalledError
from tests.simulation.world import live

MEMORY = Path("/dev/shm")
"""Files that need no disk, where there are such."""

MOST_RUNS = 400
"""How often a script is run, at most, to cut it down."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a script. `lines`: its history; `did`: how often something happened, by kind."""

    script: Script
    faults: tuple[Fault, ...]
    lines: tuple[str, ...]
    did: Counter[str]


def run(script: Script, adapters: Adapters = SOUND) -> Verdict:
    """Live through a script, and judge it. An error that ends the run is a fault like any other."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            outcome = live(script, Path(folder), adapters)
    except StalledError as error:
        return Verdict(script, (f"I8 {error}",), (), Counter())
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed that shows it must be told
        return Verdict(script, (f"I12 the run ended with {type(error).__name__}: {error}",), (), Counter())
    finally:
        structlog.configure(**before)
    return Verdict(script, tuple(judge(outcome)), tuple(outcome.facts.lines), _did(outcome))


def run_seed(seed: int) -> Verdict:
    """The script of a seed, judged."""
    return run(script_of(seed))


def _did(outcome: Outcome) -> Counter[str]:
    facts = outcome.facts
    did = Counter(type(event).__name__ for event in outcome.script.events)
    did.update({f"point {point}": times for point, times in facts.points.items()})
    did.update(events=facts.events, starts=facts.starts, messages=len(facts.taken), commands=len(facts.executed))
    did.update(inputs=len(facts.journal), operations=outcome.operations)
    did["flips_found"] = facts.found
    did["crashes"] = sum("killed" in line or "power is gone" in line for line in facts.lines)
    return did


Runs: TypeAlias = Callable[[Script], Verdict]


def smallest(verdict: Verdict, runs: Runs = run) -> Verdict:
    """A script with as few events as can be that breaks the same promise: parts are left out, halves first."""
    promise = verdict.faults[0].split()[0]
    best, left, size = verdict, MOST_RUNS, max(1, len(verdict.script.events) // 2)
    while size and left > 0:
        smaller = None
        for start in range(0, len(best.script.events), size):
            left -= 1
            tried = runs(_without(best.script, start, size))
            if any(fault.split()[0] == promise for fault in tried.faults):
                smaller = tried
                break
            if left <= 0:
                break
        best, size = (smaller, size) if smaller else (best, size // 2)
    return best


def _without(script: Script, start: int, size: int) -> Script:
    return replace(script, events=script.events[:start] + script.events[start + size :])


def history(verdict: Verdict) -> str:
    """What happened in a run, for people: what was sent, what went wrong, in order; and the promises that it broke."""
    sent = [f"{event.at:9.3f} {_words(event)}" for event in verdict.script.events if isinstance(event, Send)]
    lines = sorted([*verdict.lines, *sent], key=lambda line: float(line.split()[0]))
    return "\n".join([*lines, *(f"  ==> {fault[:600]}" for fault in verdict.faults[:5])])


def _words(event: Send) -> str:
    fate = f", {event.fate}" if event.fate else ""
    late = f", {event.delay:g} s on its way" if event.delay else ""
    return f"d{event.device} measures {event.temp} (b{event.boot} {event.seq}{fate}{late})"
