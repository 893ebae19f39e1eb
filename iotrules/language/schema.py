"""Rule files as a JSON Schema for editors: hover help, completion, and a red line under what will not load.

House rule: draft-07, the newest that the editors' language servers take. It never refuses what loads; what only the
loader can see (names in conditions, units, other files) it lets pass. The same corpus holds both to that.
"""

from __future__ import annotations

from pydantic import BaseModel

from iotrules.language.documents import (
    ClearDocument,
    CommandsDocument,
    DowntimeDocument,
    EventDocument,
    FieldDocument,
    FlappingDocument,
    GuardDocument,
    InhibitDocument,
    LevelDocument,
    LimitDocument,
    OpeningDocument,
    ParameterDocument,
    PublishDocument,
    RuleDocument,
    SequenceStepDocument,
    StepDocument,
    StreamDocument,
    TimeDocument,
    ZoneDocument,
)
from iotrules.language.guard_schema import DOWNTIME, FLAPPING, GUARDS, INHIBIT, OPENING
from iotrules.language.joins import MAX_JOINED
from iotrules.language.limits import LIMIT, LIMIT_KEYS
from iotrules.language.member_schema import ACROSS_KEYS, OVER_SEVERAL
from iotrules.language.pace_schema import ON_LATE, OTHER_STREAM_KEYS, pace_keys
from iotrules.language.schema_parts import DURATION as _DURATION
from iotrules.language.schema_parts import LONGER_THAN_NOTHING as _LONGER_THAN_NOTHING
from iotrules.language.schema_parts import NOTHING as _NOTHING
from iotrules.language.schema_parts import NUMBER as _NUMBER
from iotrules.language.schema_parts import Schema
from iotrules.language.schema_parts import object_of as _object
from iotrules.language.schema_parts import one_of as _one_of
from iotrules.language.schema_parts import text as _text
from iotrules.language.schema_parts import whole as _whole
from iotrules.language.sequence_schema import EVENT, SEQUENCE_KEYS, SEQUENCE_RULE, SEQUENCE_STEP
from iotrules.language.steps import MAX_RETRIES, MAX_STEPS
from iotrules.language.template_schema import ONLY_KEYS, PARAMETER_KEYS, TEMPLATE_KEYS, with_templates
from iotrules.language.words import BUILT_IN_SLOTS, KEYWORDS, LATER, NAMESPACES, SUPPORTED
from iotrules.language.zones import MAX_CORNERS, ZONE_NAME

_SEVERITIES = ["info", "minor", "major", "critical"]
_INTERVALS = r"(?=[0-9.]*[1-9])[0-9]{1,6}(?:\.[0-9]{1,6})? \* interval"
_PATH = r"[^.]+(?:\.[^.]+){0,15}"
_NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"


def _no_word(words: frozenset[str]) -> str:
    """A name that is not one of the language's own words."""
    return f"(?!(?:{'|'.join(sorted(words))})(?![A-Za-z0-9_])){_NAME}"


_WORDS = KEYWORDS | SUPPORTED | LATER
_CAPTURE = rf"\{{{_no_word(_WORDS | BUILT_IN_SLOTS)}\}}"
_LEVEL = f"(?:[^/{{}}+#]+|{_CAPTURE})"
_TOPIC = rf"(?!\$)(?!.*\{{([A-Za-z0-9_]+)\}}.*\{{\1\}}){_LEVEL}(?:/{_LEVEL})*"


def _named(description: str, each: Schema, names: str) -> Schema:
    """A mapping of names that the author chooses."""
    names_schema = {"pattern": _whole(names)}
    return {"description": description, "type": "object", "propertyNames": names_schema, "additionalProperties": each}


_TIME: Schema = {
    "field": _text("Where the message says when it was measured, as a path into its JSON.", _PATH),
    "format": _one_of(
        "How it says so: seconds, milli-, micro- or nanoseconds since 1970 UTC, or ISO 8601.",
        ["unix_s", "unix_ms", "unix_us", "unix_ns", "iso8601"],
    ),
    "late": _text("How long samples wait for older ones: 30s. Default 0s: decided on as they come.", _DURATION),
    "on_late": ON_LATE,
    "ahead": _text("Farther ahead of our clock than this, arrival time is used. Default 10s.", _DURATION),
}

