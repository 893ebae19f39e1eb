"""Parts of rules and streams back to text, key by key as a rule file may say them: for telling what an edit changed.

House rule: two parts that differ have different texts. What is not said, and has its default, is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import assert_never

from iotrules.language.steps import ACK_WITHIN, EXPIRES
from iotrules.model.guards import DAYS, MINUTES_OF_DAY, Downtime, Flapping, Inhibit, Opening
from iotrules.model.rules import (
    At,
    CommandStep,
    EventTime,
    Field,
    FieldType,
    Guard,
    InvokeStep,
    JsonList,
    JsonObject,
    JsonTemplate,
    PublishStep,
    Severity,
    Step,
    Template,
)
from iotrules.model.times import duration_words
from iotrules.model.zones import Circle, Polygon

Keys = dict[str, str]
"""Key → what stands there."""

_PLAIN = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


def mapping(keys: Mapping[str, str]) -> str:
    """`{unit: degC, range: [-40, 150]}`; empty for none."""
    return "{" + ", ".join(f"{name}: {text}" for name, text in keys.items()) + "}" if keys else ""


def template_text(template: Template) -> str:
    """As its author wrote it, with the formats."""
    slots = (part if isinstance(part, str) else _slot(part.name, part.format) for part in template.parts)
    return "".join(slots)


def _slot(name: str, format_: str) -> str:
    return f"{{{name}:{format_}}}" if format_ else f"{{{name}}}"


def _text(text: str) -> str:
    """Quoted where a bare word would read as something else."""
    return text if _PLAIN.fullmatch(text) and text not in ("true", "false", "null") else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _value(value: float | str | bool | None) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case _:
            return _number(value)


def _given(keys: Mapping[str, str]) -> Keys:
    return {name: text for name, text in keys.items() if text}


def step_head(step: Step) -> str:
    """`command fan_on`: what a step does, and to what."""
    match step:
        case InvokeStep(function=name):
            return f"invoke {name}"
        case CommandStep(command=name):
            return f"command {name}"
        case PublishStep():
            return "publish"
        case _:
            assert_never(step)


def step_text(step: Step) -> str:
    """The whole step: `{command: fan_on, expires: 10m}`."""
    defaults = {"expires": duration_words(EXPIRES), "ack_within": duration_words(ACK_WITHIN)}
    kind, _, name = step_head(step).partition(" ")
    keys = {key: text for key, text in step_keys(step).items() if defaults.get(key) != text}
    return mapping(({kind: name} if name else {}) | keys)


def step_keys(step: Step) -> Keys:
    """What a step says beside its head."""
    at = "" if step.at is At.FIRING else step.at.word if isinstance(step.at, Severity) else step.at.value
    match step:
        case InvokeStep(guard=guard):
            return _given({"at": at, "guard": _guard(guard)})
        case CommandStep():
            return _given(
                {
                    "args": mapping({name: _value(value) for name, value in step.args}),
                    "to": mapping({name: _text(template_text(value)) for name, value in step.to}),
                    "expires": duration_words(step.expires),
                    "ack_within": duration_words(step.ack_within),
                    "retry": str(step.retry) if step.retry else "",
                    "at": at,
                    "guard": _guard(step.guard),
                }
            )
        case PublishStep(topic=topic, payload=payload):
            levels = _text("/".join(template_text(level) for level in topic))
            return _given({"publish": mapping({"topic": levels, "payload": _json(payload)}), "at": at})
        case _:
            assert_never(step)


def _guard(guard: Guard | None) -> str:
    if guard is None:
        return ""
    share = f"{round(guard.max_share * 100, 10):g}%"
    keys = {"max_share": share, "of": guard.of, "per": duration_words(guard.per), "else": guard.otherwise}
    return mapping(_given(keys))


def _json(value: JsonTemplate) -> str:
    match value:
        case Template():
            return _quoted(template_text(value))
        case JsonList(items):
            return f"[{', '.join(_json(item) for item in items)}]"
        case JsonObject(entries):
            return "{" + ", ".join(f"{_text(name)}: {_json(item)}" for name, item in entries) + "}"
        case _:
            return _value(value)


def field_keys(field: Field) -> Keys:
    """What a stream says of a field."""
    low, high = (None if end is None else _number(end) for end in (field.low, field.high))
    keys = {
        "type": "" if field.type is FieldType.NUMBER or field.one_of else field.type.value,
        "unit": field.unit,
        "range": "" if low is None and high is None else f"[{low or 'null'}, {high or 'null'}]",
        "one_of": f"[{', '.join(_text(one) for one in field.one_of)}]" if field.one_of else "",
        "path": "" if field.path == (field.name,) else ".".join(field.path),
        "coerce": "number" if field.coerce_number else "",
    }
    return _given(keys)


def time_keys(time: EventTime | None) -> Keys:
    """What a stream says of its messages' time."""
    if time is None:
        return {}
    late, ahead = duration_words(time.late), duration_words(time.ahead)
    amend = "amend" if time.amend else ""
    return _given({"field": ".".join(time.path), "format": time.format, "late": late, "ahead": ahead, "on_late": amend})


def opening_text(opening: Opening) -> str:
    """`{days: [mon, tue], between: ["08:00", "18:00"], zone: UTC}`."""
    days = "" if len(opening.days) == len(DAYS) else f"[{', '.join(DAYS[day] for day in sorted(opening.days))}]"
    hours = "" if (opening.begins, opening.ends) == (0, MINUTES_OF_DAY) else _hours(opening)
    return mapping(_given({"days": days, "between": hours, "zone": opening.zone}))


def _hours(opening: Opening) -> str:
    begins, ends = (f'"{at // 60:02}:{at % 60:02}"' for at in (opening.begins, opening.ends))
    return f"[{begins}, {ends}]"


def downtime_text(downtime: Downtime) -> str:
    """`pause`, or `{policy: pause, max: 1h}`."""
    policy = downtime.policy.value
    return policy if downtime.longest is None else f"{{policy: {policy}, max: {duration_words(downtime.longest)}}}"


def flapping_text(flapping: Flapping | None) -> str:
    """`{changes: 6, within: 10m}`, or `false`."""
    if flapping is None:
        return "false"
    return mapping({"changes": str(flapping.changes), "within": duration_words(flapping.within)})


def inhibit_text(inhibit: Inhibit | None) -> str:
    """`{rules: [rack-hot], same: [site]}`; empty for none."""
    if inhibit is None:
        return ""
    return mapping(_given({"rules": f"[{', '.join(inhibit.rules)}]", "same": same_text(inhibit.same)}))


def same_text(labels: tuple[str, ...]) -> str:
    """`[site]`; empty for none."""
    return f"[{', '.join(labels)}]" if labels else ""


def labels_text(labels: tuple[tuple[str, str], ...]) -> str:
    """`{team: cooling}`."""
    return mapping({name: _text(value) for name, value in labels})


def only_keys_text(only: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """`{site: [A, B]}`."""
    return mapping({name: f"[{', '.join(_text(value) for value in values)}]" for name, values in only})


def shape_text(shape: Circle | Polygon) -> str:
    """`{center: [52.5, 13.4], radius: 200}`, or the corners; metres and degrees."""
    match shape:
        case Circle(centre=centre, radius=radius):
            return mapping({"center": _point(centre), "radius": _number(radius)})
        case Polygon(corners=corners):
            return mapping({"polygon": f"[{', '.join(_point(corner) for corner in corners)}]"})
        case _:
            assert_never(shape)


def _point(point: tuple[float, float]) -> str:
    return f"[{_number(point[0])}, {_number(point[1])}]"
