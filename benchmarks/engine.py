"""What the engine costs a message, from bytes to decision, beside msgspec decoding the same bytes without a schema.

    python benchmarks/engine.py

One core, in process; the ratios of one run are the medians of several pairs. Of 100 devices that report once a second,
what a real fleet would do: values wander, and now and then one crosses a limit. The first minute, in which the engine
gets to know them, is not timed. The last line is the memory of the
engine that has heard of 100,000 devices.
"""

from __future__ import annotations

import gc
import json
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from iotrules.engine import Engine
from iotrules.language import read_directory
from iotrules.model.inputs import Arrival, Messages, Reload
from iotrules.model.times import MILLISECOND, SECOND

DEVICES, WARM, ROUNDS, BATCH, RUNS, MANY = 100, 60, 400, 500, 5, 100_000
START = 1_790_000_000 * SECOND
RULES = Path(__file__).parents[1] / "rules"

STREAM = """
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms, ahead: 10s}
    id: [boot, seq]
    interval: 1s
    fields:
      temp: {unit: degC, range: [-40, 150]}
      pressure: {unit: bar}
      vibration: {unit: mm/s}
      fan: {one_of: [running, stopped]}
      rpm: {unit: rpm, path: motor.rpm}
rules:
"""

STATELESS = STREAM + "".join(
    f"  t{n}: {{from: env, when: '{condition}'}}\n"
    for n, condition in enumerate(
        ["temp > 85", "temp > 95", "temp < 5", "pressure > 9", "pressure < 2", "vibration > 7.1", "vibration > 11",
         "rpm > 1800", "rpm < 200", 'fan == "stopped"']
    )
)  # fmt: skip

STATEFUL = (
    STREAM
    + """
  held:      {from: env, when: temp > 85, for: 30s, clear: {when: temp < 70, for: 10s}}
  ladder:
    from: env
    levels: {minor: {when: temp > 75, for: 1m}, critical: {when: temp > 90, for: 10s}}
    clear: temp < 65
  mean:      {from: env, when: "avg(temp, 1m) > 80", clear: "avg(temp, 1m) < 75"}
  highest:   {from: env, when: "max(vibration, 30s) > 7.1"}
  falling:   {from: env, when: 'slope(pressure, 1m) < -1 bar/min', for: 10s}
  jump:      {from: env, when: abs(delta(temp)) > 15}
  in-a-row:  {from: env, when: streak(vibration > 5) >= 10}
  often:     {from: env, when: "times(temp > 85, 1m) >= 20"}
  smooth:    {from: env, when: "ewma(rpm, 30s) > 1700"}
  silent:    {absent: env, for: 3 * interval}
"""
)


def main() -> None:
    arrivals = list(_feed())
    shipped = read_directory(RULES)
    for name, files in (
        ("10 stateless thresholds", {"r.yaml": STATELESS}),
        ("10 mixed stateful rules", {"r.yaml": STATEFUL}),
        ("the shipped rules", shipped),
    ):
        timed = arrivals[WARM * DEVICES :]
        pairs = [(_timed(_engine(files, arrivals)), _timed(_decode(timed))) for _ in range(RUNS)]
        engine, decode = (statistics.median(column) / len(timed) * 1e6 for column in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"{name:24}{engine:8.2f} µs a message, decode {decode:.2f} µs, ratio {ratio:5.1f}")
    print(f"{MANY} devices x 10 rules {_memory():8.0f} MB more than before the first message")


def _feed() -> list[Arrival]:
    """Round after round, each device once."""
    chance = random.Random(1)
    values = {device: [60.0, 6.0, 2.0, 1480.0] for device in range(DEVICES)}
    found = []
    for second in range(ROUNDS):
        for device, (temp, pressure, vibration, rpm) in values.items():
            temp += chance.gauss((60 - temp) / 30, 1.0) + (35 if chance.random() < 0.0005 else 0)
            pressure += chance.gauss((6 - pressure) / 30, 0.05)
            vibration = abs(vibration + chance.gauss((2 - vibration) / 10, 0.3))
            rpm += chance.gauss((1480 - rpm) / 10, 5)
            values[device] = [temp, pressure, vibration, rpm]
            found.append(_arrival(f"b{device}", second, temp, pressure, vibration, rpm))
    return found


def _arrival(device: str, second: int, temp: float, pressure: float, vibration: float, rpm: float) -> Arrival:
    at = START + second * SECOND
    body = {
        "ts": at // MILLISECOND, "boot": "x", "seq": second, "temp": round(temp, 2), "pressure": round(pressure, 3),
        "vibration": round(vibration, 2), "fan": "running", "motor": {"rpm": round(rpm)}, "state": "running",
    }  # fmt: skip
    return Arrival(f"site/A/dev/{device}/env", json.dumps(body).encode(), at)


def _engine(files: dict[str, str], arrivals: list[Arrival]) -> Callable[[], None]:
    engine = Engine()
    engine.process(Reload(files), START, 1)
    batches = [Messages(tuple(arrivals[first : first + BATCH])) for first in range(0, len(arrivals), BATCH)]
    numbered = list(enumerate(batches, start=2))
    warm = WARM * DEVICES // BATCH
    _process(engine, numbered[:warm])
    return lambda: _process(engine, numbered[warm:])


def _process(engine: Engine, batches: list[tuple[int, Messages]]) -> None:
    for sequence, batch in batches:
        engine.process(batch, batch.arrivals[-1].received, sequence)


def _decode(arrivals: list[Arrival]) -> Callable[[], None]:
    def run() -> None:
        for arrival in arrivals:
            msgspec.json.decode(arrival.payload)

    return run


def _timed(run: Callable[[], None]) -> float:
    """Process time, s."""
    began = time.process_time()
    run()
    return time.process_time() - began


def _memory() -> float:
    """MB of the engine after each of very many devices has sent three messages."""
    engine = Engine()
    engine.process(Reload({"r.yaml": STATELESS}), START, 1)
    before = _resident()
    for second in range(3):
        for first in range(0, MANY, BATCH):
            batch = [_arrival(f"b{n}", second, 60.0, 6.0, 2.0, 1480.0) for n in range(first, first + BATCH)]
            engine.process(Messages(tuple(batch)), batch[-1].received, 2)
            engine.take_snapshot()
    gc.collect()
    return _resident() - before


def _resident() -> float:
    """MB in memory now; where the system does not say, the most there ever was."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


if __name__ == "__main__":
    main()