_FIELD: Schema = {
    "unit": _text('The unit of a number: degC, bar, mm/s, rpm, "%" … Conditions may use other units that fit.'),
    "range": {
        "description": "[low, high]: a number outside is missing, and counted.",
        "type": "array",
        "items": {"type": "number"},
        "minItems": 2,
        "maxItems": 2,
    },
    "one_of": {
        "description": "The texts that can arrive: others are missing, and counted.",
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "uniqueItems": True,
    },
    "path": _text("Where the value is in nested JSON: motor.rpm. Default: the field's name.", _PATH),
    "type": _one_of("What it is. Default: text with one_of, else number.", ["number", "text", "flag"]),
    "coerce": _one_of('number: a text such as "85" is read as a number.', ["number"]),
}

_STREAM: Schema = {
    "topic": _text(
        "The MQTT topic. {name} is a capture of a whole level and becomes a label; there are no wildcards. "
        "No topic may fit two streams.",
        _TOPIC,
        maxLength=1024,
    ),
    "time": {
        "description": "Event time, from the message. Default: arrival time.",
        **_object(_TIME, required=["field", "format"]),
    },
    "id": {
        "description": "The fields of the JSON that make a message unique: repeats are dropped. "
        "Default: key, time and content; with neither id nor time nothing is dropped.",
        "type": ["string", "array"],
        "pattern": _whole(_PATH),
        "items": {"type": "string", "pattern": _whole(_PATH)},
        "minItems": 1,
    },
    "interval": _text("How often a device reports: 10s. Default: the median of its last gaps.", _LONGER_THAN_NOTHING),
    "fresh": _text(
        "For how long a value counts where it is looked at later than it came: with partial, and by rules over several "
        "devices or streams. Default 3 * interval.",
        _LONGER_THAN_NOTHING,
    ),
    **OTHER_STREAM_KEYS,
    **LIMIT_KEYS,
    **pace_keys(_LONGER_THAN_NOTHING),
    "fields": _named(
        "The values that rules read, by name.",
        {
            "description": "A value of the messages; with nothing behind its name, a number.",
            **_object(_FIELD, type=["object", "null"]),
            "allOf": [
                {
                    "if": {
                        "anyOf": [
                            {"required": ["type"], "properties": {"type": {"enum": ["text", "flag"]}}},
                            {"required": ["one_of"], "properties": {"one_of": {"type": "array"}}},
                        ]
                    },
                    "then": {"properties": {"unit": _NOTHING, "range": _NOTHING, "coerce": _NOTHING}},
                },
                {
                    "if": {"required": ["type"], "properties": {"type": {"enum": ["number", "flag"]}}},
                    "then": {"properties": {"one_of": _NOTHING}},
                },
            ],
        },
        _no_word(_WORDS | BUILT_IN_SLOTS),
    ),
}

_PLACE: Schema = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
}

_CIRCLE: Schema = {"center": {"type": "array"}, "radius": {"type": "string"}}

_ZONE: Schema = {
    "center": {
        "description": "The middle of a circle: [latitude, longitude] in degrees.",
        **_PLACE,
        "type": "array",
    },
    "radius": _text("How far the circle reaches: 200 m, 1.5 km.", rf"(?=[^1-9]*[1-9]){_NUMBER} \S+"),
    "polygon": {
        "description": "The corners of a polygon: [[latitude, longitude], …] in degrees; its border belongs to it.",
        "type": "array",
        "items": _PLACE,
        "minItems": 3,
        "maxItems": MAX_CORNERS + 1,
    },
}

_COMMANDS: Schema = {
    "topic": _text("Where commands go: site/{site}/dev/{device}/cmd.", _TOPIC, maxLength=1024),
    "ack": _text("Where devices answer them.", _TOPIC, maxLength=1024),
}

_WHEN = (
    'The condition: temp > 85 degC, avg(temp, 10m) > 80, fan == "running" and not door_open. '
    "Something missing makes it unknown."
)
_FOR = "How long it must hold without a break: 2m, 2m30s, or 3 * interval. Default 0s."
_CLEAR = (
    "What ends it: a condition, or {when: …, for: …}. Let it begin beyond the line that raises, "
    "so that a value about the line does not flap. Default: the condition is false."
)

_CLEAR_KEYS: Schema = {
    "when": _text("The condition that ends it. Default: what raised it is false.", minLength=1),
    "for": _text("How long that must hold without a break. Default 0s.", f"{_DURATION}|{_INTERVALS}"),
}

_CLEAR_VALUE: Schema = {
    "description": _CLEAR,
    **_object(_CLEAR_KEYS, type=["string", "object"]),
    "minLength": 1,
}

_LEVEL_KEYS: Schema = {
    "when": _text(_WHEN, minLength=1),
    "for": _text(_FOR, f"{_DURATION}|{_INTERVALS}"),
    "clear": _CLEAR_VALUE,
}

