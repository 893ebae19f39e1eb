"""What the JSON Schema of rule files says of templates: their keys, and where a parameter stands for a value."""

from __future__ import annotations

from iotrules.language.parameters import MAX_PARAMETERS, RESERVED, ParameterType
from iotrules.language.schema_parts import Schema, object_of

_NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"
_PARAMETER_NAME = f"^(?!(?:{'|'.join(sorted(RESERVED))})$){_NAME}$"
_VALUE = ["string", "number", "boolean"]

PARAMETER_KEYS: Schema = {
    "type": {"description": "What it stands for.", "enum": [type_.value for type_ in ParameterType]},
    "default": {"description": "What it is where a rule gives nothing.", "type": _VALUE},
}

TEMPLATE_KEYS: Schema = {
    "params": {
        "description": "Makes the rule a template: it raises nothing itself, rules with use: are made from it.",
        "type": "object",
        "propertyNames": {"pattern": _PARAMETER_NAME},
        "additionalProperties": {
            "description": "What a rule gives in with:.",
            "type": "object",
            "properties": PARAMETER_KEYS,
            "required": ["type"],
            "additionalProperties": False,
        },
        "maxProperties": MAX_PARAMETERS,
    },
    "use": {
        "description": "The template that the rule is made from. Other keys beside it replace the template's.",
        "type": "string",
        "minLength": 1,
    },
    "with": {
        "description": "What is given for the template's parameters, by name.",
        "type": "object",
        "additionalProperties": {"type": _VALUE},
    },
}

ONLY_KEYS: Schema = {
    "description": "The rule looks only at keys whose labels are listed: {site: [north, south]}.",
    "type": "object",
    "additionalProperties": {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "pattern": "^[^/+#]*$"},
        "minItems": 1,
        "uniqueItems": True,
    },
    "minProperties": 1,
}

_IS_TEMPLATE: Schema = {"required": ["params"], "properties": {"params": {"type": "object"}}}
_USES_ONE: Schema = {"required": ["use"], "properties": {"use": {"type": "string"}}}
_NOT_OPENED = frozenset(
    {
        "params",
        "use",
        "with",
        "when",
        "where",
        "first",
        "then",
        "without",
        "summary",
        "description",
        "runbook",
        "labels",
    }
)
"""Keys whose values are names, conditions and texts, in which parameters stand otherwise."""


def with_templates(keys: Schema, plain: Schema) -> Schema:
    """A rule: `plain`, or a template or a rule that uses one, for which only `keys` count and each may be left out."""
    opened = _opened(keys)
    using = {key: schema if key in TEMPLATE_KEYS else _or_nothing(schema) for key, schema in opened.items()}
    return {
        "if": {"anyOf": [_IS_TEMPLATE, _USES_ONE]},
        "then": {
            "if": _USES_ONE,
            "then": object_of({**using, "params": False}),
            "else": object_of({**opened, "use": False, "with": False}),
        },
        "else": {"allOf": [plain, {"properties": {"with": False}}]},
    }


def _or_nothing(schema: Schema) -> Schema:
    """Beside `use`, a key with nothing behind it takes the template's away."""
    told: Schema = {word: schema[word] for word in ("description", "default") if word in schema}
    return {**told, "anyOf": [schema, {"type": "null"}]}


def _opened(keys: Schema) -> Schema:
    """The keys where any value may be a parameter: a name in its place."""
    return {key: schema if key in _NOT_OPENED else _or_parameter(schema) for key, schema in keys.items()}


def _or_parameter(schema: Schema) -> Schema:
    if "properties" in schema:
        return {**schema, "properties": _opened(schema["properties"])}
    if "items" in schema and schema["type"] == "array":
        return {**schema, "items": _or_parameter(schema["items"])}
    if isinstance(schema.get("additionalProperties"), dict):
        return {**schema, "additionalProperties": _or_parameter(schema["additionalProperties"])}
    told: Schema = {word: schema[word] for word in ("description", "default") if word in schema}
    return {**told, "anyOf": [schema, {"type": "string", "pattern": f"^{_NAME}$"}]}
