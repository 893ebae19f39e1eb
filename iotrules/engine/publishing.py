"""Where a step's command or message goes, and what a message says: templates filled with what the alert is about.

House rule: a level that comes out hostile, or of something missing, reaches nobody: an error of the rule, in words
of a closed set, since they are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import msgspec

from iotrules.engine.summary import fill
from iotrules.model.decisions import Key
from iotrules.model.expression import Value
from iotrules.model.levels import filled_level_fault
from iotrules.model.rules import (
    CommandStep,
    CommandTopics,
    JsonList,
    JsonObject,
    JsonTemplate,
    PublishStep,
    Slot,
    Template,
)

MAX_TOPIC_BYTES = 65_535
"""MQTT's own limit."""

Values = Mapping[str, Value | None]


class UnfilledError(Exception):
    """What the step asks for can't be: `str(error)` says why, in words of a closed set."""


def addressed(step: CommandStep, key: Key, topics: CommandTopics) -> Key:
    """The device that a command goes to: the rule's key, or with `to` the labels of the topic of commands.

    UnfilledError if a label comes out as no level of a topic.
    """
    if not step.to:
        return key
    labels: dict[str, str] = dict(key.labels)
    given = {name: _level(template, labels, "to") for name, template in step.to}
    return Key(tuple((name, (labels | given)[name]) for name in topics.topic.captures))


def message(step: PublishStep, values: Values) -> tuple[str, bytes]:
    """The topic and the JSON of a publish step. UnfilledError if a level of the topic can't be one."""
    topic = "/".join(_level(template, values, "publish") for template in step.topic)
    if len(topic.encode(errors="replace")) > MAX_TOPIC_BYTES:
        raise UnfilledError(f"publish: a topic over {MAX_TOPIC_BYTES} bytes")
    if topic.startswith("$"):
        raise UnfilledError("publish: a topic that belongs to the broker")
    return topic, msgspec.json.encode(_json(step.payload, values))


def _level(template: Template, values: Values, step: str) -> str:
    missing = [part.name for part in template.parts if isinstance(part, Slot) and values.get(part.name) is None]
    if missing:
        raise UnfilledError(f"{step}: {missing[0]} is missing")
    level = fill(template, values)
    if fault := filled_level_fault(level):
        raise UnfilledError(f"{step}: {fault}")
    return level


def _json(template: JsonTemplate, values: Values) -> Any:
    """A text that is one `{name}` and nothing else is that value: a number stays one, what is missing is null."""
    match template:
        case Template(parts=(Slot(name, ""),)):
            return values.get(name)
        case Template():
            return fill(template, values)
        case JsonList(items):
            return [_json(item, values) for item in items]
        case JsonObject(entries):
            return {name: _json(item, values) for name, item in entries}
        case None | bool() | float() | int():
            return template
        case _:
            assert_never(template)
