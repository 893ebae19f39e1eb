"""What is stored of alerts about rules themselves, and of alerts whose keys are forgotten."""

from __future__ import annotations

import msgspec


class OwnAlert(msgspec.Struct, array_like=True):
    """An alert about a rule itself. `last` is our clock (ns) at the newest reason for it."""

    firing: bool = False
    episode: int = 0
    number: int = 0
    summary: str = ""
    last: int = 0
    rule: str = ""


class Floor(msgspec.Struct, array_like=True):
    """The highest numbers of forgotten alerts: those of new keys begin above, so that none comes twice."""

    episode: int = 0
    number: int = 0
