"""What the store costs with many keys: the pause of a snapshot, a slice of it, a start, the files beside the store.

    python benchmarks/store.py [--keys 100000] [--runs 5]

Each key has sent three messages, under the rules of `benchmarks/durable.py`; all of it is dirty. Times are wall clock;
of a start, the engine's whole recovery: checking every file, reading the snapshot, replaying the journal after it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from durable import RULES

from iotrules.engine import Engine
from iotrules.model.inputs import Arrival, Messages, Reload
from iotrules.model.times import MILLISECOND, SECOND
from iotrules.ports import Entry
from iotrules.runtime.housekeeping import PACE
from iotrules.runtime.loop import rebuild
from iotrules.stores.guard import inspect
from iotrules.stores.sqlite import SqliteStore

START, BATCH = 1_790_000_000 * SECOND, 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(_measure(Path(place, "store.db"), options.keys, options.runs))


async def _measure(path: Path, keys: int, runs: int) -> None:
    engine, store = Engine(), SqliteStore(path)
    await store.open()
    sequence, now = await _fill(engine, store, keys)
    at_once = time.perf_counter()
    engine.begin_snapshot()
    _tell("to begin a snapshot", time.perf_counter() - at_once)
    encoding, writing, tidying = [], [], []
    parts: dict[str, bytes | None] | None = None
    while parts is None or parts:
        began = time.perf_counter()
        parts = engine.snapshot_parts(PACE.slice_bytes)
        encoded = time.perf_counter()
        await store.snapshot(sequence, parts, complete=not parts)
        written = time.perf_counter()
        await store.tidy(now)
        encoding.append(encoded - began)
        writing.append(written - encoded)
        tidying.append(time.perf_counter() - written)
    print(f"{len(encoding)} slices of {PACE.slice_bytes // 1024} KiB; at once it would have been {sum(encoding):.2f} s")
    for what, times in (("encoding", encoding), ("writing", writing), ("tidying, with checkpoints", tidying)):
        _tell(f"{what} a slice", *times)
    while (await store.tidy(now)).more:
        pass
    sequence = await _commit(engine, store, sequence, now + SECOND, range(0, min(keys, 50 * BATCH), BATCH), keys)
    await store.close()
    print(f"the file is {_size(path) / 2**20:.0f} MiB")
    starts = [await _start(path) for _ in range(runs)]
    _tell("checking the files before SQLite opens them", *(_timed(lambda: inspect(path)) for _ in range(runs)))
    _tell("a start: what the store gives back", *(opened for opened, _ in starts))
    _tell("a start: the engine made of it", *(made for _, made in starts))


async def _fill(engine: Engine, store: SqliteStore, keys: int) -> tuple[int, int]:
    """The rules, and three messages of each key."""
    await store.commit(
        [Entry(1, START, (files := Reload({"rules.yaml": RULES})), engine.process(files, START, 1))], engine.rules
    )
    sequence, now = 1, START
    for _ in range(3):
        now += SECOND
        sequence = await _commit(engine, store, sequence, now, range(0, keys, BATCH), keys)
    return sequence, now


async def _commit(engine: Engine, store: SqliteStore, sequence: int, now: int, firsts: range, keys: int) -> int:
    """Messages in batches, one commit each, from the keys that begin there."""
    for first in firsts:
        batch = Messages(tuple(_message(number % keys, now) for number in range(first, first + BATCH)))
        sequence += 1
        await store.commit([Entry(sequence, now, batch, engine.process(batch, now, sequence))], engine.rules)
        await store.tidy(now + sequence * MILLISECOND)
    return sequence


def _message(key: int, now: int) -> Arrival:
    body = b'{"ts":%d,"boot":"x","seq":%d,"temp":60.5,"pressure":6.1,"vibration":2.4,"fan":"running"}'
    return Arrival(f"site/{key % 10}/dev/b{key}/env", body % (now // MILLISECOND, (now - START) // SECOND), now)


async def _start(path: Path) -> tuple[float, float]:
    """Seconds until the store has given all back, and until an engine is made of it."""
    store = SqliteStore(path)
    began = time.perf_counter()
    recovered = await store.open()
    opened = time.perf_counter()
    rebuild(recovered)
    made = time.perf_counter()
    await store.close()
    return opened - began, made - opened


def _size(path: Path) -> int:
    return path.stat().st_size


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _tell(what: str, *times: float) -> None:
    ordered = sorted(times)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    median = statistics.median(ordered)
    print(f"{what:46} median {median * 1e3:9.2f} ms, p99 {p99 * 1e3:9.2f} ms, longest {ordered[-1] * 1e3:9.2f} ms")


if __name__ == "__main__":
    main()
