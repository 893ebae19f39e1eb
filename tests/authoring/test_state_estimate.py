"""What `iotrules lint --state` says of memory is near what the engine takes for a thousand keys and more."""

from __future__ import annotations

import gc
import json
import tracemalloc

import pytest

from iotrules.engine import Engine
from iotrules.engine.windows import MAX_SAMPLES
from iotrules.language import load_files
from iotrules.language.linting import BYTES_WHILE_ACTIVE, estimate_state
from iotrules.model.inputs import Arrival, Messages, Reload
from iotrules.model.times import SECOND
from tests.language.rule_files import HEAD

START = 1_790_000_000 * SECOND
BATCH = 50
QUIET = "  r{n}: {{from: env, when: temp > {n}1}}\n"


def _feed(engine: Engine, prefix: str, devices: int, rounds: int) -> None:
    for number in range(rounds):
        at = START + number * 10 * SECOND
        body = {"ts": at // 1_000_000, "boot": "x", "seq": number, "temp": number + 0.5}
        for first in range(0, devices, BATCH):
            topics = (f"site/A/dev/{prefix}{device}/env" for device in range(first, first + BATCH))
            arrivals = tuple(Arrival(topic, json.dumps(body).encode(), at) for topic in topics)
            engine.process(Messages(arrivals), at, 2)


def _taken(rules: str, devices: int, rounds: int) -> float:
    """Bytes that one more key takes, of an engine that has seen others."""
    engine = Engine()
    engine.process(Reload({"r.yaml": f"{HEAD}rules:\n{rules}"}), START, 1)
    _feed(engine, "first-", BATCH, 2)
    gc.collect()
    tracemalloc.start()
    try:
        _feed(engine, "b", devices, rounds)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / devices
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("rules", "active", "devices", "rounds"),
    [
        (QUIET.format(n=9), 0, 2000, 2),
        ("".join(QUIET.format(n=n) for n in range(1, 11)), 0, 2000, 2),
        ("".join(f"  r{n}: {{from: env, when: temp > -{n}, for: 1h}}\n" for n in range(1, 6)), 5, 500, 2),
        ("  r: {from: env, when: 'avg(temp, 1m) > 90'}\n", 0, 250, 15),
        ("  r: {absent: env, for: 3 * interval}\n", 0, 1000, 2),
    ],
    ids=["one rule", "ten rules", "five that are pending", "a window", "silence"],
)
def test_the_estimate_is_near_what_is_taken(rules: str, active: int, devices: int, rounds: int) -> None:
    estimates = estimate_state(load_files({"r.yaml": f"{HEAD}rules:\n{rules}"}), MAX_SAMPLES)
    told = sum(one.bytes for one in estimates) + active * BYTES_WHILE_ACTIVE
    taken = _taken(rules, devices, rounds)
    assert 1 / 3 < told / taken < 3, (told, taken)


def test_rules_share_the_state_of_a_key() -> None:
    rules = "".join(QUIET.format(n=n) for n in range(1, 11)) + "  other: {from: env, by: [device, site], when: door}\n"
    *ten, other = estimate_state(load_files({"r.yaml": f"{HEAD}rules:\n{rules}"}), MAX_SAMPLES)
    assert {one.sharing for one in ten} == {10}
    assert other.sharing == 1
    assert max(one.bytes for one in ten) < 400 < other.bytes
