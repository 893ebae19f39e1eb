"""What is remembered for guards: devices commanded lately, devices known, and alerts about commands that are held."""

from __future__ import annotations

import msgspec


class Guarding(msgspec.Struct, array_like=True, frozen=True):
    """What a command counts against: a step of its rule, the group of its device, and for how long in ns."""

    step: int
    group: str
    per: int


class GuardWindow(msgspec.Struct, array_like=True):
    """The devices that were commanded within the last `per` ns: command topic → when last."""

    per: int
    devices: dict[str, int] = {}


class Counted(msgspec.Struct, array_like=True):
    """How many devices of a stream each group had at `at`."""

    at: int
    groups: dict[str, int] = {}


class HeldAlert(msgspec.Struct, array_like=True):
    """The open alert about one device's held commands of one rule."""

    episode: int
    severity: int
    summary: str
    commands: list[str]
