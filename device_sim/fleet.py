"""A fleet in virtual time: a fleet file becomes devices, devices become messages. Pure; the same for a seed.

Its driver says what time it is (ns since the Unix epoch): `advance` gives what is due, `deliver` brings
a command.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heapify, heappop, heappush
from random import Random
from typing import assert_never

from device_sim import faults, machine
from device_sim.commands import decode_command
from device_sim.device import (
    Device,
    Plan,
    Publication,
    answer_command,
    is_offline,
    next_report,
    report,
    skip_reports,
)
from device_sim.documents import (
    AnyFault,
    BadPayloadDocument,
    FleetDocument,
    Group,
    JammedDocument,
    MachineDocument,
    OfflineDocument,
    OverheatDocument,
    PressureLeakDocument,
    SpikeDocument,
    StuckDocument,
    number_id,
)
from device_sim.faults import Cause, Fault, Label
from device_sim.machine import Machine
from device_sim.memory import Known
from iotrules.model.errors import MessageError
from iotrules.model.times import SECOND


@dataclass(slots=True)
class Fleet:
    """Devices, and when each reports next (a heap of instants since the start)."""

    start: int
    devices: list[Device]
    by_command_topic: dict[str, Device]
    queue: list[tuple[int, int]]
    labels: list[Label]
    """The ground truth that has not begun yet, the latest onset first."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A command that a device carried out; `ts` in ms since the Unix epoch."""

    device: str
    id: str
    command: str
    ts: int


@dataclass(slots=True)
class Happened:
    """What came of moving a fleet: messages in order, commands carried out, and counts by word."""

    publications: list[Publication] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    known: list[Known] = field(default_factory=list)
    """Commands that devices have to remember from now on."""


def build_fleet(document: FleetDocument, start: int, seed: int | None = None) -> Fleet:
    """The devices of a fleet file at `start` (ns since the Unix epoch); `seed` overrides the file's."""
    chosen = document.seed if seed is None else seed
    wrong = [_fault(fault) for fault in document.faults]
    devices = [
        _device(group, number, start, chosen, wrong)
        for group in document.fleet.values()
        for number in range(1, group.count + 1)
    ]
    queue = [(next_report(device), index) for index, device in enumerate(devices)]
    heapify(queue)
    return Fleet(
        start=start,
        devices=devices,
        by_command_topic={device.plan.commands: device for device in devices if device.plan.commands},
        queue=queue,
        labels=sorted((faults.label(fault, start) for fault in wrong), key=lambda label: -label.onset_ms),
    )


def next_due(fleet: Fleet) -> int:
    """When the next report is due, ns since the Unix epoch."""
    return fleet.start + fleet.queue[0][0]


def advance(fleet: Fleet, until: int) -> Happened:
    """Everything that happens up to and including `until`, in order of time."""
    happened = Happened()
    while next_due(fleet) <= until:
        at, index = heappop(fleet.queue)
        device = fleet.devices[index]
        _read_inbox(fleet, device, at, happened)
        message = report(device, at)
        if message is not None:
            happened.publications.append(message)
        heappush(fleet.queue, (next_report(device), index))
    return happened


def skip(fleet: Fleet, until: int) -> None:
    """Leave out every report before `until`: the computer slept, and nobody measured."""
    for device in fleet.devices:
        skip_reports(device, until - fleet.start)
    fleet.queue = [(next_report(device), index) for index, device in enumerate(fleet.devices)]
    heapify(fleet.queue)


def deliver(fleet: Fleet, topic: str, payload: bytes, now: int) -> Happened:
    """Bring a message of a command topic to its device; `advance` up to `now` first."""
    happened = Happened()
    device = fleet.by_command_topic.get(topic)
    if device is None:
        happened.counts["unknown device"] += 1
    elif is_offline(device, now - fleet.start):
        device.inbox.append(payload)
    else:
        _read_inbox(fleet, device, now - fleet.start, happened)
        _carry_out(fleet, device, payload, now - fleet.start, happened)
    return happened


