"""Templates of people's text, filled with what an alert is about."""

from __future__ import annotations

from collections.abc import Mapping

from iotrules.engine.explain import shown
from iotrules.model.expression import Value
from iotrules.model.rules import Template

MAX_LENGTH = 500
"""Characters; a device's text fields may be of any length."""


def fill(template: Template, values: Mapping[str, Value | None]) -> str:
    """The template's text; what is missing is shown as `?`."""
    parts = [part if isinstance(part, str) else _slot(values.get(part.name), part.format) for part in template.parts]
    return "".join(parts)[:MAX_LENGTH]


def _slot(value: Value | None, spec: str) -> str:
    if value is None:
        return "?"
    if isinstance(value, str):
        return value
    if spec and not isinstance(value, bool):
        return format(value, spec)
    return shown(value)
