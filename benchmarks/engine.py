"""What the engine costs a message, from bytes to decision, beside msgspec decoding the same bytes without a schema.

    python benchmarks/engine.py

One core, in process, the shipped rules: four of them look at each message, two over windows. Median of several runs.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import msgspec

from iotrules.engine import Engine
from iotrules.language import read_directory
from iotrules.model.inputs import Arrival, Messages, Reload
from iotrules.model.times import MILLISECOND, SECOND

DEVICES, ROUNDS, BATCH, RUNS = 100, 100, 500, 5
START = 1_790_000_000 * SECOND
RULES = Path(__file__).parents[1] / "rules"


def main() -> None:
    arrivals = [_arrival(f"b{device}", second) for second in range(ROUNDS) for device in range(DEVICES)]
    pairs = [(_engine(arrivals), _decode(arrivals)) for _ in range(RUNS)]
    engine, decode = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"engine  {engine:8.2f} µs a message")
    print(f"decode  {decode:8.2f} µs a message")
    print(f"ratio   {statistics.median(a / b for a, b in pairs):8.1f}")


def _arrival(device: str, second: int) -> Arrival:
    at = START + second * SECOND
    body = {
        "ts": at // MILLISECOND, "boot": "x", "seq": second, "temp": 60.0 + second % 5, "pressure": 6.0,
        "vibration": 1.2, "fan": "running", "motor": {"rpm": 1480}, "state": "running",
    }  # fmt: skip
    return Arrival(f"site/A/dev/{device}/env", json.dumps(body).encode(), at)


def _engine(arrivals: list[Arrival]) -> float:
    """Process time a message, µs."""
    engine = Engine()
    engine.process(Reload(read_directory(RULES)), START, 1)
    batches = [Messages(tuple(arrivals[first : first + BATCH])) for first in range(0, len(arrivals), BATCH)]
    began = time.process_time()
    for sequence, batch in enumerate(batches, start=2):
        engine.process(batch, batch.arrivals[-1].received, sequence)
    return (time.process_time() - began) / len(arrivals) * 1e6


def _decode(arrivals: list[Arrival]) -> float:
    began = time.process_time()
    for arrival in arrivals:
        msgspec.json.decode(arrival.payload)
    return (time.process_time() - began) / len(arrivals) * 1e6


if __name__ == "__main__":
    main()
