"""Commands on their way: requested → (held →) sent → acknowledged → an outcome, each state entered at most once."""

from __future__ import annotations

import msgspec

from iotrules.engine.effects import WireAnswer
from iotrules.engine.held import release, waits
from iotrules.engine.outgoing import command_change
from iotrules.engine.sending import send_again
from iotrules.engine.state import OpenCommand, Settled, State
from iotrules.model.decisions import CommandState, DeadLetter, Decision, Key
from iotrules.model.inputs import Arrival

SETTLED_KEPT = 1000
MAX_DETAIL = 300

_ENDS = (CommandState.SUCCEEDED, CommandState.FAILED, CommandState.REJECTED)

LIFE: dict[CommandState, tuple[CommandState, ...]] = {
    CommandState.REQUESTED: (
        CommandState.HELD, CommandState.SENT, CommandState.ACKNOWLEDGED, *_ENDS, CommandState.EXPIRED,
    ),
    CommandState.HELD: (CommandState.SENT, CommandState.ACKNOWLEDGED, *_ENDS, CommandState.EXPIRED),
    CommandState.SENT: (CommandState.ACKNOWLEDGED, *_ENDS, CommandState.TIMED_OUT),
    CommandState.ACKNOWLEDGED: (*_ENDS, CommandState.TIMED_OUT),
}  # fmt: skip
"""What may come after each state; a state that is not here is final. A device may answer before we know it was sent."""

_OUTCOMES = {
    "succeeded": CommandState.SUCCEEDED,
    "failed": CommandState.FAILED,
    "rejected": CommandState.REJECTED,
}
_answer_decoder = msgspec.json.Decoder(WireAnswer)


def take_answer(
    state: State, labels: tuple[tuple[str, str], ...], arrival: Arrival, now: int, decision: Decision
) -> None:
    """A device's answer to a command. Answers that don't fit are dead letters; repeated ones are duplicates."""
    try:
        answer = _answer_decoder.decode(arrival.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _refuse(decision, arrival, "bad command answer", str(error))
        return
    opened = state.commands.get(answer.id)
    if opened is None or waits(opened):
        known = state.settled.get(answer.id)
        if known is not None and answer.status in (known.outcome, "acknowledged", "in_progress"):
            decision.count("duplicate", "command answer")
        elif known is not None:
            detail = f"command {answer.id!r} {answer.status}, after it counted as {known.outcome}"
            _refuse(decision, arrival, "late command answer", detail)
        else:
            _refuse(decision, arrival, "unknown command", f"no command {answer.id[:200]!r} is under way")
        return
    mine = dict(Key.from_text(opened.key).labels)
    if any(mine.get(name, value) != value for name, value in labels):
        _refuse(decision, arrival, "foreign command answer", f"command {answer.id!r} went to another device")
        return
    decision.count("applied", "command answer")
    _advance(state, answer.id, opened, answer, now, decision)


def _advance(state: State, name: str, opened: OpenCommand, answer: WireAnswer, now: int, decision: Decision) -> None:
    detail = "" if answer.detail is None else str(answer.detail)[:MAX_DETAIL]
    outcome = _OUTCOMES.get(answer.status)
    if outcome is not None:
        settle(state, name, outcome, detail, now, decision)
    elif opened.state != CommandState.ACKNOWLEDGED.value:
        opened.state = CommandState.ACKNOWLEDGED.value
        opened.deadline = opened.expires + opened.ack_within
        _watch(state, name, opened)
        decision.commands.append(command_change(name, opened, detail, now))


def mark_sent(state: State, name: str, now: int, decision: Decision) -> None:
    """The broker has the command; the device's acknowledgement is due `ack_within` from now."""
    opened = state.commands.get(name)
    if opened is None or opened.state == CommandState.ACKNOWLEDGED.value:
        return  # the device was faster than the broker's receipt
    entered = opened.state != CommandState.SENT.value
    opened.state = CommandState.SENT.value
    opened.deadline = min(now + opened.ack_within, max(opened.expires, now))
    _watch(state, name, opened)
    if entered:
        decision.commands.append(command_change(name, opened, "", now))


def settle(state: State, name: str, outcome: CommandState, detail: str, now: int, decision: Decision) -> None:
    """Give a command its final state; a second one is ignored."""
    opened = state.commands.pop(name, None)
    if opened is None:
        return
    waited = waits(opened)
    opened.state = outcome.value
    state.timers.set(("command", name), None)
    state.mark(("command", name))
    state.settled[name] = Settled(outcome.value, now)
    state.mark(("settled", name))
    while len(state.settled) > SETTLED_KEPT:
        oldest = next(iter(state.settled))
        del state.settled[oldest]
        state.mark(("settled", oldest))
    decision.commands.append(command_change(name, opened, detail, now))
    decision.count("commands", outcome.value)
    if waited:
        release(state, name, opened, detail, now, decision)


def overdue(state: State, name: str, now: int, decision: Decision) -> None:
    """The command's deadline has come: it was never sent, never acknowledged, or never finished."""
    opened = state.commands.get(name)
    if opened is None:
        return
    match CommandState(opened.state):
        case CommandState.REQUESTED:
            settle(state, name, CommandState.EXPIRED, "not sent before it expired", now, decision)
        case CommandState.HELD:
            detail = "nobody approved it before it expired" if waits(opened) else "not sent before it expired"
            settle(state, name, CommandState.EXPIRED, detail, now, decision)
        case CommandState.SENT if send_again(state, name, opened, now, decision):
            pass
        case CommandState.SENT:
            settle(state, name, CommandState.TIMED_OUT, "not acknowledged in time", now, decision)
        case _:
            settle(state, name, CommandState.TIMED_OUT, "acknowledged, but no outcome in time", now, decision)


def _watch(state: State, name: str, opened: OpenCommand) -> None:
    """Be woken at its new deadline."""
    state.timers.set(("command", name), opened.deadline)
    state.mark(("command", name))


def _refuse(decision: Decision, arrival: Arrival, reason: str, detail: str) -> None:
    decision.dead_letters.append(DeadLetter(arrival.topic, arrival.payload, arrival.received, reason, detail))
