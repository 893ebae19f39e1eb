"""One simulated device: a machine, its sensors, faults and memory, moved from instant to instant. Pure.

Instants are ns since the start of the run; only what goes on the wire is in ms since the Unix epoch.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from device_sim import commands, faults, machine
from device_sim.commands import Memory, Outcome, RunState
from device_sim.faults import (
    BadPayload,
    Cause,
    Fault,
    Jammed,
    Offline,
    Overheat,
    PressureLeak,
    SignalName,
    Spike,
    Stuck,
)
from device_sim.machine import Drive, Machine, MachineState
from iotrules.model.times import MILLISECOND, SECOND

INBOX = 100
"""How many commands wait for a device that is offline; the oldest give way."""

_DIGITS: dict[SignalName, int] = {"temp": 2, "pressure": 3, "vibration": 3, "rpm": 0}
_BROKEN = (b'{"ts": 17', b"\xff\xfe\x00garbage", b"<html>502 Bad Gateway</html>")


@dataclass(frozen=True, slots=True)
class Publication:
    """A message to publish. Telemetry has (boot, seq); an answer to a command has `seq` None.

    `bad`: it can't be decoded, on purpose.
    """

    topic: str
    payload: bytes
    boot: str = ""
    seq: int | None = None
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a device is built as; never changes. `interval`, `jitter` and the first report's `phase` in ns."""

    id: str
    topic: str
    commands: str | None
    ack: str | None
    interval: int
    jitter: int
    phase: int
    machine: Machine
    noise: dict[SignalName, float]
    faults: tuple[Fault, ...]
    boot: str
    start: int
    """ns since the Unix epoch."""


@dataclass(slots=True)
class Device:
    """What a device is at an instant."""

    plan: Plan
    random: Random
    state: MachineState
    run_state: RunState = RunState.RUNNING
    stepped: int = 0
    reports: int = 0
    seq: int = 0
    bad_turn: int = 0
    stuck: dict[SignalName, float] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    inbox: deque[bytes] = field(default_factory=lambda: deque(maxlen=INBOX))


def next_report(device: Device) -> int:
    """The instant of the next report; always later than the one before: jitter is less than the interval."""
    plan = device.plan
    jitter = device.random.randrange(plan.jitter) if plan.jitter else 0
    return plan.phase + device.reports * plan.interval + jitter


def skip_reports(device: Device, at: int) -> None:
    """Go on after a pause of the whole simulation: the reports before `at` are never made."""
    device.reports = max(device.reports, -(-(at - device.plan.phase) // device.plan.interval))


def is_offline(device: Device, at: int) -> bool:
    return any(isinstance(cause, Offline) for cause in faults.active(device.plan.faults, at))


def move(device: Device, at: int) -> None:
    """Let physics happen up to `at`, stopping wherever a fault begins or ends."""
    for edge in (*faults.edges(device.plan.faults, device.stepped, at), at):
        causes = faults.active(device.plan.faults, device.stepped)
        if device.state.leaked and not any(isinstance(cause, PressureLeak) for cause in causes):
            device.state = machine.repaired(device.state)
        seconds = max(0, edge - device.stepped) / SECOND
        device.state = machine.step(device.plan.machine, device.state, _drive(device, causes, edge), seconds)
        device.stepped = max(device.stepped, edge)


def report(device: Device, at: int) -> Publication | None:
    """The report that is due at `at`, or None if the device is offline."""
    move(device, at)
    device.reports += 1
    causes = faults.active(device.plan.faults, at)
    values = _measure(device, causes, at)
    if any(isinstance(cause, Offline) for cause in causes):
        return None
    device.seq += 1
    broken = _broken(device, at)
    payload = broken if broken is not None else msgspec.json.encode(_message(device, values, at))
    return Publication(device.plan.topic, payload, device.plan.boot, device.seq, broken is not None)


def answer_command(device: Device, message: commands.CommandMessage, at: int) -> tuple[Outcome, list[Publication]]:
    """Do what a command says, and the answers to publish: acknowledged, then the outcome.

    A repeat is answered with the outcome only.
    """
    move(device, at)
    jammed = any(isinstance(cause, Jammed) for cause in faults.active(device.plan.faults, at))
    now_ms = (device.plan.start + at) // MILLISECOND
    outcome = commands.obey(device.memory, device.run_state, message, now_ms, jammed=jammed)
    device.run_state = outcome.after
    answers = [_answer(device, message.id, outcome.answer.status, outcome.answer.detail, now_ms)]
    if not outcome.repeated:
        answers.insert(0, _answer(device, message.id, "acknowledged", "", now_ms))
    return outcome, answers


def _answer(device: Device, id: str, status: str, detail: str, now_ms: int) -> Publication:
    body = {"id": id, "status": status, "detail": detail, "ts": now_ms}
    return Publication(device.plan.ack or "", msgspec.json.encode(body))


def _drive(device: Device, causes: list[Cause], at: int) -> Drive:
    heat = [cause.to for cause in causes if isinstance(cause, Overheat)]
    return Drive(
        running=device.run_state is RunState.RUNNING,
        load=machine.load_at(device.plan.machine, at / SECOND),
        heat_to=heat[-1] if heat else None,
        leak=sum(cause.rate for cause in causes if isinstance(cause, PressureLeak)),
    )


def _measure(device: Device, causes: list[Cause], at: int) -> dict[SignalName, float]:
    """What the sensors say: physics, noise, and what is wrong with the sensors."""
    true = machine.signals(device.plan.machine, device.state, _drive(device, causes, at))
    running = device.run_state is RunState.RUNNING
    values: dict[SignalName, float] = {
        "temp": true.temp + _noise(device, "temp"),
        "pressure": max(0.0, true.pressure + _noise(device, "pressure")),
        "vibration": max(0.0, true.vibration + _noise(device, "vibration")) if running else 0.0,
        "rpm": max(0.0, true.rpm + _noise(device, "rpm")) if running else 0.0,
    }
    for cause in causes:
        if isinstance(cause, Spike):
            values[cause.signal] += cause.by
    return _hold_stuck(device, causes, {name: round(value, _DIGITS[name]) for name, value in values.items()})


def _noise(device: Device, signal: SignalName) -> float:
    return device.random.gauss(0.0, device.plan.noise[signal])


def _hold_stuck(device: Device, causes: list[Cause], values: dict[SignalName, float]) -> dict[SignalName, float]:
    names = {cause.signal for cause in causes if isinstance(cause, Stuck)}
    device.stuck = {name: device.stuck.get(name, values[name]) for name in names}
    return {**values, **device.stuck}


def _broken(device: Device, at: int) -> bytes | None:
    """Bytes that no one can decode, if one such message is due."""
    for fault in device.plan.faults:
        if isinstance(fault.cause, BadPayload) and fault.active(at):
            turn = (at - fault.onset) // fault.cause.every
            if turn < device.bad_turn:
                return None
            device.bad_turn = turn + 1
            return _BROKEN[turn % len(_BROKEN)]
    return None


def _message(device: Device, values: dict[SignalName, float], at: int) -> dict[str, Any]:
    return {
        "ts": (device.plan.start + at) // MILLISECOND,
        "boot": device.plan.boot,
        "seq": device.seq,
        "temp": values["temp"],
        "pressure": values["pressure"],
        "vibration": values["vibration"],
        "fan": "running" if device.run_state is RunState.RUNNING else "stopped",
        "motor": {"rpm": values["rpm"]},
        "state": device.run_state.value,
    }
