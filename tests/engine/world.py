"""A world for engine tests: rules, a clock that is moved by hand, a journal that can be replayed."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from iotrules.engine import Engine
from iotrules.engine.bounds import Bounds
from iotrules.model.decisions import Decision, SendCommand, Transition
from iotrules.model.inputs import (
    Arrival,
    Input,
    Messages,
    Operator,
    Receipt,
    RegistryFile,
    Reload,
    Tick,
    decode_input,
    encode_input,
)
from iotrules.model.times import MILLISECOND, SECOND

START = 1_790_000_000 * SECOND

STREAM = """
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms, ahead: 10s}
    id: [boot, seq]
    interval: 10s
    fields:
      temp: {unit: degC, range: [-40, 150]}
      pressure: {unit: bar}
      fan: {one_of: [running, stopped]}
commands:
  topic: site/{site}/dev/{device}/cmd
  ack: site/{site}/dev/{device}/cmd/ack
rules:
"""

OVERHEAT = """
  overheat:
    from: env
    when: temp > 85
    for: 30s
    clear: {when: temp < 70, for: 20s}
    severity: critical
    summary: "{device} is at {temp:.1f}"
"""


def registry_file(text: str | None) -> RegistryFile | None:
    return None if text is None else RegistryFile("registry.csv", text)


ALL = 2**62


class World:
    """One engine. `restart_every` puts it through its store after that many journaled inputs."""

    streams = STREAM
    """What a rule file begins with."""
    bounds = Bounds()

    def __init__(
        self,
        rules: str,
        *,
        dry_run: bool = False,
        restart_every: int | None = None,
        fused: bool = True,
        registry: str | None = None,
        streams: str | None = None,
    ) -> None:
        self.streams = streams or self.streams
        self._fused = fused
        self.engine = Engine(fused=fused, bounds=self.bounds)
        self.now = START
        self.sequence = 0
        self.seq = 0
        self.seqs: dict[tuple[str, str], int] = {}
        """Each device's count, and `seq` the newest number given."""
        self.decisions: list[Decision] = []
        self._restart_every = restart_every
        self._parts: dict[str, bytes] = {}
        self._begun = False
        """Is a snapshot in progress?"""
        self._fresh: dict[str, bytes | None] = {}
        """What there is of the snapshot in progress."""
        self._since: list[tuple[Input, int, int]] = []
        """What was decided on since it began: (input, now, sequence)."""
        self.put(Reload({"rules.yaml": self.streams + rules}, dry_run, registry_file(registry)))

    def use_registry(self, registry: str | None) -> Decision:
        """Go on with the same rules and another registry, as CSV."""
        return self.put(msgspec.structs.replace(self.engine.files, registry=registry_file(registry)))

    def put(self, value: Input) -> Decision:
        value = decode_input(encode_input(value))  # as the journal would give it back
        if self._restart_every and not self._begun:
            self._begun = True
            self.engine.begin_snapshot()
        decision = self.engine.process(value, self.now, self.sequence + 1)
        if decision.changed:
            self.sequence += 1
        if self._restart_every:
            if decision.changed:
                self._since.append((value, self.now, self.sequence))
            self._fresh |= self.engine.snapshot_parts(1)
        self.decisions.append(decision)
        if self._restart_every and decision.changed and self.sequence % self._restart_every == 0:
            self.restart()
        return decision

    def restart(self) -> None:
        """Go on with an engine made of what is stored: a snapshot taken while inputs came, and the journal of these."""
        rest = self.engine.snapshot_parts(ALL) if self._begun else self.engine.take_snapshot()
        for name, body in (self._fresh | rest).items():
            if body is None:
                self._parts.pop(name, None)
            else:
                self._parts[name] = body
        self.engine = Engine(fused=self._fused, bounds=self.bounds)
        self.engine.restore(self._parts)
        for value, now, sequence in self._since:
            self.engine.process(value, now, sequence)
        self._fresh.clear()
        self._since.clear()
        self._begun = False

    def send(self, at: float, device: str = "b1", site: str = "A", lag: float = 0.0, **values: Any) -> Decision:
        """A message measured `at` seconds after the start, arriving `lag` seconds later; timers before it fire."""
        self.pass_time(at + lag)
        self.seq = self.seqs[site, device] = self.seqs.get((site, device), 0) + 1
        body = {"ts": (START + round(at * SECOND)) // MILLISECOND, "boot": "x", "seq": self.seq} | values
        return self.raw(f"site/{site}/dev/{device}/env", json.dumps(body).encode())

    def raw(self, topic: str, payload: bytes) -> Decision:
        return self.put(Messages((Arrival(topic, payload, self.now),)))

    def pass_time(self, upto: float) -> list[Transition]:
        """Move the clock, ticking whenever the engine wants to be woken before then."""
        target = START + round(upto * SECOND)
        caused: list[Transition] = []
        while (wake_at := self.engine.wake_at) is not None and wake_at < target:
            self.now = max(self.now, wake_at)
            caused += self.put(Tick()).transitions
        self.now = max(self.now, target)
        return caused

    def answer(self, command: SendCommand, status: str, site: str = "A", device: str = "b1") -> Decision:
        body = {"id": command.command, "status": status}
        return self.raw(f"site/{site}/dev/{device}/cmd/ack", json.dumps(body).encode())

    def receipt(self, effect: str, outcome: str = "done", **fields: Any) -> Decision:
        return self.put(Receipt(effect, outcome, **fields))

    def operate(self, action: str, target: str, who: str = "anna", why: str = "") -> Decision:
        return self.put(Operator(action, target, who, why))

    def history(self) -> list[str]:
        """Every transition so far, with the second in event time: `12 overheat pending`."""
        return [
            f"{(change.at - START) / SECOND:g} {change.rule} {change.after.value}"
            for decision in self.decisions
            for change in decision.transitions
        ]

    def commands(self) -> list[str]:
        """Every change of a command so far: `b2 shutdown held`; one that is only a new detail: `b2 shutdown (sent)`."""
        return [
            f"{change.key.device} {change.name} {change.state.value if change.entered else f'({change.state.value})'}"
            for decision in self.decisions
            for change in decision.commands
        ]

    def sent(self) -> list[SendCommand]:
        """Every command that left so far."""
        effects = [effect for decision in self.decisions for effect in decision.effects]
        return [effect for effect in effects if isinstance(effect, SendCommand)]

    def effects(self) -> list[str]:
        return [effect.id for decision in self.decisions for effect in decision.effects]

    def total(self, counter: str) -> int:
        return sum(n for decision in self.decisions for (name, _), n in decision.counts.items() if name == counter)
