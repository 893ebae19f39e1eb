"""The oracle on journals made by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from tests.chaos.oracle import MS, Row, expect
from tests.chaos.plant import SPEC, Threshold

TOPIC = "site/A/dev/d1/env"


def rules(*given: Threshold) -> Row:
    return (1, 0, ["r", {"rules.yaml": SPEC + json.dumps([asdict(rule) for rule in given])}])


def message(sequence: int, ts: int, seq: int, temp: float, topic: str = TOPIC) -> Row:
    field = "load" if topic.endswith("slow") else "temp"
    body = json.dumps({"ts": ts, "boot": "b", "seq": seq, field: temp}).encode()
    return (sequence, ts * MS, ["m", [[topic, body, ts * MS]]])


def story(rows: list[Row], rule: str = "hot") -> list[tuple[str, Any]]:
    return expect(rows).alerts[rule, "d1"].story


def test_a_threshold_fires_and_resolves_at_its_samples() -> None:
    rows = [rules(Threshold("hot", "env", "temp", 85)), message(2, 100, 1, 90), message(3, 200, 2, 80)]
    assert story(rows) == [("firing", 100 * MS), ("resolved", None)]


def test_hysteresis_waits_for_the_lower_bound() -> None:
    hot = Threshold("hot", "env", "temp", 85, 60)
    rows = [rules(hot), message(2, 100, 1, 90), message(3, 200, 2, 80), message(4, 300, 3, 50)]
    assert story(rows[:3]) == [("firing", 100 * MS)]
    assert story(rows) == [("firing", 100 * MS), ("resolved", None)]


def test_a_hold_is_over_between_two_samples_or_by_a_tick() -> None:
    hot = Threshold("hot", "env", "temp", 85, None, 500)
    rows = [rules(hot), message(2, 100, 1, 90)]
    assert story([*rows, message(3, 400, 2, 80)]) == []
    assert story([*rows, message(3, 700, 2, 80)]) == [("firing", 600 * MS), ("resolved", None)]
    assert story([*rows, (3, 601 * MS, ["t"])]) == [("firing", 600 * MS)]
    assert story([*rows, (3, 599 * MS, ["t"])]) == []


def test_duplicates_and_late_messages_are_told_apart() -> None:
    rows = [rules(Threshold("hot", "env", "temp", 85)), message(2, 100, 2, 90), message(3, 100, 2, 90)]
    counts = expect([*rows, message(4, 50, 1, 20)]).counts
    assert (counts["applied", "env"], counts["duplicate", "env"], counts["late", "env"]) == (1, 1, 1)


def test_a_stream_that_waits_is_read_in_the_order_of_its_time() -> None:
    topic = TOPIC.replace("env", "slow")
    rows = [
        rules(Threshold("hot", "slow", "load", 50)),
        message(2, 300, 3, 10, topic), message(3, 100, 1, 90, topic), message(4, 200, 2, 90, topic),
    ]  # fmt: skip
    assert story(rows) == [("firing", 100 * MS), ("resolved", None)]


def test_an_edited_rule_begins_anew() -> None:
    rows = [rules(Threshold("hot", "env", "temp", 85)), message(2, 100, 1, 90)]
    again = (3, 0, rules(Threshold("hot", "env", "temp", 86))[2])
    assert story([*rows, again, message(4, 200, 2, 90)]) == [
        ("firing", 100 * MS), ("resolved", None), ("firing", 200 * MS),
    ]  # fmt: skip


def test_what_nobody_can_read_is_dead() -> None:
    rows = [rules(), (2, 0, ["m", [[TOPIC, b'{"temp": NaN}', 0], [TOPIC, b"\xff", 0]]])]
    found = expect(rows)
    assert sum(found.dead.values()) == 2
    assert found.counts["received", ""] == 2
