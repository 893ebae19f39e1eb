"""What durability costs, end to end over a real mosquitto at QoS 1: sustained rate, and publish → command.

    python benchmarks/durable.py [--seconds 10] [--runs 3] [--rate 1000]

Rate: a load generator publishes as fast as the broker takes. Beside `iotrules run` with its store (synchronous=FULL)
and ten rules stands the same client that only counts and acknowledges, in turns in one run. Latency: at a fixed rate
every twentieth message is too hot, and the time runs from its PUBLISH to the command on the device's topic; beside it,
the same client that answers such a message at once, decides nothing and stores nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from wire import Wire, publish

from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken
from iotrules.transports.address import BrokerAddress
from iotrules.transports.broker import mosquitto_program
from iotrules.transports.mqtt import MqttTransport

DEVICES, WINDOW, TOPIC = 200, 2_000, "site/A/dev/{}/env"
WARM = 3.0
CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
"""

RULES = """
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms, ahead: 10s}
    id: [boot, seq]
    interval: 1s
    fields: {temp: {unit: degC}, pressure: {unit: bar}, vibration: {unit: mm/s}, fan: {one_of: [running, stopped]}}
commands: {topic: "site/{site}/dev/{device}/cmd", ack: "site/{site}/dev/{device}/cmd/ack"}
rules:
  hot: {from: env, when: temp > 95, clear: temp < 90, do: [{command: shutdown, expires: 5m}]}
  held: {from: env, when: temp > 85, for: 30s, clear: {when: temp < 70, for: 10s}}
  mean: {from: env, when: "avg(temp, 1m) > 80", clear: "avg(temp, 1m) < 75"}
  highest: {from: env, when: "max(vibration, 30s) > 7.1"}
  falling: {from: env, when: "slope(pressure, 1m) < -1 bar/min", for: 10s}
  jump: {from: env, when: abs(delta(pressure)) > 3}
  in-a-row: {from: env, when: streak(vibration > 5) >= 10}
  low: {from: env, when: pressure < 2}
  still: {from: env, when: 'fan == "stopped"', for: 1m}
  silent: {absent: env, for: 1m}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=int, default=1_000, help="messages a second for the latency")
    options = parser.parse_args()
    pairs = []
    for _ in range(options.runs):
        pairs.append((asyncio.run(_counted(options.seconds)), asyncio.run(_decided(options.seconds))))
        print(f"only counting {pairs[-1][0]:8,.0f} msg/s   decided and durable {pairs[-1][1]:8,.0f} msg/s", flush=True)
    shares = sorted(decided / counted for counted, decided in pairs)
    print(
        f"durable share {statistics.median(shares):.0%} (median of {options.runs}, {shares[0]:.0%} to {shares[-1]:.0%})"
    )
    print(f"publish to command at {options.rate:,} msg/s")
    for _ in range(options.runs):
        for name, answering in (("answered at once", _echoing), ("decided and durable", _engine)):
            times = sorted(asyncio.run(_latencies(answering, options.rate, options.seconds)))
            p50, p99 = (times[int(len(times) * share)] * 1e3 for share in (0.5, 0.99))
            longest = times[-1] * 1e3
            print(
                f"{name:20} p50 {p50:.2f} ms   p99 {p99:.2f} ms   longest {longest:.2f} ms   {len(times):,} times",
                flush=True,
            )


async def _counted(seconds: float) -> float:
    """Messages a second that our client takes if all it does is count and acknowledge."""
    with _mosquitto() as port:
        script = [sys.executable, __file__, "--count", str(port)]
        client = await asyncio.create_subprocess_exec(*script, stdout=asyncio.subprocess.PIPE)
        assert client.stdout is not None
        await client.stdout.readline()
        load = asyncio.create_task(_load(port))
        await asyncio.sleep(WARM)
        found = []
        for _ in range(2):
            client.send_signal(signal.SIGUSR1)
            found.append((int(await client.stdout.readline()), time.perf_counter()))
            await asyncio.sleep(seconds if len(found) == 1 else 0)
        client.kill()
        await client.wait()
        await _ended(load)
    return (found[1][0] - found[0][0]) / (found[1][1] - found[0][1])


async def _count(port: int) -> None:
    """The client that only counts; it prints its count at each SIGUSR1."""
    count = 0

    def take(batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        nonlocal count
        count += len(batch)
        transport.acknowledge([token for _, token in batch])

    transport = MqttTransport(BrokerAddress.parse(f"mqtt://127.0.0.1:{port}"), client_id="counter")
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: print(count, flush=True))
    await transport.start(["site/+/dev/+/env"], take)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def _decided(seconds: float) -> float:
    """Messages a second that `iotrules run` decides on, commits and acknowledges."""
    with _mosquitto() as port, _engine(port) as metrics:
        load = asyncio.create_task(_load(port))
        await asyncio.sleep(WARM)
        before, began = await _applied(metrics), time.perf_counter()
        await asyncio.sleep(seconds)
        after, ended = await _applied(metrics), time.perf_counter()
        await _ended(load)
    return (after - before) / (ended - began)


async def _echo(port: int) -> None:
    """The client that answers what is too hot, and acknowledges; no decision, no store."""
    transport = MqttTransport(BrokerAddress.parse(f"mqtt://127.0.0.1:{port}"), client_id="echo")
    answers = set()

    def take(batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        for arrival, _ in batch:
            if b'"temp":9' in arrival.payload or b'"temp":10' in arrival.payload:
                topic = arrival.topic.replace("/env", "/cmd")
                answers.add(task := asyncio.create_task(transport.publish(topic, arrival.payload)))
                task.add_done_callback(answers.discard)
        transport.acknowledge([token for _, token in batch])

    await transport.start(["site/+/dev/+/env"], take)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def _latencies(
    answering: Callable[[int], contextlib.AbstractContextManager[object]], rate: int, seconds: float
) -> list[float]:
    """Seconds from the PUBLISH of a message that is too hot to its command."""
    sent: dict[int, float] = {}
    found: list[float] = []

    def command(topic: bytes, _: bytes) -> None:
        found.append(time.perf_counter() - sent.pop(int(topic.split(b"/")[3][1:])))

    with _mosquitto() as port, answering(port):
        listener = await Wire.connected(port, "listener", command)
        await listener.subscribe("site/+/dev/+/cmd")
        load = await Wire.connected(port, "load")
        began, number = time.perf_counter(), 0
        while number < rate * seconds:
            device, round_ = number % DEVICES, number // DEVICES
            hot = round_ % 2 == 1 and number % 10 == 0
            message = _message(device, round_, 97.0 if hot else 60.0)
            if hot:
                sent[device] = time.perf_counter()
            load.write(publish(TOPIC.format(f"b{device}"), message, number % 65_535 + 1))
            number += 1
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        await asyncio.sleep(1)
        load.close()
        listener.close()
    if sent:
        print(f"{len(sent)} commands did not come within a second")
    return found[len(found) // 10 :]


async def _load(port: int) -> None:
    """Publish as fast as the broker acknowledges."""
    wire = await Wire.connected(port, "load")
    number = 0
    while True:
        while number - wire.acknowledged >= WINDOW:
            wire.progress.clear()
            await wire.progress.wait()
        batch = range(number, number + 100)
        wire.write(
            b"".join(
                publish(TOPIC.format(f"b{n % DEVICES}"), _message(n % DEVICES, n // DEVICES, 60.0), n % 65_535 + 1)
                for n in batch
            )
        )
        number += 100
        await asyncio.sleep(0)


def _message(device: int, number: int, temp: float) -> bytes:
    return b'{"ts":%d,"boot":"x","seq":%d,"temp":%.2f,"pressure":6.1,"vibration":2.4,"fan":"running","by":"b%d"}' % (
        time.time_ns() // 1_000_000, number, temp + number % 7, device,
    )  # fmt: skip


async def _ended(load: asyncio.Task[None]) -> None:
    load.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await load


async def _applied(url: str) -> float:
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10).read().decode())
    return sum(
        float(value) for value in re.findall(r'^iotrules_messages_applied_total\{stream="env"\} (\S+)', text, re.M)
    )


@contextlib.contextmanager
def _mosquitto() -> Iterator[int]:
    program, port = mosquitto_program(), free_port()
    if program is None:
        sys.exit("mosquitto is not installed")
    with tempfile.TemporaryDirectory() as place:
        config = Path(place, "mosquitto.conf")
        config.write_text(CONFIG.format(port=port))
        with _process([str(program), "-c", str(config)]):
            _until(lambda: _answers(port))
            yield port


@contextlib.contextmanager
def _echoing(port: int) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as place:
        log = Path(place, "log")
        with _process([sys.executable, __file__, "--echo", str(port)], log):
            _until(lambda: "ready" in log.read_text())
            yield


@contextlib.contextmanager
def _engine(port: int) -> Iterator[str]:
    """`iotrules run`, ready; the address of its metrics."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "rules").mkdir()
        Path(place, "rules", "rules.yaml").write_text(RULES)
        metrics, log = free_port(), Path(place, "log")
        arguments = ["run", "--rules", f"{place}/rules", "--broker", f"mqtt://127.0.0.1:{port}",
                     "--store", f"{place}/s.db", "--metrics-port", str(metrics)]  # fmt: skip
        with _process([sys.executable, "-m", "iotrules", *arguments], log):
            _until(lambda: '"ready"' in log.read_text())
            yield f"http://127.0.0.1:{metrics}/metrics"


@contextlib.contextmanager
def _process(command: list[str], log: Path = Path(os.devnull)) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _until(true: object) -> None:
    ends = time.monotonic() + 30
    while not true():  # type: ignore[operator]
        if time.monotonic() > ends:
            sys.exit("it did not start within 30 s")
        time.sleep(0.05)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--count"]:
        asyncio.run(_count(int(sys.argv[2])))
    elif sys.argv[1:2] == ["--echo"]:
        asyncio.run(_echo(int(sys.argv[2])))
    else:
        main()
