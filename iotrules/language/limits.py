"""`limit` of a stream: how many messages of each topic are taken in, and what becomes of others; its JSON Schema."""

from __future__ import annotations

import math
import re
from typing import Any

from iotrules.language.documents import LimitDocument
from iotrules.language.parts import Part
from iotrules.model.rules import Limit

_RATE = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)/(s|m|h)"
_NOT_ZERO = r"(?=[0-9.]*[1-9])"
_SECONDS = {"s": 1, "m": 60, "h": 3600}
MOST_BURST = 1_000_000


def read_limit(part: Part, document: LimitDocument | None) -> Limit | None:
    """What the stream says; what is wrong with it is noted and left out."""
    if document is None:
        return None
    found = re.fullmatch(_NOT_ZERO + _RATE, document.rate)
    if found is None:
        hint = "write 50/s, 30/m or 10/h"
        part.wrong('"rate": expected messages of a topic per second, minute or hour', "limit", "rate", hint=hint)
        return None
    rate = float(found[1]) / _SECONDS[found[2]]
    burst = max(1, math.ceil(rate)) if document.burst is None else document.burst
    if not 1 <= burst <= MOST_BURST:
        part.wrong(f'"burst": expected a whole number from 1 to {MOST_BURST:,}', "limit", "burst")
        return None
    return Limit(rate, burst, keep_newest=document.beyond == "keep_newest")


LIMIT: dict[str, Any] = {
    "rate": {
        "description": "So many a second, minute or hour: 50/s, 30/m, 10/h.",
        "type": "string",
        "pattern": f"^{_NOT_ZERO}{_RATE}$",
    },
    "burst": {
        "description": "So many at once. Default: those of a second, at least 1.",
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_BURST,
    },
    "beyond": {
        "description": "drop (default): those beyond are not taken in. keep_newest: the newest of them waits its turn.",
        "enum": ["drop", "keep_newest"],
    },
}

LIMIT_KEYS: dict[str, Any] = {
    "limit": {
        "description": "How many messages of each topic are taken in; those beyond it are counted and told of. "
        "Default: all of them.",
        "type": "object",
        "properties": LIMIT,
        "required": ["rate"],
        "additionalProperties": False,
    },
    "gaps": {
        "description": "alert (default): a number that is missing in a device's id is a message that never came. "
        "ignore: the device counts other messages too.",
        "enum": ["alert", "ignore"],
    },
}
"""Of a stream: `limit`, and `gaps`, which says what of a device's count is believed."""
