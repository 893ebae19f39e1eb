"""From a transition to the effects that its rule asks for, each named so that it is recognised for ever."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from iotrules.engine.registry import Directory
from iotrules.engine.state import OpenCommand, OpenInvoke, State
from iotrules.model.decisions import (
    AlertState,
    CommandChange,
    CommandState,
    Decision,
    Invoke,
    Key,
    SendCommand,
    Transition,
    effect_id,
)
from iotrules.model.rules import CommandStep, InvokeStep, Rule, Severity, Step
from iotrules.model.times import MILLISECOND


class CommandReason(msgspec.Struct):
    rule: str
    episode: int
    summary: str


class WireCommand(msgspec.Struct):
    """A command as devices receive it: JSON, QoS 1, never retained. Times in ms since the Unix epoch."""

    id: str
    command: str
    args: dict[str, Any]
    issued: int
    expires: int
    reason: CommandReason


class WireAnswer(msgspec.Struct):
    """A device's answer on the acknowledgement topic."""

    id: str
    status: Literal["acknowledged", "in_progress", "succeeded", "failed", "rejected"]
    detail: Any = None


def run_steps(state: State, rule: Rule, transition: Transition, risen_from: int | None, decision: Decision) -> None:
    """Add the effects of the steps that run at this transition; none of a dry run, but they are counted.

    `risen_from` is the severity before, of an alert that was firing already.
    """
    for index, step in enumerate(rule.steps):
        if not _runs(step, transition, risen_from):
            continue
        if rule.dry_run or state.files.dry_run:
            decision.count("dry_run_effects", rule.name)
            continue
        _run_step(state, step, index, transition, decision)


def _runs(step: Step, transition: Transition, risen_from: int | None) -> bool:
    """A level's steps run when the alert rises to it; the other words once an episode."""
    if isinstance(step.at, Severity):
        reached = transition.after is AlertState.FIRING and transition.severity == step.at
        return reached and (risen_from is None or risen_from < step.at)
    opened_or_ended = risen_from is None or transition.after is not AlertState.FIRING
    return opened_or_ended and step.at.value == transition.after.value


def _run_step(state: State, step: Step, index: int, transition: Transition, decision: Decision) -> None:
    name = effect_id(transition.rule, transition.key, transition.episode, transition.number, index, 0)
    match step:
        case InvokeStep(function):
            _invoke(state, name, function, index, transition, decision)
        case CommandStep():
            send_command(
                state,
                decision,
                CommandRequest(
                    name, transition.rule, transition.episode, transition.key, step.command, dict(step.args),
                    transition.decided, step.expires, step.ack_within, transition.summary,
                ),
            )  # fmt: skip


def _invoke(state: State, name: str, function: str, index: int, transition: Transition, decision: Decision) -> None:
    state.invokes[name] = OpenInvoke(
        transition.rule, transition.key.text, transition.episode, transition.number, index, function
    )
    state.mark(("invoke", name))
    decision.effects.append(
        Invoke(name, function, transition.key, invocation_event(name, transition, state.plan.directory))
    )


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


class CommandRequest(msgspec.Struct, frozen=True):
    """What a step or a function wants a device to do. Durations in ns from `issued`."""

    id: str
    rule: str
    episode: int
    key: Key
    name: str
    args: dict[str, Any]
    issued: int
    expires_in: int
    ack_within: int
    summary: str


def send_command(state: State, decision: Decision, request: CommandRequest) -> None:
    """Put a command into the ledger and begin to follow it. KeyError if its topic needs a label the key lacks."""
    topics = state.plan.set.commands
    if topics is None:
        raise KeyError("commands")
    topic = topics.topic.fill(dict(request.key.labels))
    expires = request.issued + request.expires_in
    wire = WireCommand(
        request.id,
        request.name,
        request.args,
        request.issued // MILLISECOND,
        expires // MILLISECOND,
        CommandReason(request.rule, request.episode, request.summary),
    )
    payload = msgspec.json.encode(wire)
    decision.effects.append(SendCommand(request.id, request.key, request.name, topic, payload, request.issued, expires))
    opened = OpenCommand(
        request.rule, request.episode, request.key.text, request.name, request.issued, expires,
        request.ack_within, CommandState.REQUESTED.value, expires,
    )  # fmt: skip
    state.commands[request.id] = opened
    state.timers.set(("command", request.id), opened.deadline)
    state.mark(("command", request.id))
    decision.commands.append(command_change(request.id, opened, "", request.issued))


def command_change(name: str, opened: OpenCommand, detail: str, at: int) -> CommandChange:
    return CommandChange(
        name, opened.rule, opened.episode, Key.from_text(opened.key), opened.name,
        CommandState(opened.state), detail, opened.issued, opened.expires, at,
    )  # fmt: skip
