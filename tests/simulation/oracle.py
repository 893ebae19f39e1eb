"""What the rule `hot` should have done, by the messages alone: a few lines that know nothing of the engine."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.simulation.facts import Message
from tests.simulation.plant import ENDS_BELOW, FIRES_ABOVE


class Episode(NamedTuple):
    """A step of an alert: event time in ms, and the state it came to."""

    at: int
    state: str


class Reading(NamedTuple):
    """A message of telemetry that can be read; `applied`: it is new, and not older than the newest."""

    device: str
    at: int
    temp: float
    applied: bool

    @classmethod
    def all_of(cls, messages: Sequence[Message]) -> Iterator[Reading]:
        """In the order of their arrival."""
        seen: set[tuple[str, int, int]] = set()
        newest: dict[str, int] = {}
        for topic, payload in messages:
            body = _read(topic, payload)
            if body is None:
                continue
            device = topic.split("/")[3]
            identity = (device, body["boot"], body["seq"])
            applied = identity not in seen and body["ts"] >= newest.get(device, 0)
            if applied:
                seen.add(identity)
                newest[device] = body["ts"]
            yield cls(device, body["ts"], body["temp"], applied)


def episodes(messages: Sequence[Message]) -> dict[str, list[Episode]]:
    """By device."""
    found: dict[str, list[Episode]] = defaultdict(list)
    firing: set[str] = set()
    for reading in Reading.all_of(messages):
        if not reading.applied:
            continue
        if reading.device in firing and reading.temp < ENDS_BELOW:
            firing.remove(reading.device)
            found[reading.device].append(Episode(reading.at, "resolved"))
        elif reading.device not in firing and reading.temp > FIRES_ABOVE:
            firing.add(reading.device)
            found[reading.device].append(Episode(reading.at, "firing"))
    return found


def _read(topic: str, payload: bytes) -> dict[str, int] | None:
    if not topic.endswith("/env"):
        return None
    try:
        body: dict[str, int] = json.loads(payload)
    except ValueError:
        return None
    return body