_PUBLISH: Schema = {
    "topic": _text(
        "The topic; {name} is a label of the rule or a field: alerts/{site}/{device}.", r"[^$][\s\S]*",
        maxLength=1024,
    ),
    "payload": {
        "description": "JSON; texts are templates. A text that is one {name} and nothing else is that value.",
    },
}  # fmt: skip

_GUARD: Schema = {
    "max_share": _text(
        "The share of the devices that may be commanded: 5%. One device always may.",
        r"(?=[^1-9]*[1-9])(?:[0-9]{1,2}(?:\.[0-9]{1,6})?|0[0-9]{2}(?:\.[0-9]{1,6})?|100(?:\.0{1,6})?)%",
    ),
    "of": _text("The label whose value the devices share: site. Default: all devices of the stream."),
    "per": _text("Within how long: 10m.", _LONGER_THAN_NOTHING),
    "else": _one_of(
        "What becomes of a command beyond it. hold: it waits until somebody approves or rejects it, or it expires.",
        ["hold", "drop"],
        default="hold",
    ),
}

_STEP: Schema = {
    "invoke": _text("The function to run.", "[A-Za-z0-9_-]{1,64}"),
    "command": _text("The command to send to the device; needs commands: with topics.", "[A-Za-z0-9_.-]{1,64}"),
    "args": {
        "description": "Arguments of the command: texts, numbers, flags.",
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    },
    "expires": _text("Too late to send it after this long. Default 5m.", _LONGER_THAN_NOTHING),
    "ack_within": _text("How long the device has to answer. Default 30s.", _LONGER_THAN_NOTHING),
    "to": {
        "description": 'Another device, by labels of the topic of commands: {device: fan-1}, {device: "{site}-fan"}.',
        "type": "object",
        "additionalProperties": {"type": "string", "minLength": 1},
    },
    "retry": {
        "description": "How often it is sent again, with the same id, when the device has not answered in ack_within.",
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_RETRIES,
    },
    "publish": {
        "description": "The message to publish: QoS 1, never retained.",
        **_object(_PUBLISH, required=["topic", "payload"]),
    },
    "guard": {
        "description": "How many devices the commands of this step may reach, asked for by its function as well.",
        **_object(_GUARD, required=["max_share", "per"]),
    },
    "at": _one_of(
        "When it runs: the alert fires, is resolved, or rises to a level. Default firing.",
        ["firing", "resolved", *_SEVERITIES],
        default="firing",
    ),
}

_INVOKE_TAKES_NO = dict.fromkeys(("args", "expires", "ack_within", "to", "retry"), _NOTHING)
_PUBLISH_TAKES_NO = _INVOKE_TAKES_NO | {"guard": _NOTHING, "publish": {"type": "object"}}

_RULE: Schema = {
    "from": {
        "description": "The stream that the rule watches; or several, whose newest values are joined by the labels of "
        "by: fields of the first stand alone, of the others behind the stream's name: door.state.",
        "type": ["string", "array"],
        "minLength": 1,
        "items": {"type": "string", "minLength": 1},
        "minItems": 1,
        "maxItems": MAX_JOINED,
        "uniqueItems": True,
    },
    "by": {
        "description": "The labels that keep the rule's state apart. Default: all captures of the topic.",
        "type": "array",
        "items": {"type": "string"},
        "uniqueItems": True,
    },
    **ACROSS_KEYS,
    "when": _text(_WHEN, minLength=1),
    "for": _text(_FOR, f"{_DURATION}|{_INTERVALS}"),
    "clear": _CLEAR_VALUE,
    "levels": {
        "description": "Severities in one rule, each with when, for and clear; the alert has the highest that holds.",
        "type": "object",
        "properties": {
            severity: {"description": f"What makes it {severity}.", **_object(_LEVEL_KEYS, required=["when"])}
            for severity in _SEVERITIES
        },
        "additionalProperties": False,
        "minProperties": 1,
    },
    "severity": _one_of("How bad it is. Default minor.", _SEVERITIES, default="minor"),
    "labels": {
        "description": "More for people and receivers of the alert; texts.",
        "type": "object",
        "additionalProperties": {"type": "string"},
    },
    "summary": _text(
        'The line that people read: "{device} is at {temp:.1f} °C". Knows the fields, the labels of by, '
        "{attr.NAME} of the registry, {rule}, {severity} and {held}; quote it."
    ),
    "description": _text("What it means, for people."),
    "runbook": _text("What to do about it, for people: a text or a link."),
    "absent": _text("The stream whose silence is the alert; with for, without when.", minLength=1),
    "expect": _text(
        "With absent: seen_within 7d. Devices that are silent for longer are not expected any more.",
        f"seen_within {_LONGER_THAN_NOTHING}",
    ),
    **SEQUENCE_KEYS,
    "do": {
        "description": "Steps, in order.",
        "type": "array",
        "maxItems": MAX_STEPS,
        "items": {
            "description": "invoke a function, send a command, or publish a message.",
            **_object(_STEP),
            "oneOf": [
                {"required": ["invoke"], "properties": _INVOKE_TAKES_NO},
                {"required": ["command"]},
                {"required": ["publish"], "properties": _PUBLISH_TAKES_NO},
            ],
        },
    },
    "alert": {"description": "false: only the steps of do, no alert.", "type": "boolean", "default": True},
    "missing": _one_of(
        "What an unknown condition does. hold: it neither fires nor clears, and for stands still.",
        ["hold", "false", "true", "error", True, False],
        default="hold",
    ),
    "dry_run": {"description": "true: evaluate and show, never act.", "type": "boolean", "default": False},
    **pace_keys(_LONGER_THAN_NOTHING),
    "only_keys": ONLY_KEYS,
    **TEMPLATE_KEYS,
    **GUARDS,
}

