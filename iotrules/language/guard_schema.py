"""The JSON Schema of what holds a rule back: `only`, `cooldown`, `flapping`, `inhibit`, `downtime`."""

from __future__ import annotations

from typing import Any

from iotrules.language.guards import MAX_CHANGES, MAX_OPENINGS
from iotrules.language.schema_parts import LONGER_THAN_NOTHING, Schema
from iotrules.model.guards import DAYS

_DURATION = f"^(?:{LONGER_THAN_NOTHING})$"
_DAY = "|".join(DAYS)
_DAYS = rf"^ *(?:{_DAY})(?: *- *(?:{_DAY}))?(?: *, *(?:{_DAY})(?: *- *(?:{_DAY}))?)* *$"
_CLOCK = "^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"

OPENING: Schema = {
    "days": {
        "description": "The days on which it opens: mon-fri, sat, or a list; fri-mon goes over Sunday. Default all.",
        "type": ["string", "array"],
        "pattern": _DAYS,
        "items": {"type": "string", "pattern": _DAYS},
        "minItems": 1,
    },
    "between": {
        "description": 'When it opens and closes: ["08:00", "18:00"]; ["22:00", "06:00"] goes over midnight. '
        "Default: the whole day.",
        "type": "array",
        "items": {"type": "string", "pattern": _CLOCK},
        "minItems": 2,
        "maxItems": 2,
        "uniqueItems": True,
    },
    "zone": {"description": "Whose clock is meant: an IANA time zone, Europe/Berlin.", "type": "string"},
}

INHIBIT: Schema = {
    "rules": {
        "description": "The rules whose notifications are muted while this one fires.",
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "uniqueItems": True,
    },
    "same": {
        "description": "The labels that both alerts must have alike: [site]. Default: none, so all keys are muted.",
        "type": "array",
        "items": {"type": "string"},
        "uniqueItems": True,
    },
}

FLAPPING: Schema = {
    "changes": {
        "description": "How often the alert may change before it is called flapping. Default 6.",
        "type": "integer",
        "minimum": 2,
        "maximum": MAX_CHANGES,
        "default": 6,
    },
    "within": {
        "description": "In how long; and for how long it has to be quiet then. Default 10m.",
        "type": "string",
        "pattern": _DURATION,
    },
}

DOWNTIME: Schema = {
    "policy": {
        "description": "continue: time goes on; pause: that time does not count; reset: for starts again.",
        "enum": ["continue", "pause", "reset"],
        "default": "continue",
    },
    "max": {
        "description": "After a longer stop than this, for starts again.",
        "type": "string",
        "pattern": _DURATION,
    },
}


def _object(properties: Schema, **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


_OPENING = {"description": "Days and times at which it may fire.", **_object(OPENING, required=["zone"])}

GUARDS: Schema = {
    "only": {
        "description": 'When it may fire: {days: mon-fri, between: ["08:00", "18:00"], zone: Europe/Berlin}, or a list '
        "of them. What is held before fires when it opens; an alert that fires ends as usual.",
        "anyOf": [
            _OPENING,
            {"type": "array", "items": _OPENING, "minItems": 1, "maxItems": MAX_OPENINGS},
        ],
    },
    "cooldown": {
        "description": "After a notification, mute further ones of the same key for so long: 10m. Changes no alert.",
        "type": "string",
        "pattern": _DURATION,
    },
    "flapping": {
        "description": "When changes are too many to tell of each: {changes: 6, within: 10m}; false: never.",
        "anyOf": [{"enum": [False]}, _object(FLAPPING)],
    },
    "inhibit": {
        "description": "While this fires, mute other rules: {rules: [OTHER], same: [site]}.",
        **_object(INHIBIT, required=["rules"]),
    },
    "downtime": {
        "description": "What a stop of the engine does to a running for: continue (default), pause, reset, "
        "or {policy: pause, max: 1h}.",
        "anyOf": [{"enum": ["continue", "pause", "reset"]}, _object(DOWNTIME)],
    },
}
