"""What the JSON Schema of rule files is made of: texts with patterns, choices, closed objects."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PARTS = "".join(f"(?:{NUMBER}{unit})?" for unit in ("d", "h", "m", "s", "ms"))
DURATION = f"(?=[0-9]){_PARTS}"
LONGER_THAN_NOTHING = f"(?=[^1-9]*[1-9]){DURATION}"
NOTHING = False


def whole(pattern: str) -> str:
    """For a whole text: the patterns of JSON Schema are searched for."""
    return f"^(?:{pattern})$"


def text(description: str, pattern: str = "", **more: Any) -> Schema:
    """A text. The key with nothing behind it is refused, as the loader has it."""
    found: Schema = {"description": description, "type": "string", **more}
    return {**found, "pattern": whole(pattern)} if pattern else found


def one_of(description: str, words: list[Any], **more: Any) -> Schema:
    """One of these values, and no other."""
    return {"description": description, "enum": words, **more}


def object_of(properties: Schema, **more: Any) -> Schema:
    """A mapping with these keys, and no other."""
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}
