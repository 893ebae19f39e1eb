"""What is stored of alerts about rules and streams themselves, and of alerts whose keys are forgotten."""

from __future__ import annotations

import msgspec


class Trouble(msgspec.Struct, array_like=True):
    """How many messages it happened to in an episode: in all, of the devices that are named, and of all others."""

    total: int = 0
    named: dict[str, int] = {}
    others: int = 0


class OwnAlert(msgspec.Struct, array_like=True):
    """An alert about a rule itself. `last` is our clock (ns) at the newest reason for it."""

    firing: bool = False
    episode: int = 0
    number: int = 0
    summary: str = ""
    last: int = 0
    rule: str = ""
    stream: str = ""
    """Of an alert about a stream, and then what it is about."""
    trouble: Trouble | None = None


class Floor(msgspec.Struct, array_like=True):
    """The highest numbers of forgotten alerts: those of new keys begin above, so that none comes twice."""

    episode: int = 0
    number: int = 0