def begun(fleet: Fleet, now: int) -> list[Label]:
    """The ground truth of the faults that have begun since the last call, in order."""
    labels = []
    while fleet.labels and fleet.labels[-1].onset_ms * 1_000_000 <= now:
        labels.append(fleet.labels.pop())
    return labels


def _read_inbox(fleet: Fleet, device: Device, at: int, happened: Happened) -> None:
    while device.inbox and not is_offline(device, at):
        _carry_out(fleet, device, device.inbox.popleft(), at, happened)


def _carry_out(fleet: Fleet, device: Device, payload: bytes, at: int, happened: Happened) -> None:
    try:
        message = decode_command(payload)
    except MessageError as error:
        happened.counts[error.reason] += 1
        return
    outcome, answers = answer_command(device, message, at)
    happened.publications += answers
    if not outcome.repeated and message.id in device.memory.answers:
        known = Known(device.plan.id, message.id, outcome.answer.status, outcome.answer.detail, message.expires)
        happened.known.append(known)
    happened.counts["duplicate" if outcome.repeated else outcome.answer.status] += 1
    if outcome.answer.status == "succeeded" and not outcome.repeated:
        ts = (fleet.start + at) // 1_000_000
        happened.executed.append(Executed(device.plan.id, message.id, message.command, ts))


def _device(group: Group, number: int, start: int, seed: int, wrong: list[Fault]) -> Device:
    id = number_id(group.id, number)
    site = group.sites[(number - 1) % len(group.sites)]
    random = Random(f"{seed}/{id}")  # noqa: S311 - a simulation that can be repeated, no secret
    built = _machine(group.machine, random)
    plan = Plan(
        id=id,
        topic=_fill(group.topic, site, id),
        commands=_fill(group.commands, site, id) if group.commands else None,
        ack=_fill(group.ack, site, id) if group.ack else None,
        interval=group.interval,
        jitter=group.jitter,
        phase=random.randrange(group.interval),
        machine=built,
        noise={
            "temp": group.machine.noise.temp,
            "pressure": group.machine.noise.pressure,
            "vibration": group.machine.noise.vibration,
            "rpm": group.machine.noise.rpm,
        },
        faults=tuple(fault for fault in wrong if fault.device == id),
        boot=blake2b(f"{seed}/{id}/{start}".encode(), digest_size=6).hexdigest(),
        start=start,
    )
    return Device(plan=plan, random=random, state=machine.warm(built))


def _machine(document: MachineDocument, random: Random) -> Machine:
    return Machine(
        ambient=document.ambient,
        run_temp=document.run_temp,
        time_constant=document.time_constant / SECOND,
        pressure=document.pressure,
        vibration=document.vibration,
        rpm=document.rpm,
        load_period=document.load.sine.period / SECOND,
        load_amplitude=document.load.sine.amplitude,
        load_phase=random.random(),
    )


def _fill(template: str, site: str, device: str) -> str:
    return template.replace("{site}", site).replace("{device}", device)


def _fault(document: AnyFault) -> Fault:
    end = None if document.lasts is None else document.at + document.lasts
    return Fault(document.device, _cause(document), document.at, end)


def _cause(document: AnyFault) -> Cause:
    match document:
        case OverheatDocument(to=to):
            return faults.Overheat(to)
        case PressureLeakDocument(rate=rate):
            return faults.PressureLeak(rate)
        case OfflineDocument():
            return faults.Offline()
        case StuckDocument(signal=signal):
            return faults.Stuck(signal)
        case SpikeDocument(signal=signal, by=by):
            return faults.Spike(signal, by)
        case BadPayloadDocument(every=every):
            return faults.BadPayload(every)
        case JammedDocument():
            return faults.Jammed()
        case _:
            assert_never(document)
