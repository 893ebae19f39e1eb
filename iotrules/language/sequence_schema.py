"""`sequence` in the JSON Schema of rule files."""

from __future__ import annotations

from iotrules.language.schema_parts import LONGER_THAN_NOTHING, Schema, object_of, one_of, text
from iotrules.language.sequences import MAX_SEQUENCE_STEPS

_AS = text("What summary and later conditions call this message: NAME.field. No stream may be called so.")
_BEFORE = text("Of without: it must not have come this long before the first step either.", LONGER_THAN_NOTHING)

EVENT: Schema = {
    "stream": text("The stream of the message.", minLength=1),
    "where": text(
        "A condition on that message; it may read NAME.field of earlier steps. Default: any message.", minLength=1
    ),
    "as": _AS,
    "before": _BEFORE,
}


def _event(description: str) -> Schema:
    """A text, or a mapping."""
    mapping = object_of(EVENT, type=["string", "object"], required=["stream"])
    return {"description": f"{description} STREAM where CONDITION, or {{stream, where}}.", **mapping, "minLength": 1}


SEQUENCE_STEP: Schema = {
    "first": _event("The message that begins it:"),
    "then": _event("A message that comes next:"),
    "without": _event("A message that must not come here:"),
    "as": _AS,
    "before": _BEFORE,
}


SEQUENCE_KEYS: Schema = {
    "sequence": {
        "description": "Messages in order, instead of from and when: first, then, and without for what must not come.",
        "type": "array",
        "minItems": 2,
        "maxItems": MAX_SEQUENCE_STEPS,
        "items": {
            "description": "first, then or without.",
            **object_of(SEQUENCE_STEP),
            "oneOf": [{"required": [kind]} for kind in ("first", "then", "without")],
        },
    },
    "within": text("With sequence: the time for all of it, from the first step: 90s.", LONGER_THAN_NOTHING),
    "matching": one_of(
        "With sequence: what a new first step does to one that waits for its next. newest: replaces it; first: is "
        "ignored; every: each is followed.",
        ["newest", "first", "every"],
        default="newest",
    ),
}
"""Of a rule."""

SEQUENCE_RULE: Schema = {
    "required": ["within"],
    "properties": {
        **dict.fromkeys(("from", "when", "for", "levels", "expect", "max_gap", "every"), False),
        **dict.fromkeys(("across", "fresh", "min_members"), False),
        "within": {"type": "string"},
        "clear": {"type": "string"},
    },
}
"""What such a rule says, and what not."""
