"""What the engine decided: only these values leave it. The runtime makes them durable, then carries them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from iotrules.model.evidence import Node, Place, Progress, Samples
from iotrules.model.expression import Truth, Value
from iotrules.model.inputs import FunctionUsage
from iotrules.model.rules import Severity


class AlertState(Enum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Key:
    """The labels that a rule's state is kept by, in the order of the rule's `by`."""

    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.labels)

    @property
    def text(self) -> str:
        """Canonical JSON: what the store keys by. Never ambiguous, whatever the labels contain."""
        return msgspec.json.encode(dict(self.labels)).decode()

    @property
    def device(self) -> str:
        """What a person calls it: the label `device` if there is one, else the last label."""
        return dict(self.labels).get("device") or (self.labels[-1][1] if self.labels else "")

    @classmethod
    def from_text(cls, text: str) -> Key:
        return cls(tuple(msgspec.json.decode(text, type=dict[str, str]).items()))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why: the condition as written, its truth, the values it read, and the sample that decided; all of it bounded.

    `tree` is the condition with the value of each part, `clear` that of what ends the alert, `progress` the timer's.
    `meaning` is the hash of the rule that decided, `place` where it stood, with its lines.
    """

    condition: str
    truth: Truth
    values: tuple[tuple[str, Value | None], ...]
    sample_time: int | None
    tree: Node | None = None
    clear: Node | None = None
    samples: tuple[Samples, ...] = ()
    progress: Progress | None = None
    meaning: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of an alert's state. `at` is event time, `decided` the `now` of the input, both ns.

    `episode` is 0 before the first firing; `number` counts within the rule and key and is never used twice.
    """

    rule: str
    key: Key
    episode: int
    number: int
    before: AlertState
    after: AlertState
    severity: Severity
    at: int
    decided: int
    reason: str
    summary: str
    evidence: Evidence
    muted: str = ""
    """Why nobody is notified of it; empty if people are. Only of what fires or is resolved."""
    amended: bool = False
    """Did a message that came too late show it? Then no step ran for it."""


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert that is pending or firing."""

    rule: str
    key: Key
    state: AlertState
    severity: Severity


@dataclass(frozen=True, slots=True)
class Invoke:
    """Call a function. The event is completed with the device's state when it is delivered."""

    id: str
    function: str
    key: Key
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SendCommand:
    """Tell a device to do something. `payload` is the wire format, byte for byte; never retained."""

    id: str
    key: Key
    name: str
    topic: str
    payload: bytes
    issued: int
    expires: int
    repeats: str = ""
    """The id of the command that this one sends again."""

    @property
    def command(self) -> str:
        """The command's id, as the device knows it: the same however often it is sent."""
        return self.repeats or self.id


@dataclass(frozen=True, slots=True)
class PublishMessage:
    """Publish what a rule or a function asked for."""

    id: str
    key: Key
    topic: str
    payload: bytes


Effect: TypeAlias = Invoke | SendCommand | PublishMessage

_KINDS: dict[str, type[Invoke] | type[SendCommand] | type[PublishMessage]] = {
    "invoke": Invoke,
    "command": SendCommand,
    "publish": PublishMessage,
}


def effect_kind(effect: Effect) -> str:
    """The ledger's word for it: invoke, command or publish."""
    return next(kind for kind, type_ in _KINDS.items() if isinstance(effect, type_))


def effect_target(effect: Effect) -> str:
    """The function's name, or the topic."""
    return effect.function if isinstance(effect, Invoke) else effect.topic


def encode_effect(effect: Effect) -> bytes:
    return msgspec.msgpack.encode(effect)


def decode_effect(kind: str, body: bytes) -> Effect:
    """The effect of a ledger row; msgspec.MsgspecError or KeyError if it is none."""
    return msgspec.msgpack.decode(body, type=_KINDS[kind])


class CommandState(Enum):
    """requested → (held →) sent → acknowledged → one of the rest, which are final."""

    REQUESTED = "requested"
    HELD = "held"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    TIMED_OUT = "timed out"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class CommandChange:
    """The state of a command after this decision. `rule` and `episode` say what asked for it."""

    id: str
    rule: str
    episode: int
    key: Key
    name: str
    state: CommandState
    detail: str
    issued: int
    expires: int
    at: int
    entered: bool = True
    """False: it was in this state before, and only the detail is new."""


