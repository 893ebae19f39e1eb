"""A building for tests of sequences: doors, motion sensors and badge readers, each with a clock of its own."""

from __future__ import annotations

import json
from typing import Any

from iotrules.model.decisions import Decision, Transition
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine.world import START, World

STREAMS = """
streams:
  door:
    topic: site/{site}/door/{device}
    time: {field: ts, format: unix_ms}
    fields: {state: {one_of: [open, closed]}, temp: {unit: degC}}
  motion: {topic: "site/{site}/motion/{device}", time: {field: ts, format: unix_ms}, fields: {seen: {type: flag}}}
  badge:
    topic: site/{site}/badge/{reader}
    time: {field: ts, format: unix_ms}
    fields: {granted: {type: flag}, who: {type: text}}
rules:
"""

ENTRY = """
  entry:
    by: [site]
    sequence:
      - first: door where state == "open"
      - then: motion where seen
      - without: {stream: badge, where: granted, before: 60s}
    within: 90s
    severity: major
    summary: "{door.device} opened on {site}, seen by {motion.device}"
"""

PAIR = """
  pair:
    by: [site]
    sequence:
      - first: door where state == "open"
      - then: motion where seen
    within: 30s
"""


class Building(World):
    """A world with doors, motion sensors and badge readers."""

    streams = STREAMS

    def tell(
        self, at: float, stream: str, device: str = "d1", site: str = "A", lag: float = 0.0, **values: Any
    ) -> Decision:
        """A message measured `at` seconds after the start, arriving `lag` seconds later."""
        self.pass_time(at + lag)
        body = {"ts": (START + round(at * SECOND)) // MILLISECOND} | values
        return self.raw(f"site/{site}/{stream}/{device}", json.dumps(body).encode())

    def door(self, at: float, **options: Any) -> Decision:
        return self.tell(at, "door", **({"state": "open"} | options))

    def motion(self, at: float, **options: Any) -> Decision:
        return self.tell(at, "motion", **({"seen": True} | options))

    def badge(self, at: float, **options: Any) -> Decision:
        return self.tell(at, "badge", **({"granted": True} | options))

    def transitions(self) -> list[Transition]:
        return [change for decision in self.decisions for change in decision.transitions]
