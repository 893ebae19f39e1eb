"""How long others wait while one device floods: publish → command over a real mosquitto at QoS 1.

    python benchmarks/flood.py [--seconds 10] [--runs 3]

A hundred devices send a message a second each, every second one too hot; the time runs from such a message to the
command. Then the same while another device publishes as fast as the broker takes it, of which the engine commits all.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from durable import TOPIC, WINDOW, _ended, _engine, _message, _mosquitto
from wire import Wire, publish

DEVICES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    p99s: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(options.runs):
        for floods in (False, True):
            times, rate = asyncio.run(_latencies(options.seconds, floods=floods))
            p50, p99 = (times[int(len(times) * share)] * 1e3 for share in (0.5, 0.99))
            p99s[floods].append(p99)
            name = f"one device sends {rate:,.0f} msg/s" if floods else "nobody floods"
            print(f"{name:34} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   {len(times):,} times", flush=True)
    quiet, flooded = statistics.median(p99s[False]), statistics.median(p99s[True])
    print(f"a flood delays others by {flooded - quiet:.0f} ms at p99 (median of {options.runs})")


async def _latencies(seconds: float, *, floods: bool) -> tuple[list[float], float]:
    """Seconds from a hot message to its command, sorted; and the flood's messages a second."""
    sent: dict[int, float] = {}
    found: list[float] = []

    def command(topic: bytes, _: bytes) -> None:
        found.append(time.perf_counter() - sent.pop(int(topic.split(b"/")[3][1:])))

    with _mosquitto() as port, _engine(port):
        listener = await Wire.connected(port, "listener", command)
        await listener.subscribe("site/+/dev/+/cmd")
        load = await Wire.connected(port, "load")
        flood = await Wire.connected(port, "flood")
        flooding = asyncio.create_task(_flood(flood)) if floods else None
        began, number = time.perf_counter(), 0
        while number < DEVICES * seconds:
            device, round_ = number % DEVICES, number // DEVICES
            hot = round_ % 2 == 1
            if hot:
                sent[device] = time.perf_counter()
            message = _message(device, round_, 97.0 if hot else 60.0)
            load.write(publish(TOPIC.format(f"b{device}"), message, number % 65_535 + 1))
            number += 1
            await asyncio.sleep(max(0.0, began + number / DEVICES - time.perf_counter()))
        rate = flood.acknowledged / (time.perf_counter() - began)
        if flooding is not None:
            await _ended(flooding)
        await asyncio.sleep(1)
        for wire in (listener, load, flood):
            wire.close()
    if sent:
        print(f"{len(sent)} commands did not come within a second")
    return sorted(found[len(found) // 10 :]), rate


async def _flood(wire: Wire) -> None:
    number = 0
    while True:
        while number - wire.acknowledged >= WINDOW:
            wire.progress.clear()
            await wire.progress.wait()
        batch = (
            publish(TOPIC.format("b999"), _message(999, n, 60.0), n % 65_535 + 1) for n in range(number, number + 50)
        )
        wire.write(b"".join(batch))
        number += 50
        await asyncio.sleep(0)


if __name__ == "__main__":
    main()
