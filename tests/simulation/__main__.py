"""`make simtest`: many seeds, or one. Of one that fails it tells how to run it again, and its smallest history."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.simulation.running import Verdict, history, run_seed, smallest

SHOWN = 3
"""How many failing seeds are cut down; all are named."""


def main() -> int:
    """0: every promise was kept. 1: one was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many; default 1000")
    parser.add_argument("--first", type=int, default=0, help="the first of them; default 0")
    parser.add_argument("--seed", type=int, help="only this one, with its whole history")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.seed is not None:
        return _one(options.seed)
    return _many(range(options.first, options.first + options.seeds), options.jobs)


def _one(seed: int) -> int:
    verdict = run_seed(seed)
    print(history(verdict))
    if not verdict.faults:
        print(f"seed {seed}: every promise was kept; {verdict.did['events']} events")
        return 0
    _explain(verdict)
    return 1


def _many(seeds: range, jobs: int) -> int:
    started = time.monotonic()
    did: Counter[str] = Counter()
    failed: list[Verdict] = []
    virtual = 0.0
    for verdict in _verdicts(seeds, jobs):
        did += verdict.did
        virtual += verdict.script.lasts + verdict.script.settles
        if verdict.faults:
            failed.append(verdict)
            print(f"make simtest SEED={verdict.script.seed}    # {verdict.faults[0][:160]}", flush=True)
    for verdict in failed[:SHOWN]:
        _explain(verdict)
    print(_summary(len(seeds), len(failed), did, virtual, time.monotonic() - started))
    return 1 if failed else 0


def _verdicts(seeds: range, jobs: int) -> Iterator[Verdict]:
    if jobs == 1:
        yield from map(run_seed, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(run_seed, seeds, chunksize=5)


def _explain(verdict: Verdict) -> None:
    least = smallest(verdict)
    print(
        f"\nseed {verdict.script.seed}, cut down to {len(least.script.events)} events:\n{history(least)}\n", flush=True
    )


def _summary(seeds: int, failed: int, did: Counter[str], virtual: float, seconds: float) -> str:
    counted = ", ".join(f"{did[name]} {name.replace('_', ' ')}" for name in _COUNTED)
    faults = ", ".join(f"{name} {did[name]}" for name in _sorted(did))
    return (
        f"{seeds} seeds, {failed} failed; {did['events']} events in {virtual / 3600:.0f} virtual hours; "
        f"it took {seconds:.0f} s\n"
        f"{counted}\nin the scripts: {faults}"
    )


_COUNTED = ("messages", "inputs", "commands", "starts", "crashes", "flips_found")


def _sorted(did: Counter[str]) -> Iterable[str]:
    return sorted(name for name in did if name[0].isupper())


if __name__ == "__main__":
    sys.exit(main())
