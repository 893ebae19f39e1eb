"""The shape of rule files: keys and plain types. What values mean is checked where they are used."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    later: ClassVar[frozenset[str]] = frozenset()
    """Keys of the rule language that a later version will know."""


class TimeDocument(_Document):
    field: str
    format: Literal["unix_s", "unix_ms", "unix_us", "unix_ns", "iso8601"]
    late: str | float | None = None
    on_late: Literal["drop", "amend"] | None = None
    ahead: str | float | None = None


class FieldDocument(_Document):
    unit: str | None = None
    range: list[float] | None = None
    one_of: list[str] | None = None
    path: str | None = None
    type: Literal["number", "text", "flag"] | None = None
    coerce: Literal["number"] | None = None


class LimitDocument(_Document):
    rate: str
    burst: int | None = None
    beyond: Literal["drop", "keep_newest"] | None = None


class StreamDocument(_Document):
    later = frozenset({"transport"})
    topic: str
    time: TimeDocument | None = None
    id: str | list[str] | None = None
    interval: str | float | None = None
    fields: dict[str, FieldDocument | None] = Field(default_factory=dict)
    partial: bool = False
    fresh: str | float | None = None
    max_samples: int | None = None
    max_gap: str | float | None = None
    every: str | float | None = None
    limit: LimitDocument | None = None
    gaps: Literal["alert", "ignore"] | None = None


class ZoneDocument(_Document):
    center: list[float] | None = None
    radius: str | float | None = None
    polygon: list[list[float]] | None = None


class CommandsDocument(_Document):
    topic: str
    ack: str


class ClearDocument(_Document):
    when: str | None = None
    for_: str | float | None = Field(None, alias="for")


class LevelDocument(_Document):
    when: str | None = None
    for_: str | float | None = Field(None, alias="for")
    clear: Any = None


class PublishDocument(_Document):
    topic: str
    payload: Any


class GuardDocument(_Document):
    max_share: str | float
    of: str | None = None
    per: str | float
    else_: Literal["hold", "drop"] = Field("hold", alias="else")


class StepDocument(_Document):
    later = frozenset({"set"})
    invoke: str | None = None
    command: str | None = None
    args: dict[str, str | float | bool] | None = None
    expires: str | float | None = None
    ack_within: str | float | None = None
    to: dict[str, str] | None = None
    retry: int | None = None
    publish: Any = None
    """A PublishDocument, checked on its own."""
    guard: Any = None
    """A GuardDocument, checked on its own."""
    at: Literal["firing", "resolved", "info", "minor", "major", "critical"] = "firing"


class ParameterDocument(_Document):
    type: Literal["field", "number", "duration", "text", "flag", "severity", "stream", "function"]
    default: Any = None


class SequenceStepDocument(_Document):
    first: Any = None
    then: Any = None
    without: Any = None
    """Of the three, each a text or an EventDocument."""
    as_: str | None = Field(None, alias="as")
    before: str | float | None = None


class EventDocument(_Document):
    stream: str | None = None
    where: str | None = None
    as_: str | None = Field(None, alias="as")
    before: str | float | None = None


class OpeningDocument(_Document):
    days: str | list[str] | None = None
    between: list[str] | None = None
    zone: str | None = None


class InhibitDocument(_Document):
    rules: list[str]
    same: list[str] = Field(default_factory=list)


class FlappingDocument(_Document):
    changes: int = 6
    within: str | float | None = None


class DowntimeDocument(_Document):
    policy: Literal["continue", "pause", "reset"] = "continue"
    max: str | float | None = None


class RuleDocument(_Document):
    later = frozenset({
        "sql"
    })  # fmt: skip
    from_: str | list[str] | None = Field(None, alias="from")
    by: list[str] | None = None
    across: str | None = None
    fresh: str | float | None = None
    min_members: int | None = None
    when: str | None = None
    for_: str | float | None = Field(None, alias="for")
    clear: Any = None
    levels: dict[Literal["info", "minor", "major", "critical"], Any] | None = None
    """Each one a LevelDocument, checked on its own."""
    severity: Literal["info", "minor", "major", "critical"] | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    summary: str | None = None
    description: str = ""
    runbook: str = ""
    absent: str | None = None
    expect: str | None = None
    sequence: list[Any] | None = None
    """Each one a SequenceStepDocument, checked on its own."""
    within: str | float | None = None
    matching: Literal["newest", "first", "every"] | None = None
    do: list[Any] = Field(default_factory=list)
    """Each one a StepDocument, checked on its own."""
    alert: bool = True
    missing: Literal["hold", "false", "true", "error"] | bool = "hold"
    dry_run: bool = False
    max_gap: str | float | None = None
    every: str | float | None = None
    params: dict[str, Any] | None = None
    """Each one a ParameterDocument. A rule that has them is a template; see `instances`."""
    use: str | None = None
    with_: dict[str, Any] | None = Field(None, alias="with")
    only_keys: dict[str, list[str]] | None = None
    only: Any = None
    """An OpeningDocument, or a list of them."""
    cooldown: str | float | None = None
    flapping: Any = None
    """false, or a FlappingDocument."""
    inhibit: Any = None
    """An InhibitDocument."""
    downtime: Any = None
    """A word, or a DowntimeDocument."""