_SILENCE: Schema = {
    "required": ["for"],
    "properties": {
        **dict.fromkeys(("when", "clear", "missing", "levels", "max_gap", "every"), False),
        **dict.fromkeys(("within", "matching"), _NOTHING),
        "from": _NOTHING,
        **dict.fromkeys(ACROSS_KEYS, _NOTHING),
        "for": {"type": "string", "pattern": "[1-9]"},
    },
}

_CONDITION: Schema = {
    "required": ["from"],
    "properties": {
        "from": {"type": ["string", "array"]},
        **dict.fromkeys(("expect", "within", "matching"), _NOTHING),
    },
    "allOf": OVER_SEVERAL,
    "if": {"required": ["levels"], "properties": {"levels": {"type": "object"}}},
    "then": {"properties": dict.fromkeys(("when", "for", "severity"), False)},
    "else": {"required": ["when"]},
}

KEYS: dict[type[BaseModel], Schema] = {
    TimeDocument: _TIME,
    FieldDocument: _FIELD,
    LimitDocument: LIMIT,
    StreamDocument: _STREAM,
    ZoneDocument: _ZONE,
    CommandsDocument: _COMMANDS,
    ClearDocument: _CLEAR_KEYS,
    LevelDocument: _LEVEL_KEYS,
    PublishDocument: _PUBLISH,
    GuardDocument: _GUARD,
    StepDocument: _STEP,
    ParameterDocument: PARAMETER_KEYS,
    SequenceStepDocument: SEQUENCE_STEP,
    EventDocument: EVENT,
    RuleDocument: _RULE,
    OpeningDocument: OPENING,
    InhibitDocument: INHIBIT,
    FlappingDocument: FLAPPING,
    DowntimeDocument: DOWNTIME,
}
"""The keys of every document. The loader's documents have the same: a test compares them."""


def rule_file_schema() -> Schema:
    """The JSON Schema (draft-07) of one rule file."""
    stream = {
        "description": "A kind of telemetry.",
        **_object(_STREAM, required=["topic"]),
    }
    plain = {
        **_object(_RULE),
        "if": {"required": ["absent"], "properties": {"absent": {"type": "string"}}},
        "then": _SILENCE,
        "else": {
            "if": {"required": ["sequence"], "properties": {"sequence": {"type": "array"}}},
            "then": SEQUENCE_RULE,
            "else": _CONDITION,
        },
    }
    zone = {
        "description": "A circle, or a polygon.",
        **_object(_ZONE),
        "if": {"required": ["polygon"], "properties": {"polygon": {"type": "array"}}},
        "then": {"properties": {"center": _NOTHING, "radius": _NOTHING}},
        "else": {"required": list(_CIRCLE), "properties": _CIRCLE},
    }
    rule = {"description": "What to watch, and what to do then.", **with_templates(_RULE, plain)}
    sections = {
        "streams": _named("What arrives, by name. All rule files share it.", stream, _no_word(_WORDS | NAMESPACES)),
        "zones": _named('Places that conditions name, as in inside(lat, lon, "yard").', zone, ZONE_NAME),
        "commands": {
            "description": "How a device is told to do something, and answers. Once in all files.",
            **_object(_COMMANDS, required=["topic", "ack"]),
        },
        "rules": _named("What to watch, by name.", rule, "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"),
    }
    about = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "iotrules rule file"}
    return {**about, **_object(sections)}
