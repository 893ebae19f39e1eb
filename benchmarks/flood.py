"""How long others wait while one device floods: publish → command over a real mosquitto at QoS 1.

    python benchmarks/flood.py [--seconds 10] [--runs 3] [--flood 5000]

A hundred devices send a message a second each, every second one too hot; the time runs from such a message to the
command. Then the same while another device sends so many a second, all of which the engine decides on and commits.
A flood of more than the engine takes in all waits in the broker's queue for it, and there others wait behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from durable import TOPIC, _ended, _engine, _message, _mosquitto
from wire import Wire, publish

DEVICES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--flood", type=int, default=5_000, help="messages a second")
    options = parser.parse_args()
    p99s: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(options.runs):
        for floods in (False, True):
            times = asyncio.run(_latencies(options.seconds, options.flood if floods else 0))
            p50, p99 = (times[int(len(times) * share)] * 1e3 for share in (0.5, 0.99))
            p99s[floods].append(p99)
            name = f"one device sends {options.flood:,} msg/s" if floods else "nobody floods"
            print(f"{name:34} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   {len(times):,} times", flush=True)
    quiet, flooded = statistics.median(p99s[False]), statistics.median(p99s[True])
    print(f"a flood delays others by {flooded - quiet:.0f} ms at p99 (median of {options.runs})")


async def _latencies(seconds: float, flood: int) -> list[float]:
    """Seconds from a hot message to its command, sorted."""
    sent: dict[int, float] = {}
    found: list[float] = []

    def command(topic: bytes, _: bytes) -> None:
        found.append(time.perf_counter() - sent.pop(int(topic.split(b"/")[3][1:])))

    with _mosquitto() as port, _engine(port):
        listener = await Wire.connected(port, "listener", command)
        await listener.subscribe("site/+/dev/+/cmd")
        load = await Wire.connected(port, "load")
        mad = await Wire.connected(port, "mad")
        flooding = asyncio.create_task(_flood(mad, flood)) if flood else None
        began, number = time.perf_counter(), 0
        while number < DEVICES * seconds:
            device, round_ = number % DEVICES, number // DEVICES
            hot = round_ % 2 == 1
            if hot:
                sent[device] = time.perf_counter()
            message = _message(device, round_, 97.0 if hot else 60.0)
            load.write(publish(TOPIC.format(f"b{device}"), message, number % 65_535 + 1))
            number += 1
            await asyncio.sleep(max(0.0, began + number / DEVICES - time.perf_counter()))  # the rate
        if flooding is not None:
            await _ended(flooding)
        await asyncio.sleep(1)  # what has not come by then is told of
        for wire in (listener, load, mad):
            wire.close()
    if sent:
        print(f"{len(sent)} commands did not come within a second")
    return sorted(found[len(found) // 10 :])


async def _flood(wire: Wire, rate: int) -> None:
    began, number = time.perf_counter(), 0
    while True:
        due = int((time.perf_counter() - began) * rate)
        batch = (publish(TOPIC.format("b999"), _message(999, n, 60.0), n % 65_535 + 1) for n in range(number, due))
        wire.write(b"".join(batch))
        number = due
        await asyncio.sleep(0.005)  # the grain of the rate


if __name__ == "__main__":
    main()
