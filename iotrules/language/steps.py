"""`do:` of a rule: the functions it invokes and the commands it sends."""

from __future__ import annotations

import re

from iotrules.language.documents import StepDocument
from iotrules.language.parts import Part
from iotrules.model.rules import At, CommandStep, CommandTopics, InvokeStep, Severity, Step
from iotrules.model.times import MILLISECOND, MINUTE, SECOND
from iotrules.yamlfile import Mapping, check_node, node_at, quoted

_FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_COMMAND = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_EXPIRES = 5 * MINUTE
_ACK_WITHIN = 30 * SECOND
MAX_STEPS = 32


def build_steps(
    part: Part, count: int, topics: CommandTopics | None, declared: bool, by: tuple[str, ...] | None
) -> tuple[Step, ...]:
    """The steps in order. `declared`: there is a `commands:`, if maybe a wrong one. `by` None is unknown."""
    steps: list[Step] = []
    if count > MAX_STEPS:
        part.wrong(f"a rule has at most {MAX_STEPS} steps", "do")
    for index in range(min(count, MAX_STEPS)):
        document = _document(part, index)
        step = _step(part, index, document) if document else None
        if isinstance(step, CommandStep):
            _check_topics(part, index, topics, declared, by)
        if step is not None:
            steps.append(step)
    return tuple(steps)


def _document(part: Part, index: int) -> StepDocument | None:
    node = node_at(part.node, ["do", index])
    if not isinstance(node, Mapping):
        part.wrong("a step is a mapping", "do", index, hint="write invoke: FUNCTION or command: NAME")
        return None
    document, problems = check_node(node, StepDocument, part.source)
    part.problems.extend(problems)
    wrong = any(problem.message.startswith("unknown key") for problem in problems)
    return None if wrong and document == StepDocument() else document


def _step(part: Part, index: int, document: StepDocument) -> Step | None:
    if document.invoke is not None and document.command is not None:
        part.wrong("a step invokes or commands, not both", "do", index, hint="write two steps")
    elif document.invoke is not None:
        return _invoke(part, index, document.invoke, document)
    elif document.command is not None:
        return _command(part, index, document.command, document)
    elif not any(part.gives("do", index, key) for key in ("publish", "set", "invoke", "command")):
        part.wrong("a step says what to do", "do", index, hint="write invoke: FUNCTION or command: NAME")
    return None


def _invoke(part: Part, index: int, function: str, document: StepDocument) -> InvokeStep:
    if not _FUNCTION.fullmatch(function):
        part.wrong("a function's name is letters, digits, _ and -, at most 64 long", "do", index, "invoke")
    for key in ("args", "expires", "ack_within"):
        if getattr(document, key) is not None:
            part.wrong(f"{key} belongs to a command, not to invoke", "do", index, key)
    return InvokeStep(function, _at(document))


def _at(document: StepDocument) -> At | Severity:
    return At(document.at) if document.at in ("firing", "resolved") else Severity[document.at.upper()]


def _command(part: Part, index: int, command: str, document: StepDocument) -> CommandStep:
    if not _COMMAND.fullmatch(command):
        part.wrong("a command's name is letters, digits, _ . and -, at most 64 long", "do", index, "command")
    return CommandStep(
        command=command,
        args=tuple((document.args or {}).items()),
        at=_at(document),
        expires=part.duration(document.expires, _EXPIRES, "do", index, "expires", least=MILLISECOND),
        ack_within=part.duration(document.ack_within, _ACK_WITHIN, "do", index, "ack_within", least=MILLISECOND),
    )


def _check_topics(
    part: Part, index: int, topics: CommandTopics | None, declared: bool, by: tuple[str, ...] | None
) -> None:
    if not declared:
        hint = "declare commands: with topic and ack"
        part.wrong("no file says how commands reach devices", "do", index, "command", hint=hint)
    for name in topics.topic.captures if topics and by is not None else ():
        if by is not None and name not in by:
            message = f"the topic of commands needs {quoted(name)}, which the rule's by does not have"
            part.wrong(message, "do", index, "command", hint=f"the rule is kept by {', '.join(by) or 'nothing'}")
