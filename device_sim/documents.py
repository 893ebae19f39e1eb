"""The fleet file as people write it: pydantic documents, nothing unknown allowed."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from device_sim.faults import SignalName
from iotrules.language.durations import duration
from iotrules.model.times import MILLISECOND, SECOND

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ID_NUMBER = re.compile(r"\{n(?::0(\d))?\}")
_UNSAFE = re.compile(r"[/+#{}\x00-\x1f\x7f\ud800-\udfff]")


def parse_duration(text: object) -> int:
    """`1s`, `100ms`, `2m30s` → ns; ValueError for anything else."""
    return duration(text if isinstance(text, str) else "")


def _topic(text: str) -> str:
    unknown = sorted(set(_PLACEHOLDER.findall(text)) - {"site", "device"})
    if unknown:
        raise ValueError(f"unknown placeholder {{{unknown[0]}}}: a topic may name {{site}} and {{device}}")
    if "{device}" not in text:
        raise ValueError("the topic must name {device}, else all devices of the group share it")
    if not text or any(c in "+#{}\x00" for c in _PLACEHOLDER.sub("", text)):
        raise ValueError("not a topic: it can't contain wildcards, NUL or single braces")
    return text


def _id(text: str) -> str:
    if len(_ID_NUMBER.findall(text)) != 1 or _UNSAFE.search(_ID_NUMBER.sub("", text)):
        raise ValueError("not an id: expected text with one {n} or {n:02}, without / + # or other braces")
    return text


def _site(text: str) -> str:
    if not text or _UNSAFE.search(text):
        raise ValueError("not a site: expected text without / + # or braces")
    return text


def number_id(pattern: str, number: int) -> str:
    """`boiler-{n:02}`, 3 → `boiler-03`."""
    return _ID_NUMBER.sub(lambda match: str(number).zfill(int(match[1] or 0)), pattern)


Duration: TypeAlias = Annotated[int, BeforeValidator(parse_duration)]
Positive: TypeAlias = Annotated[Duration, Field(gt=0)]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Amount: TypeAlias = Annotated[Number, Field(ge=0)]
Topic: TypeAlias = Annotated[str, AfterValidator(_topic)]
Id: TypeAlias = Annotated[str, AfterValidator(_id)]
Site: TypeAlias = Annotated[str, AfterValidator(_site)]


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Wave(Document):
    period: Positive = 60 * SECOND
    amplitude: Annotated[Number, Field(ge=0, le=0.9)] = 0.05


class Load(Document):
    sine: Wave = Wave()


class Noise(Document):
    """Standard deviations of the sensors' noise, in the signals' units."""

    temp: Amount = 0.3
    pressure: Amount = 0.01
    vibration: Amount = 0.05
    rpm: Amount = 2.0


class MachineDocument(Document):
    ambient: Number = 21.0
    run_temp: Number = 62.0
    time_constant: Positive = 8 * SECOND
    pressure: Amount = 6.0
    vibration: Amount = 2.0
    rpm: Amount = 1480.0
    load: Load = Load()
    noise: Noise = Noise()


class Group(Document):
    """Machines of one kind, numbered from 1 and dealt to the sites in turn."""

    count: Annotated[int, Field(ge=1, le=100_000)]
    sites: Annotated[list[Site], Field(min_length=1)]
    id: Id
    topic: Topic
    commands: Topic | None = None
    ack: Topic | None = None
    interval: Annotated[Positive, Field(ge=10 * MILLISECOND)] = SECOND
    jitter: Annotated[Duration, Field(ge=0)] = 0
    machine: MachineDocument = MachineDocument()

    @model_validator(mode="after")
    def _fits(self) -> Group:
        if self.jitter >= self.interval:
            raise ValueError("jitter must be shorter than interval, else messages overtake one another")
        if (self.commands is None) != (self.ack is None):
            raise ValueError("commands and ack belong together: give both or neither")
        return self

    def device_ids(self) -> list[str]:
        return [number_id(self.id, number) for number in range(1, self.count + 1)]


class FaultDocument(Document):
    device: str
    at: Annotated[Duration, Field(ge=0)]
    lasts: Annotated[Positive | None, Field(alias="for")] = None


class OverheatDocument(FaultDocument):
    kind: Literal["overheat"]
    to: Number


class PressureLeakDocument(FaultDocument):
    kind: Literal["pressure_leak"]
    rate: Annotated[Number, Field(gt=0)]


class OfflineDocument(FaultDocument):
    kind: Literal["offline"]


class StuckDocument(FaultDocument):
    kind: Literal["stuck"]
    signal: SignalName


class SpikeDocument(FaultDocument):
    kind: Literal["spike"]
    signal: SignalName
    by: Number


class BadPayloadDocument(FaultDocument):
    kind: Literal["bad_payload"]
    every: Positive = 10 * SECOND


class JammedDocument(FaultDocument):
    kind: Literal["jammed"]


AnyFault: TypeAlias = Annotated[
    OverheatDocument
    | PressureLeakDocument
    | OfflineDocument
    | StuckDocument
    | SpikeDocument
    | BadPayloadDocument
    | JammedDocument,
    Field(discriminator="kind"),
]


class FleetDocument(Document):
    """A whole fleet file."""

    seed: int = 1
    fleet: Annotated[dict[str, Group], Field(min_length=1)]
    faults: list[AnyFault] = []
