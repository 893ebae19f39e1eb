"""`iotrules run` as it is shipped, with a crash point armed or one part replaced by a faulty one.

`python -m tests.chaos.entry [--at POINT:N] [--planted NAME] run …`: the rest is iotrules' own command line.
"""

from __future__ import annotations

import importlib
import sys

from iotrules.cli import main
from iotrules.cli.run import Parts
from iotrules.runtime.housekeeping import Pace
from tests.chaos.points import POINTS, fused


def parts(arguments: list[str]) -> Parts:
    """Take our options off the front of the arguments."""
    chosen = Parts()
    while arguments and arguments[0].startswith("--"):
        option, value = arguments.pop(0), arguments.pop(0)
        match option:
            case "--at":
                point, _, passings = value.partition(":")
                if point not in POINTS:
                    raise SystemExit(f"no crash point {point!r}; there are {', '.join(POINTS)}")
                chosen = both(chosen, fused(point, int(passings)))
            case "--planted":
                chosen = both(chosen, importlib.import_module(f"tests.chaos.planted.{value}").parts())
            case _:
                raise SystemExit(f"unknown option {option}: --at or --planted")
    return chosen


PACE = Pace(every=2_000)
"""Snapshots often enough for a crash in one."""


def both(outer: Parts, inner: Parts) -> Parts:
    """The parts of `inner`, each behind that of `outer`."""
    return Parts(
        store=lambda real: outer.store(inner.store(real)),
        transport=lambda real: outer.transport(inner.transport(real)),
        clock=lambda real: outer.clock(inner.clock(real)),
        pace=PACE,
    )


if __name__ == "__main__":
    words = sys.argv[1:]
    made = parts(words)
    main(words, obj=made)
