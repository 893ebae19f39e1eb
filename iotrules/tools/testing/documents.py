"""The shape of test files: keys and plain types. What values mean is checked where they are used."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EquivalentDocument(_Document):
    change: str
    because: str


class TestFileDocument(_Document):
    start: str | None = None
    registry: str | None = None
    """A file, from the test file's directory."""
    cases: list[Any]
    """Each one a CaseDocument, checked on its own."""
    equivalent: list[EquivalentDocument] = Field(default_factory=list)


class CaseDocument(_Document):
    name: str
    key: dict[str, str] = Field(default_factory=dict)
    send: Any = None
    """A SendDocument, or a list of them."""
    restart_at: list[Any] = Field(default_factory=list)
    """Each an instant, or a RestartDocument."""
    approve_at: list[Any] = Field(default_factory=list)
    reject_at: list[Any] = Field(default_factory=list)
    """Each a RulingDocument."""
    answers: dict[str, Any] = Field(default_factory=dict)
    replies: Literal["succeeded", "failed", "rejected", "none"] = "succeeded"
    until: str | None = None
    expect: list[Any]
    """Each one of the documents below."""


class SendDocument(_Document):
    """The other keys are series, by STREAM.FIELD."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    every: str | None = None
    at: str | None = None
    key: dict[str, str] = Field(default_factory=dict)
    drop: list[str] = Field(default_factory=list)
    delay: str | None = None


class RestartDocument(_Document):
    at: str
    down: str | None = None


class RulingDocument(_Document):
    at: str
    command: str
    key: dict[str, str] = Field(default_factory=dict)
    by: str = "test"
    why: str = ""


class StateDocument(_Document):
    at: str
    rule: str
    key: dict[str, str] = Field(default_factory=dict)
    state: Literal["inactive", "pending", "firing", "resolved"]
    severity: Literal["info", "minor", "major", "critical"] | None = None
    level: Literal["info", "minor", "major", "critical"] | None = None
    held: str | None = None
    because: str | None = None
    summary: str | None = None
    muted: str | bool | None = None


class CommandCount(_Document):
    name: str
    times: int = Field(default=1, ge=0)
    outcome: Literal["succeeded", "failed", "rejected", "timed out", "expired"] | None = None
    state: Literal["held", "sent", "acknowledged"] | None = None


class CommandsDocument(_Document):
    commands: list[CommandCount] | Literal["none"]


class InvocationCount(_Document):
    function: str
    times: int = Field(default=1, ge=0)


class InvocationsDocument(_Document):
    invocations: list[InvocationCount] | Literal["none"]


class AlertsDocument(_Document):
    alerts: Literal["none"]


class NothingMoreDocument(_Document):
    nothing_more: Literal[True]
