"""What leaves the engine about one command: each change of its state, and the effect that carries it to the device."""

from __future__ import annotations

from iotrules.engine.state import OpenCommand
from iotrules.model.decisions import CommandChange, CommandState, Key, SendCommand


def command_change(name: str, opened: OpenCommand, detail: str, at: int, *, entered: bool = True) -> CommandChange:
    """The command as it is now. `entered`: it has just come into its state.

    Who approved it, and why, stands before the detail of whatever comes later.
    """
    detail = "; ".join(part for part in (opened.note, detail) if part)
    return CommandChange(
        name, opened.rule, opened.episode, Key.from_text(opened.key), opened.name,
        CommandState(opened.state), detail, opened.issued, opened.expires, at, entered,
    )  # fmt: skip


def departure(name: str, opened: OpenCommand) -> SendCommand:
    """The effect that sends it. Each time that it is sent again has a row of its own in the ledger."""
    key = Key.from_text(opened.key)
    effect, repeats = (f"{name}~{opened.repeats}", name) if opened.repeats else (name, "")
    return SendCommand(
        effect, key, opened.name, opened.topic, opened.payload, opened.issued, opened.expires, repeats
    )  # fmt: skip


def command_of(commands: dict[str, OpenCommand], effect: str) -> str | None:
    """The open command that an effect sends or sends again, if it does that."""
    if effect in commands:
        return effect
    first = effect.rpartition("~")[0]
    return first if first in commands else None
