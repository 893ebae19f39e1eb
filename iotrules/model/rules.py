"""Checked rules: what `language` makes of rule files and what `engine` compiles."""

from __future__ import annotations

from collections.abc import Sequence as AnySequence
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from iotrules.model.expression import Expression
from iotrules.model.guards import CONTINUE, MUTING, Downtime, Muting, Schedule
from iotrules.model.sequences import Sequence, sequence_text

if TYPE_CHECKING:
    from iotrules.model.registry import Registry


class Severity(IntEnum):
    """Ordered: a higher number is worse."""

    INFO = 0
    MINOR = 1
    MAJOR = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class FieldType(Enum):
    NUMBER = "number"
    TEXT = "text"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Location:
    """Where something was written; `line` counts from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Field:
    """One value that a stream's messages carry; `path` are the keys to it in the JSON object."""

    name: str
    path: tuple[str, ...]
    type: FieldType
    unit: str = ""
    low: float | None = None
    high: float | None = None
    one_of: tuple[str, ...] = ()
    coerce_number: bool = False


@dataclass(frozen=True, slots=True)
class EventTime:
    """Where a message says when it was measured. Farther ahead of our clock than `ahead` ns: arrival time is used.

    Samples wait for older ones until the newest is `late` ns newer; 0: they are decided on as they come.
    """

    path: tuple[str, ...]
    format: Literal["unix_s", "unix_ms", "unix_us", "unix_ns", "iso8601"]
    ahead: int
    late: int = 0
    amend: bool = False
    """Is what comes later than `late` put in its place, and the past decided again? Else it is dropped."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many messages of each topic of a stream are taken in: `rate` a second, and `burst` at once."""

    rate: float
    burst: int
    keep_newest: bool = False
    """Of what is beyond it, does the newest wait for its turn, instead of being dropped like the others?"""


FRESH_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class Stream:
    """A kind of telemetry. `topic` are the levels of its topic; a level is literal text or a capture."""

    name: str
    topic: TopicPattern
    fields: tuple[Field, ...]
    time: EventTime | None
    id_paths: tuple[tuple[str, ...], ...]
    interval: int | None
    location: Location
    partial: bool = False
    """Does a field that a message lacks keep its newest value?"""
    fresh: int | None = None
    """For how many ns a value counts where it is looked at later than it came; None: for three reporting intervals."""
    max_samples: int | None = None
    """How many samples a window holds at most, where that is not the engine's own limit."""
    max_gap: int | None = None
    """A silence longer than this many ns breaks a hold and makes values stale; None: three reporting intervals."""
    every: int | None = None
    """How often, in ns, conditions are looked at as time passes; None: as their windows ask for."""
    limit: Limit | None = None
    gaps: bool = True
    """Is a number missing in a device's count a message that never came?"""

    @property
    def late(self) -> int:
        """How long samples wait for older ones, ns."""
        return 0 if self.time is None else self.time.late

    @property
    def amends(self) -> bool:
        """Is the past decided again where a sample comes too late?"""
        return self.time is not None and self.time.amend

    @property
    def captures(self) -> tuple[str, ...]:
        return self.topic.captures

    @property
    def freshness(self) -> int | None:
        """`fresh`, else three reporting intervals; None where neither is known: a value stays."""
        if self.fresh is not None or self.interval is None:
            return self.fresh
        return FRESH_INTERVALS * self.interval


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """`site/{site}/dev/{device}/env`: levels that are text or captures (captures as `{name}`)."""

    text: str
    levels: tuple[tuple[bool, str], ...]
    """Per level: is it a capture, and its text or the capture's name."""

    @property
    def captures(self) -> tuple[str, ...]:
        return tuple(text for is_capture, text in self.levels if is_capture)

    @property
    def filter(self) -> str:
        """The MQTT topic filter that receives all topics of this pattern."""
        return "/".join("+" if is_capture else text for is_capture, text in self.levels)

    def match(self, topic: str) -> tuple[str, ...] | None:
        """The captures' values in order, or None if the topic does not fit."""
        parts = topic.split("/")
        if len(parts) != len(self.levels):
            return None
        captured = []
        for part, (is_capture, text) in zip(parts, self.levels, strict=True):
            if is_capture:
                captured.append(part)
            elif part != text:
                return None
        return tuple(captured)

    def fill(self, labels: dict[str, str]) -> str:
        """The topic with the captures replaced by `labels`; KeyError if one is not given."""
        return "/".join(labels[text] if is_capture else text for is_capture, text in self.levels)


