"""What becomes of each message: applied, duplicate, late, or a dead letter with its reason and bytes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from iotrules.engine.decode import MAX_PAYLOAD
from iotrules.model.decisions import Decision
from tests.engine.world import OVERHEAT, START, STREAM, World

TOPIC = "site/A/dev/b1/env"
POISON = Path(__file__).parents[1] / "data" / "security" / "poison_payloads.jsonl"


def _body(seconds: float, seq: int, **values: object) -> bytes:
    return json.dumps({"ts": START // 10**6 + round(seconds * 1000), "boot": "x", "seq": seq} | values).encode()


def test_a_message_delivered_twice_counts_once() -> None:
    world = World(OVERHEAT)
    world.raw(TOPIC, _body(0, 1, temp=90))
    assert world.raw(TOPIC, _body(0, 1, temp=90)).counts[("duplicate", "env")] == 1
    assert world.total("applied") == 1


def test_a_message_older_than_what_was_decided_on_is_late_and_changes_nothing() -> None:
    world = World(OVERHEAT)
    world.raw(TOPIC, _body(5, 1, temp=60))
    decision = world.raw(TOPIC, _body(0, 2, temp=99))
    assert decision.counts[("late", "env")] == 1
    assert decision.transitions == []


def test_a_clock_that_is_ahead_is_not_believed() -> None:
    world = World(OVERHEAT)
    decision = world.raw(TOPIC, _body(3600, 1, temp=60))
    assert decision.counts[("clock_ahead", "env")] == 1
    assert decision.readings[0].at == world.now


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"not json", "not JSON"),
        (b'{"temp": NaN}', "not JSON"),
        (b'{"temp": 1e999}', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"a":"\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "not an object"),
        (b"null", "not an object"),
        (b"85", "not an object"),
        (b'{"a": "' + b"x" * 300_000 + b'"}', "too large"),
    ],
)
def test_what_is_no_object_becomes_a_dead_letter_with_its_bytes(payload: bytes, reason: str) -> None:
    world = World(OVERHEAT)
    decision = world.raw(TOPIC, payload)
    assert [(letter.reason, letter.payload, letter.topic) for letter in decision.dead_letters] == [
        (reason, payload[:MAX_PAYLOAD], TOPIC)
    ]
    assert world.send(10, temp=90).transitions


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("site//dev/b1/env", "bad topic"),
        ("site/../dev/b1/env", "bad topic"),
        ("site/A/dev/b\n1/env", "bad topic"),
        ("site/A/dev/$b1/env", "bad topic"),
        ("site/A/dev/" + "b" * 300 + "/env", "bad topic"),
        ("elsewhere", "unknown topic"),
    ],
)
def test_topics_that_name_no_device_are_refused(topic: str, reason: str) -> None:
    decision = World(OVERHEAT).raw(topic, _body(0, 1, temp=90))
    assert [letter.reason for letter in decision.dead_letters] == [reason]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ('"85"', "wrong type"),
        ("true", "wrong type"),
        ("[85]", "wrong type"),
        ("1000", "out of range"),
        ("1" + "0" * 400, None),
        ("null", None),
    ],
)
def test_values_that_can_not_be_used_are_missing_and_counted(value: str, fault: str | None) -> None:
    world = World(OVERHEAT)
    payload = b'{"ts": %d, "boot": "x", "seq": 1, "temp": %s}' % (START // 10**6, value.encode())
    decision = world.raw(TOPIC, payload)
    assert decision.transitions == []
    if fault:
        assert decision.counts[("bad_values", f"env.temp: {fault}")] == 1
        assert decision.readings[0].values["temp"] is None


@pytest.mark.parametrize("stamp", ["1e303", "-1e303", "1e200", "9" * 400, "true", "null", '"now"'])
def test_an_event_time_that_can_not_be_used_is_counted_and_arrival_time_taken(stamp: str) -> None:
    world = World(OVERHEAT)
    decision = world.raw(TOPIC, b'{"ts": %s, "boot": "x", "seq": 1, "temp": 60}' % stamp.encode())
    assert decision.readings[0].at == world.now
    assert decision.counts.keys() & {("no_event_time", "env"), ("clock_ahead", "env")}


@pytest.mark.parametrize("depth", [500, 900, 960, 990, 995, 1000])
def test_an_id_of_nested_lists_is_no_id(depth: int) -> None:
    world = World(OVERHEAT)
    nested = "[" * depth + "]" * depth
    payload = _body(0, 1, temp=60).replace(b'"x"', nested.encode())
    assert _accounted(world.raw(TOPIC, payload)) == 1


def test_null_is_no_id_so_such_messages_are_told_apart_by_time_and_content() -> None:
    world = World(OVERHEAT)
    for seconds in (0, 10, 20):
        world.raw(TOPIC, _body(seconds, 0, temp=60).replace(b'"seq": 0', b'"seq": null'))
    assert world.total("applied") == 3


@pytest.mark.parametrize("seconds", [0, 3600])
def test_a_whole_backlog_that_is_delivered_again_changes_nothing(seconds: int) -> None:
    world = World(OVERHEAT)
    backlog = [_body(seconds, seq, temp=60) for seq in range(500)]  # all of one instant, or of a clock too far ahead
    for payload in backlog + backlog:
        world.raw(TOPIC, payload)
    assert (world.total("applied"), world.total("duplicate")) == (500, 500)


def test_after_a_message_without_a_usable_time_the_device_s_own_clock_goes_on() -> None:
    world = World(OVERHEAT)
    world.send(0, lag=2, temp=60)  # a clock two seconds behind
    world.now = START + 12 * 10**9
    world.raw(TOPIC, b'{"ts": null, "boot": "x", "seq": 77, "temp": 60}')
    assert world.decisions[-1].readings[0].at == START + 10 * 10**9
    world.send(11, lag=2, temp=60)
    assert world.total("late") == 0


def test_every_message_is_accounted_for_and_poison_stops_nothing() -> None:
    world = World(OVERHEAT)
    lines = [json.loads(line) for line in POISON.read_text().splitlines()]
    for line in lines:
        device = line["topic"].split("/")[1]
        before = world.total("applied")
        decision = world.raw(f"site/A/dev/{device}/env", base64.b64decode(line["payload_b64"]))
        assert _accounted(decision) == 1, line["id"]
        assert world.total("applied") - before <= 1
    assert len(lines) > 100
    for at in range(100, 150, 10):
        world.send(at, device="healthy", temp=90)
    assert "130 overheat firing" in world.history()


def _accounted(decision: Decision) -> int:
    words = ("applied", "duplicate", "late")
    counted = sum(n for (name, _), n in decision.counts.items() if name in words)
    return counted + len(decision.dead_letters)


@pytest.mark.parametrize("size", [10, 5_000])
def test_without_an_id_a_message_is_known_by_its_time_and_content_however_large(size: int) -> None:
    class NoId(World):
        streams = STREAM.replace("    id: [boot, seq]\n", "")

    world = NoId(OVERHEAT)
    for seconds in (0, 10, 20):
        world.pass_time(seconds)
        payload = _body(seconds, 0, temp=60, note="x" * size)
        world.raw(TOPIC, payload)
        world.raw(TOPIC, payload)
        world.raw(TOPIC, payload.replace(b"x", b"y", 1))
    assert (world.total("applied"), world.total("duplicate")) == (6, 3)
