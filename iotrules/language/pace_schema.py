"""The JSON Schema of what a stream says about time and about what is kept of it, beside its topic and fields."""

from __future__ import annotations

from typing import Any

from iotrules.language.streams import LEAST_SAMPLES, MOST_SAMPLES

Schema = dict[str, Any]

ON_LATE: Schema = {
    "description": "What comes later than late: drop (the default), or amend: the device's past is decided again.",
    "enum": ["drop", "amend"],
}

OTHER_STREAM_KEYS: Schema = {
    "partial": {
        "description": "true: a field that a message lacks keeps its newest value, for as long as fresh says.",
        "type": "boolean",
    },
    "max_samples": {
        "description": "How many samples a window holds at most; with more it is unknown. Default 10000.",
        "type": "integer",
        "minimum": LEAST_SAMPLES,
        "maximum": MOST_SAMPLES,
    },
}

_MAX_GAP = "A silence longer than this breaks a for and makes values stale: 45s. Default 3 * interval."
_EVERY = (
    "How often conditions over time are looked at while no message comes: at least 1s. "
    "Default: the shortest window / 60."
)
_LESS_THAN_A_SECOND = r"0*[0-9]{1,3}(?:\.[0-9]+)?ms"


def pace_keys(duration: str) -> Schema:
    """max_gap and every, of a stream or a rule; `duration` is the pattern of one that is longer than nothing."""
    return {
        "max_gap": {"description": _MAX_GAP, "type": "string", "pattern": f"^(?:{duration})$"},
        "every": {
            "description": _EVERY,
            "type": "string",
            "pattern": f"^(?!{_LESS_THAN_A_SECOND}$)(?:{duration})$",
        },
    }