@dataclass(frozen=True, slots=True)
class LedgerChange:
    """What becomes of a ledger row: `done`, `failed`, or again `pending` with a time for the next try."""

    effect: str
    state: Literal["pending", "done", "failed"]
    detail: str
    next_try: int = 0
    function: str = ""
    usage: FunctionUsage | None = None


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a device's handlers remember, after this decision; `version` counts its changes."""

    key: Key
    version: int
    body: dict[str, Any]


Origin: TypeAlias = tuple[str, Key, Callable[[Any], dict[str, Any]]]
"""Of a sample: the stream, the key of all its captures, and what turns its values into a dictionary."""

Sample: TypeAlias = tuple[Origin, int, int, Any]
"""A message that was applied: where it came from, its event time, when it came (ns), its values as decoded."""


class Reading(NamedTuple):
    """A message that was applied, decoded: for charts, off the hot path. `at` is event time.

    A tuple: there is one for each message, and a frozen dataclass takes as long to make as a rule to decide.
    """

    stream: str
    key: Key
    at: int
    received: int
    values: dict[str, Value | None]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that can't be used, with its reason and raw bytes."""

    topic: str
    payload: bytes
    received: int
    reason: str
    detail: str
    replayed: int = 0
    """Its number, if it was among the dead letters before, and was taken in once more in vain."""


class Fault(NamedTuple):
    """A rule that failed on a key when our clock showed `wall` (ns): in arithmetic, or by its own policy."""

    rule: str
    key: Key
    what: str
    wall: int


@dataclass(slots=True)
class Decision:
    """All that one input caused. Filled by the engine, then only read."""

    transitions: list[Transition] = field(default_factory=list)
    quiet: list[Transition] = field(default_factory=list)
    """Those of rules with `alert: false`: nobody is shown them as alerts, and `why` explains them."""
    effects: list[Effect] = field(default_factory=list)
    commands: list[CommandChange] = field(default_factory=list)
    ledger: list[LedgerChange] = field(default_factory=list)
    devices: list[DeviceState] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list, compare=False)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    letters_gone: list[int] = field(default_factory=list)
    """Numbers of dead letters that are none any more: taken in after all, or thrown away."""
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """(counter, label) → how many: received, applied, duplicate, late, bad values, unknown, rule errors …"""
    changed: bool = False
    """Did the input change what must be remembered? A tick that did not need not be journaled."""
    sequence: int = 0
    """The input's number in the journal: what begins with it may be named by it."""
    refused: str = ""
    """Why what a person asked for could not be done, in words; empty if it was."""

    faults: list[Fault] = field(default_factory=list, compare=False)
    """Of rules, in the order in which they came."""

    @property
    def readings(self) -> list[Reading]:
        """The samples, readable."""
        return [
            Reading(stream, key, at, received, values_of(values))
            for (stream, key, values_of), at, received, values in self.samples
        ]

    def tell(self, transition: Transition, *, alert: bool) -> None:
        """A rule changed its state; `alert`: does it raise one?"""
        (self.transitions if alert else self.quiet).append(transition)

    def fault(self, rule: str, key: Key, what: str, wall: int) -> None:
        """A rule failed on a key when our clock showed `wall`."""
        self.count("rule_errors", f"{rule}: {what}")
        self.faults.append(Fault(rule, key, what, wall))

    def count(self, counter: str, label: str = "", by: int = 1) -> None:
        self.counts[counter, label] = self.counts.get((counter, label), 0) + by


def effect_id(rule: str, key: Key, episode: int, transition: int, step: int, n: int) -> str:
    """The idempotency key of an effect: the same decision always names it the same, and no other decision does."""
    labels = ",".join(f"{name}={_quoted(value)}" for name, value in key.labels)
    return f"{rule}~{labels}~{episode}~{transition}~{step}~{n}"


def _quoted(text: str) -> str:
    """Percent-encoded where a character has a meaning in an effect's id."""
    return "".join(c if c.isalnum() or c in "-_." else "".join(f"%{b:02X}" for b in c.encode()) for c in text)
