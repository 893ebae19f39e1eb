"""What the JSON Schema of rule files says of rules that look over several: members of a key, or streams."""

from __future__ import annotations

from typing import Any

from iotrules.language.members import MOST_MEMBERS

Schema = dict[str, Any]

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = "".join(f"(?:{_NUMBER}{unit})?" for unit in ("d", "h", "m", "s", "ms"))
_NOTHING = False

ACROSS_KEYS: Schema = {
    "across": {
        "description": "The label that tells the members of a key apart, such as device with by: [site]. Conditions "
        "look over the newest fresh values of all of them: count(temp > 30) >= 3.",
        "type": "string",
        "minLength": 1,
    },
    "fresh": {
        "description": "With across: a value older than this does not vote. Default: the stream's fresh, else 3 times "
        "its interval.",
        "type": "string",
        "pattern": f"^(?=[^1-9]*[1-9])(?=[0-9]){_DURATION}$",
    },
    "min_members": {
        "description": "With across: with fewer members that have a fresh value a condition is unknown. Default 1.",
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_MEMBERS,
    },
}

_SAYS_ACROSS: Schema = {"required": ["across"], "properties": {"across": {"type": "string"}}}
_FROM_SEVERAL: Schema = {"required": ["from"], "properties": {"from": {"type": "array", "minItems": 2}}}

OVER_SEVERAL: list[Schema] = [
    {"if": _SAYS_ACROSS, "else": {"properties": {"fresh": _NOTHING, "min_members": _NOTHING}}},
    {
        "if": _FROM_SEVERAL,
        "then": {"required": ["by"], "properties": {"across": _NOTHING, "by": {"type": "array"}}},
    },
]
"""What keys mean beside others."""
