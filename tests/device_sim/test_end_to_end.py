"""The simulator as its user runs it, against a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken
from iotrules.transports.address import BrokerAddress
from iotrules.transports.mqtt import MqttTransport
from tests.mosquitto import Mosquitto, free_port, running_mosquitto

FLEET = """
fleet:
  boilers:
    count: 3
    sites: [A]
    id: "b{n}"
    topic: site/{site}/dev/{device}/env
    commands: site/{site}/dev/{device}/cmd
    ack: site/{site}/dev/{device}/cmd/ack
    interval: 100ms
faults: [{device: b3, kind: offline, at: 200ms, for: 100ms}]
"""
PATIENCE = 30.0

Seen = Callable[[str, Any], bool]


class Listener:
    """Owns a connection that hears everything, in order; JSON bodies are decoded."""

    def __init__(self, url: str) -> None:
        self.transport = MqttTransport(BrokerAddress.parse(url), client_id="listener")
        self._heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def next(self, wanted: Seen) -> Any:
        """The body of the next message that is `wanted`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                topic, body = await self._heard.get()
                if wanted(topic, body):
                    return body

    def on_batch(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        for arrival, _ in batch:
            self._heard.put_nowait((arrival.topic, msgspec.json.decode(arrival.payload)))
        self.transport.acknowledge([token for _, token in batch])


@contextlib.asynccontextmanager
async def listening(broker: Mosquitto, *filters: str) -> AsyncIterator[Listener]:
    listener = Listener(broker.url)
    await listener.transport.start(filters, listener.on_batch)
    try:
        yield listener
    finally:
        await listener.transport.stop()


@contextlib.asynccontextmanager
async def simulator(*arguments: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "device_sim",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with running_mosquitto() as mosquitto:
        yield mosquitto


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    return file


async def test_a_fleet_reports_obeys_and_ends_cleanly(broker: Mosquitto, fleet: Path, tmp_path: Path) -> None:
    journal, labels = tmp_path / "journal.jsonl", tmp_path / "labels.jsonl"
    async with (
        listening(broker, "site/#", "host/#") as listener,
        simulator(fleet, "--broker", broker.url, "--journal", journal, "--labels", labels, "--json") as process,
    ):
        await listener.next(lambda topic, body: topic == "site/A/dev/b1/env" and body["state"] == "running")
        command = msgspec.json.encode({"id": "k1", "command": "shutdown"})
        for _ in range(2):
            await listener.transport.publish("site/A/dev/b1/cmd", command)
        await listener.transport.publish("site/A/dev/b1/cmd", b'"nonsense"')
        said = [await listener.next(lambda topic, _: topic.endswith("/ack")) for _ in range(3)]
        await listener.next(lambda topic, body: topic == "site/A/dev/b1/env" and body["state"] == "stopped")
        await listener.next(lambda topic, _: topic.startswith("host/"))
        process.send_signal(signal.SIGTERM)
        code, out, err = await ended(process)

    assert (code, err) == (0, "")
    assert [answer["status"] for answer in said] == ["acknowledged", "succeeded", "succeeded"]
    summary = json.loads(out)
    assert summary["published"] == summary["acknowledged"] > 10
    assert summary["dropped"] == 0
    assert (summary["commands"]["executed"], summary["commands"]["duplicates"]) == (1, 1)
    assert summary["commands"]["malformed"] == 1
    assert [line["id"] for line in lines(journal) if line["event"] == "executed"] == ["k1"]
    _assert_numbered_without_gaps([line for line in lines(journal) if line["event"] == "published"])
    assert [(line["device"], line["kind"]) for line in lines(labels)] == [("b3", "offline")]
    assert lines(labels)[0]["end_ms"] - lines(labels)[0]["onset_ms"] == 100


def _assert_numbered_without_gaps(published: list[dict[str, Any]]) -> None:
    for topic in {line["topic"] for line in published}:
        numbers = [line["seq"] for line in published if line["topic"] == topic]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_broker_that_is_killed_costs_no_message(broker: Mosquitto, fleet: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    async with simulator(fleet, "--broker", broker.url, "--journal", journal, "--json", "--no-host") as process:
        async with listening(broker, "site/#") as listener:
            await listener.next(lambda topic, body: body["seq"] >= 3)
            broker.stop(signal.SIGKILL)
            broker.start()
            before = time.time_ns() // 1_000_000
            await listener.next(lambda topic, body: body["ts"] > before + 200)
        process.send_signal(signal.SIGINT)
        code, out, err = await ended(process)
    assert (code, err) == (0, "")
    assert json.loads(out)["dropped"] == 0
    _assert_numbered_without_gaps(lines(journal))


async def test_a_series_is_replayed_in_order_at_full_speed(broker: Mosquitto, tmp_path: Path) -> None:
    series = tmp_path / "my series.csv"
    rows = [f"{1_372_896_000 + 60 * n},{n / 2}\n" for n in range(3000)]
    series.write_text("timestamp,value\n" + "".join(rows) + "tomorrow,1\n")
    async with (
        listening(broker, "replay/my-series/value") as listener,
        simulator("--replay", series, "--speed", "0", "--broker", broker.url, "--json") as process,
    ):
        heard = [await listener.next(lambda *_: True) for _ in range(3000)]
        code, out, err = await ended(process)
    assert code == 0
    assert err.startswith(f"warning: {series}:3002: not a time: 'tomorrow'")
    assert err.endswith("row skipped\n")
    assert json.loads(out)["replay"] == {"rows": 3000, "bad_rows": 1}
    assert [body["seq"] for body in heard] == list(range(1, 3001))
    assert heard[-1] == {"ts": (1_372_896_000 + 60 * 2999) * 1000, "seq": 3000, "value": 1499.5}


async def test_a_replay_keeps_the_gaps_divided_by_the_speed(broker: Mosquitto, tmp_path: Path) -> None:
    series = tmp_path / "slow.csv"
    series.write_text("1372896000,1\n1372896060,2\n")
    async with simulator("--replay", series, "--speed", "120", "--broker", broker.url, "--quiet") as process:
        began = time.monotonic()
        assert await ended(process) == (0, "", "")
        assert time.monotonic() - began >= 0.5


async def test_without_a_broker_it_gives_up_after_the_wait(fleet: Path) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    async with simulator(fleet, "--broker", url, "--wait", "500ms") as process:
        code, _, err = await ended(process)
    assert code == 4
    assert err.startswith("error: the broker could not be reached within 0.5 s")
    assert url in err


async def test_it_waits_for_a_broker_that_comes_late(fleet: Path, tmp_path: Path) -> None:
    with running_mosquitto() as late:
        late.stop()
        async with simulator(fleet, "--broker", late.url, "--wait", "25s", "--for", "1s", "--json") as process:
            late.start()
            code, out, _ = await ended(process)
    assert code == 0
    assert json.loads(out)["acknowledged"] > 0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        ([], 2, "nothing to simulate"),
        (["nowhere.yaml"], 3, "nowhere.yaml can't be read"),
        (["demo", "--for", "60"], 2, "'60' is not a duration"),
        (["demo", "--speed", "nan"], 2, "'nan' is not a speed"),
        (["--replay", "x.csv", "--columns", "a"], 2, "takes two names"),
        (["demo", "--broker", "http://x"], 2, "not a broker address"),
    ],
)
async def test_what_cannot_be_used_is_said_at_once(arguments: list[str], exit_code: int, words: str) -> None:
    async with simulator(*arguments) as process:
        code, _, err = await ended(process)
    assert code == exit_code
    assert words in " ".join(err.split())


async def test_a_journal_that_cannot_be_written_is_said(broker: Mosquitto, fleet: Path) -> None:
    async with simulator(fleet, "--broker", broker.url, "--journal", "/dev/full") as process:
        code, _, err = await ended(process)
    assert code == 3
    assert "error: /dev/full can't be written: No space left on device" in err