@dataclass(frozen=True, slots=True)
class CommandTopics:
    """Where commands go and where devices answer."""

    topic: TopicPattern
    ack: TopicPattern


@dataclass(frozen=True, slots=True)
class Slot:
    """A `{name:format}` of a template; `format` is checked when loaded (`.1f`, or empty)."""

    name: str
    format: str


@dataclass(frozen=True, slots=True)
class Template:
    """Text for people: literal parts and slots in turn."""

    parts: tuple[str | Slot, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """A duration in ns, or a multiple of the key's reporting interval; exactly one is set."""

    nanoseconds: int | None = None
    intervals: float | None = None


NO_HOLD = Hold(nanoseconds=0)


@dataclass(frozen=True, slots=True)
class Clear:
    """What ends an alert: `when` None means `the rule's condition is false`."""

    when: Expression | None
    hold: Hold
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A truth about a key over time."""

    when: Expression
    hold: Hold
    clear: Clear
    text: str


@dataclass(frozen=True, slots=True)
class Rung:
    """A level of a ladder: latched once its condition was held, released by that condition's own clear."""

    severity: Severity
    condition: Condition


@dataclass(frozen=True, slots=True)
class Ladder:
    """Levels of severity in one rule, the lowest first. `clear` ends the alert, else the end of the last level does."""

    rungs: tuple[Rung, ...]
    clear: Clear | None


@dataclass(frozen=True, slots=True)
class Absence:
    """Silence of a key for `hold`; keys silent for longer than `seen_within` ns are not expected any more.

    With `registered`, those of the registry are expected without an end, and before they were ever heard.
    """

    hold: Hold
    seen_within: int
    registered: bool = False


class At(Enum):
    """The transition at which a step runs; a severity instead: whenever the alert rises to that level."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Guard:
    """Blast radius of a step: of the devices with the same label `of` (empty: of all), at most `max_share` (0..1), but
    always one, are commanded within `per` ns. What goes beyond is held for a person, or dropped.
    """

    max_share: float
    of: str
    per: int
    otherwise: Literal["hold", "drop"]


@dataclass(frozen=True, slots=True)
class InvokeStep:
    function: str
    at: At | Severity
    guard: Guard | None = None
    """Over the commands that the function asks for."""


@dataclass(frozen=True, slots=True)
class CommandStep:
    """A command sent by the rule itself; `expires` and `ack_within` in ns from the moment it is issued.

    `to` are labels that differ from the key's: the command goes to another device. Without an acknowledgement it is
    sent again, `retry` times at most.
    """

    command: str
    args: tuple[tuple[str, float | str | bool], ...]
    at: At | Severity
    expires: int
    ack_within: int
    to: tuple[tuple[str, Template], ...] = ()
    retry: int = 0
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class JsonList:
    items: tuple[JsonTemplate, ...]


@dataclass(frozen=True, slots=True)
class JsonObject:
    entries: tuple[tuple[str, JsonTemplate], ...]


JsonTemplate: TypeAlias = Template | float | bool | JsonList | JsonObject | None
"""JSON whose texts are templates."""


@dataclass(frozen=True, slots=True)
class PublishStep:
    """A message of the rule's own: the levels of its topic, and its JSON. QoS 1, never retained."""

    topic: tuple[Template, ...]
    payload: JsonTemplate
    at: At | Severity


Step: TypeAlias = InvokeStep | CommandStep | PublishStep


class Missing(Enum):
    """What an unknown condition does."""

    HOLD = "hold"
    FALSE = "false"
    TRUE = "true"
    ERROR = "error"


OnlyKeys: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""Labels and the values that a key may have there; empty: every key."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Hashes of what a rule is made of: `each` has a state of its own, `frame` is what they have in common."""

    frame: str
    each: tuple[tuple[str, str], ...]
    """(name, hash)"""

    def of(self, part: str) -> str:
        """Its hash; empty if there is no such part."""
        return next((found for name, found in self.each if name == part), "")


ONE_PART = Parts("", ())
"""Of a rule whose state is one."""


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    stream: str
    """Of a sequence, that of its last step."""
    by: tuple[str, ...]
    body: Condition | Ladder | Absence | Sequence
    severity: Severity
    """Of a ladder, that of its highest level."""
    labels: tuple[tuple[str, str], ...]
    summary: Template
    description: str
    runbook: str
    steps: tuple[Step, ...]
    alert: bool
    dry_run: bool
    missing: Missing
    location: Location
    meaning: str
    """A hash of the parts that decide (stream, by, condition, holds, clear, missing, only, downtime), not of words,
    severity and muting.
    """
    parts: Parts = ONE_PART
    only: Schedule = ()
    """When it may fire; empty: always."""
    muting: Muting = MUTING
    downtime: Downtime = CONTINUE
    only_keys: OnlyKeys = ()
    """Which keys the rule looks at. Its hash is behind the dot of `meaning`."""
    max_gap: int | None = None
    """The rule's own, ns; else that of its stream."""
    every: int | None = None
    """The rule's own, ns; else that of its stream."""
    across: str = ""
    """The label that tells the members of a key apart, of a rule that looks over them."""
    joined: tuple[str, ...] = ()
    """The streams of a rule over several, the first one is `stream`."""


def held_name(rule: str) -> str:
    """The alert about commands of a rule that are held; no rule of a file can be called so."""
    return f"{rule}/held"


def failed_name(rule: str) -> str:
    """The alert about a rule that fails at run time."""
    return f"{rule}/failed"


def overflow_name(rule: str) -> str:
    """The alert about a rule with more alerts than are kept open."""
    return f"{rule}/overflow"


def is_about_rule(alert: str) -> bool:
    """Is it an alert that the engine raises about a rule, or its commands? No rule of a file has such a name."""
    return "/" in alert


def about_stream(stream: str, what: str) -> str:
    """An alert about a stream as a whole: what is missing of it, or was shed."""
    return f"{stream}/{what}"


def clock_name(stream: str) -> str:
    """The alert about a device of a stream whose clock is ahead; no rule of a file can be called so."""
    return f"{stream}/clock"


def rungs_of(rule: Rule) -> tuple[Rung, ...]:
    """The levels of a rule, the lowest first: a plain condition is a ladder of one; silence and sequences have none."""
    match rule.body:
        case Condition() as condition:
            return (Rung(rule.severity, condition),)
        case Ladder(rungs):
            return rungs
        case Absence() | Sequence():
            return ()


def holds_of(body: Condition | Ladder | Absence | Sequence) -> list[Hold]:
    """Of every level, of what clears it, and of what ends a ladder; none of silence and sequences."""
    match body:
        case Condition(hold=hold, clear=clear):
            return [hold, clear.hold]
        case Ladder(rungs, clear):
            holds = [hold for rung in rungs for hold in holds_of(rung.condition)]
            return holds if clear is None else [*holds, clear.hold]
        case Absence() | Sequence():
            return []


def joined_stream(streams: AnySequence[Stream]) -> Stream:
    """Several streams as one: fields of the second and further ones are called `STREAM.FIELD`.

    It reports as often as the slowest of them that says how often it does.
    """
    first, *others = streams
    if not others:
        return first
    more = [replace(one, name=f"{stream.name}.{one.name}") for stream in others for one in stream.fields]
    intervals = [stream.interval for stream in streams if stream.interval is not None]
    name = "+".join(stream.name for stream in streams)
    gaps = [stream.max_gap for stream in streams if stream.max_gap is not None]
    looks = [stream.every for stream in streams if stream.every is not None]
    return replace(
        first,
        name=name,
        fields=(*first.fields, *more),
        interval=max(intervals, default=None),
        partial=False,
        max_gap=max(gaps, default=None),
        every=min(looks, default=None),
    )


def conditions_of(rule: Rule) -> tuple[Expression, ...]:
    """Whatever the rule's alerts depend on beside time: conditions of levels, then what clears them."""
    clears = [rung.condition.clear for rung in rungs_of(rule)]
    if isinstance(rule.body, Ladder) and rule.body.clear is not None:
        clears.append(rule.body.clear)
    raised = tuple(rung.condition.when for rung in rungs_of(rule))
    return raised + tuple(clear.when for clear in clears if clear.when is not None)


def condition_text(rule: Rule) -> str:
    """What the rule watches for, as its author wrote it."""
    match rule.body:
        case Condition(text=text):
            return text
        case Ladder(rungs):
            return "; ".join(f"{rung.severity.word}: {rung.condition.text}" for rung in rungs)
        case Absence():
            return "silence"
        case Sequence() as sequence:
            return sequence_text(sequence)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rule files together, checked."""

    streams: dict[str, Stream] = field(default_factory=dict)
    commands: CommandTopics | None = None
    rules: dict[str, Rule] = field(default_factory=dict)
    registry: Registry | None = None
