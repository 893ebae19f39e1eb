"""`do:` of a rule: the functions it invokes, the commands it sends, the messages it publishes."""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass
from functools import partial

from iotrules.language.documents import StepDocument
from iotrules.language.parts import Part
from iotrules.language.publishing import read_publish, read_to
from iotrules.language.step_guards import read_guard
from iotrules.language.summaries import read_label_template, read_template
from iotrules.language.typed import Scope
from iotrules.model.rules import (
    At,
    CommandStep,
    CommandTopics,
    Guard,
    InvokeStep,
    PublishStep,
    Severity,
    Step,
)
from iotrules.model.times import MILLISECOND, MINUTE, SECOND
from iotrules.yamlfile import Mapping, check_node, nearest, node_at, quoted

_FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_COMMAND = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_KINDS = ("invoke", "command", "publish")
_BELONGS_TO = {
    **dict.fromkeys(("args", "expires", "ack_within", "to", "retry"), ("a command", ("command",))),
    "guard": ("a command, or to invoke", ("command", "invoke")),
}
_HINT = "write invoke: FUNCTION, command: NAME or publish: {topic: …, payload: …}"
EXPIRES = 5 * MINUTE
ACK_WITHIN = 30 * SECOND
MAX_STEPS = 32
MAX_RETRIES = 10


@dataclass(frozen=True, slots=True)
class Wiring:
    """What steps are checked against. `declared`: there is a `commands:`, if maybe a wrong one.

    `scope` is what templates may name; None if the rule's stream has problems of its own.
    """

    topics: CommandTopics | None
    declared: bool
    scope: Scope | None

    @property
    def by(self) -> tuple[str, ...] | None:
        return None if self.scope is None else self.scope.labels


def build_steps(part: Part, count: int, wiring: Wiring) -> tuple[Step, ...]:
    """The steps in order."""
    steps: list[Step] = []
    if count > MAX_STEPS:
        part.wrong(f"a rule has at most {MAX_STEPS} steps", "do")
    for index in range(min(count, MAX_STEPS)):
        document = _document(part, index)
        step = _step(part, index, document, wiring) if document else None
        if step is not None:
            steps.append(step)
    return tuple(steps)


def _document(part: Part, index: int) -> StepDocument | None:
    node = node_at(part.node, ["do", index])
    if not isinstance(node, Mapping):
        part.wrong("a step is a mapping", "do", index, hint=_HINT)
        return None
    document, problems = check_node(node, StepDocument, part.source)
    part.problems.extend(problems)
    wrong = any(problem.message.startswith("unknown key") for problem in problems)
    return None if wrong and document == StepDocument() else document


def _step(part: Part, index: int, document: StepDocument, wiring: Wiring) -> Step | None:
    given = [key for key in _KINDS if getattr(document, key) is not None]
    if len(given) > 1:
        part.wrong(f"a step has {given[0]} or {given[1]}, not both", "do", index, hint=f"write {len(given)} steps")
    elif given:
        _refuse_keys(part, index, document, given[0])
        return _build(part, index, document, wiring)
    elif not any(part.gives("do", index, key) for key in ("set", *_KINDS)):
        part.wrong("a step says what to do", "do", index, hint=_HINT)
    return None


def _refuse_keys(part: Part, index: int, document: StepDocument, kind: str) -> None:
    """Note the keys that belong to steps of another kind."""
    for key, (words, kinds) in _BELONGS_TO.items():
        if getattr(document, key) is not None and kind not in kinds:
            part.wrong(f"{key} belongs to {words}, not to {kind}", "do", index, key)


def _build(part: Part, index: int, document: StepDocument, wiring: Wiring) -> Step | None:
    guard = None if document.guard is None else read_guard(part, index, wiring.by)
    if document.invoke is not None:
        if not _FUNCTION.fullmatch(document.invoke):
            part.wrong("a function's name is letters, digits, _ and -, at most 64 long", "do", index, "invoke")
        return InvokeStep(document.invoke, _at(document), guard)
    if document.command is not None:
        return _command(part, index, document.command, document, wiring, guard)
    found = read_publish(part, index, partial(read_template, scope=wiring.scope) if wiring.scope else None)
    return PublishStep(*found, _at(document)) if found else None


def _at(document: StepDocument) -> At | Severity:
    return At(document.at) if document.at in ("firing", "resolved") else Severity[document.at.upper()]


def _command(
    part: Part, index: int, command: str, document: StepDocument, wiring: Wiring, guard: Guard | None
) -> CommandStep:
    if not _COMMAND.fullmatch(command):
        part.wrong("a command's name is letters, digits, _ . and -, at most 64 long", "do", index, "command")
    if document.retry is not None and not 0 <= document.retry <= MAX_RETRIES:
        part.wrong(f"retry is a number from 0 to {MAX_RETRIES}", "do", index, "retry")
    to = document.to or {}
    _check_topics(part, index, wiring, to)
    return CommandStep(
        command=command,
        args=tuple((document.args or {}).items()),
        at=_at(document),
        expires=part.duration(document.expires, EXPIRES, "do", index, "expires", least=MILLISECOND),
        ack_within=part.duration(document.ack_within, ACK_WITHIN, "do", index, "ack_within", least=MILLISECOND),
        to=read_to(part, index, to, partial(read_label_template, scope=wiring.scope) if wiring.scope else None),
        retry=document.retry or 0,
        guard=guard,
    )


def _check_topics(part: Part, index: int, wiring: Wiring, to: AnyMapping[str, str]) -> None:
    """The rule's key and `to` together must say where the command goes, and say nothing that is not asked."""
    if not wiring.declared:
        hint = "declare commands: with topic and ack"
        part.wrong("no file says how commands reach devices", "do", index, "command", hint=hint)
    if wiring.topics is None or wiring.by is None:
        return
    wanted = wiring.topics.topic.captures
    for name in wanted:
        if name not in wiring.by and name not in to:
            message = f"the topic of commands needs {quoted(name)}, which the rule's by does not have"
            hint = f"say to: {{{name}: …}}; the rule is kept by {', '.join(wiring.by) or 'nothing'}"
            part.wrong(message, "do", index, "command", hint=hint)
    for name in to:
        if name not in wanted:
            message = f"the topic of commands has no {quoted(name)}{nearest(name, wanted)}"
            part.wrong_key(message, "do", index, "to", name, hint=f"it has {', '.join(wanted) or 'no captures'}")
