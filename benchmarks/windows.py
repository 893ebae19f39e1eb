"""What a sample costs a window: taking it in and reading one aggregate off, beside decoding a message without a schema.

    python benchmarks/windows.py [SAMPLES]

One core, in process, a window of SAMPLES (60) that is full: with each sample one leaves. Median of several runs. This
is the plain way, by calls; a stream's generated function writes most of it out (`benchmarks/engine.py` has the sum).
"""

from __future__ import annotations

import gc
import json
import random
import statistics
import sys
import time
import tracemalloc

import msgspec

from iotrules.engine.newest import Newest
from iotrules.engine.windows import SampleWindow
from iotrules.model.expression import Aggregate, Lag, Rank, Statistic, WindowKind
from iotrules.model.times import SECOND

ROUNDS, RUNS, START, INTERVAL = 20_000, 7, 1_790_000_000 * SECOND, 10 * SECOND
KINDS: dict[str, Aggregate] = {
    "avg": WindowKind.AVG, "sum": Statistic.SUM, "count": WindowKind.COUNT, "min": WindowKind.MIN,
    "max": WindowKind.MAX, "slope": WindowKind.SLOPE, "stddev": Statistic.STDDEV, "zscore": Statistic.ZSCORE,
    "p95": Rank("p95", 0.95), "robust_zscore": Statistic.ROBUST_ZSCORE, "share": Statistic.SHARE,
    "changes": Statistic.CHANGES, "rate": Statistic.RATE, "prev": Lag("prev", 1), "delta": Statistic.DELTA,
}  # fmt: skip
MESSAGE = json.dumps(
    {
        "ts": START // 1_000_000, "boot": "abcdef", "seq": 123456, "temp": 72.345, "pressure": 3.21, "vibration": 4.56,
        "fan": "running", "motor": {"rpm": 1480}, "state": "on",
    }
).encode()  # fmt: skip


def main() -> None:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(f"decode {statistics.median(_decode() for _ in range(RUNS)):8.3f} µs for {len(MESSAGE)} bytes\n")
    print(f"{samples} samples          µs    ratio    bytes a window")
    for name, kind in KINDS.items():
        pairs = [(_cost(kind, samples), _decode()) for _ in range(RUNS)]
        cost, ratio = statistics.median(a for a, _ in pairs), statistics.median(a / b for a, b in pairs)
        print(f"{name:14} {cost:8.3f} {ratio:8.1f} {_bytes(kind, samples):12,.0f}")


def _decode() -> float:
    began = time.perf_counter()
    for _ in range(ROUNDS):
        msgspec.json.decode(MESSAGE)
    return (time.perf_counter() - began) / ROUNDS * 1e6


def _window(kind: Aggregate, samples: int) -> tuple[SampleWindow | Newest, int]:
    """A window and how many samples it may hold."""
    if kind in (Lag("prev", 1), Statistic.DELTA):
        return Newest(), 2
    return SampleWindow(samples * INTERVAL), 10_000


def _feed(kind: Aggregate, count: int) -> list[tuple[int, float | bool]]:
    noise = random.Random(1)  # fixed: every run sees the same
    values = [noise.gauss(70, 3) for _ in range(count)]
    if kind is Statistic.SHARE:
        return [(START + n * INTERVAL, value > 70) for n, value in enumerate(values)]
    if kind is Statistic.RATE:
        return [(START + n * INTERVAL, float(n * 10 % 5_000)) for n in range(count)]
    return [(START + n * INTERVAL, value) for n, value in enumerate(values)]


def _cost(kind: Aggregate, samples: int) -> float:
    window, keep = _window(kind, samples)
    feed = _feed(kind, samples + ROUNDS)
    for at, value in feed[:samples]:
        window.add(at, value, keep)
    rest = feed[samples:]
    began = time.perf_counter()
    for at, value in rest:
        window.add(at, value, keep)
        window.value(kind, at, 1)
    return (time.perf_counter() - began) / ROUNDS * 1e6


def _bytes(kind: Aggregate, samples: int) -> float:
    """Of a window that is being read, on the average over several turns of its log."""
    feed, many = _feed(kind, samples * 5), 50
    gc.collect()
    tracemalloc.start()
    windows = [_window(kind, samples) for _ in range(many)]
    for nth, (window, keep) in enumerate(windows):
        for at, value in feed[: samples * 3 + nth * samples // many]:
            window.add(at, value, keep)
            window.value(kind, at, 1)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / many


if __name__ == "__main__":
    main()
