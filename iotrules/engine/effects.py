"""From a transition to the effects that its rule asks for, each named so that it is recognised for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, assert_never

import msgspec

from iotrules.engine.publishing import UnfilledError, addressed, message
from iotrules.engine.registry import Directory
from iotrules.engine.sending import CommandRequest, group_of, send_command
from iotrules.engine.state import OpenInvoke, State
from iotrules.model.decisions import AlertState, Decision, Invoke, PublishMessage, Transition, effect_id
from iotrules.model.expression import Value
from iotrules.model.rules import CommandStep, InvokeStep, PublishStep, Rule, Severity, Step


class WireAnswer(msgspec.Struct):
    """A device's answer on the acknowledgement topic."""

    id: str
    status: Literal["acknowledged", "in_progress", "succeeded", "failed", "rejected"]
    detail: Any = None


_TOO_MANY = "too many invocations wait for an answer"


def run_steps(
    state: State,
    rule: Rule,
    transition: Transition,
    risen_from: int | None,
    decision: Decision,
    values: Mapping[str, Value | None],
) -> None:
    """Add the effects of the steps that run at this transition; none of a dry run, but they are counted.

    `risen_from` is the severity before, of an alert that was firing already; `values` are what templates name.
    """
    for index, step in enumerate(rule.steps):
        if not _runs(step, transition, risen_from):
            continue
        if rule.dry_run or state.files.dry_run:
            decision.count("dry_run_effects", rule.name)
            continue
        try:
            _run_step(state, step, index, transition, decision, values)
        except UnfilledError as error:
            decision.fault(rule.name, transition.key, str(error), transition.decided)


def _runs(step: Step, transition: Transition, risen_from: int | None) -> bool:
    """A level's steps run when the alert rises to it; the other words once an episode."""
    if isinstance(step.at, Severity):
        reached = transition.after is AlertState.FIRING and transition.severity == step.at
        return reached and (risen_from is None or risen_from < step.at)
    opened_or_ended = risen_from is None or transition.after is not AlertState.FIRING
    return opened_or_ended and step.at.value == transition.after.value


def _run_step(
    state: State,
    step: Step,
    index: int,
    transition: Transition,
    decision: Decision,
    values: Mapping[str, Value | None],
) -> None:
    name = effect_id(transition.rule, transition.key, transition.episode, transition.number, index, 0)
    match step:
        case InvokeStep():
            _invoke(state, name, step, index, transition, decision)
        case CommandStep():
            _command(state, name, step, index, transition, decision)
        case PublishStep():
            topic, payload = message(step, values)
            decision.effects.append(PublishMessage(name, transition.key, topic, payload))
        case _:
            assert_never(step)


def _invoke(state: State, name: str, step: InvokeStep, index: int, transition: Transition, decision: Decision) -> None:
    if len(state.invokes) >= state.bounds.invocations:
        decision.count("invocations_refused", step.function)
        decision.fault(
            transition.rule, transition.key, f"{step.function} is not invoked: {_TOO_MANY}", transition.decided
        )
        return
    state.invokes[name] = OpenInvoke(
        transition.rule, transition.key.text, transition.episode, transition.number, index, step.function, step.guard
    )
    state.mark(("invoke", name))
    decision.effects.append(
        Invoke(name, step.function, transition.key, invocation_event(name, transition, state.plan.directory))
    )


def _command(
    state: State, name: str, step: CommandStep, index: int, transition: Transition, decision: Decision
) -> None:
    topics = state.plan.set.commands
    key = transition.key if topics is None else addressed(step, transition.key, topics)
    send_command(
        state,
        decision,
        CommandRequest(
            name, transition.rule, transition.episode, key, step.command, dict(step.args), transition.decided,
            step.expires, step.ack_within, transition.summary, step.retry, step.guard, index,
            group_of(step.guard, transition.key),
        ),
    )  # fmt: skip


def invocation_event(name: str, transition: Transition, directory: Directory) -> dict[str, Any]:
    """What a handler is given; the device's state and its version are added when it is delivered."""
    return {
        "version": 1,
        "id": name,
        "reason": {
            "rule": transition.rule,
            "transition": transition.after.value,
            "severity": transition.severity.word,
            "episode": transition.episode,
            "summary": transition.summary,
        },
        "key": dict(transition.key.labels),
        "attributes": dict(directory.attributes(transition.key)),
        "reading": dict(transition.evidence.values),
        "evidence": [transition.reason],
    }
