"""What an alert's episode asked devices for, which of it a guard held back, and what became of that.

House rule: all of it is on record: the command's row, and the alert about what is held, with why and who decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iotrules.model.decisions import AlertState, CommandState, Key, effect_id
from iotrules.model.rules import CommandStep, Guard, InvokeStep, Rule, held_name
from iotrules.model.times import duration_words
from iotrules.stores.recorded import newest_commands
from iotrules.stores.views import CommandRow, StoreView, TransitionRow

COMMANDS_READ = 100


@dataclass(frozen=True, slots=True)
class Hold:
    """A guard holds a command `since` then (ns), for the reason `why`; `ended` with what was decided, if it was."""

    since: int
    why: str
    ended: int | None
    decided: str


@dataclass(frozen=True, slots=True)
class CommandTold:
    """A command as it is on record now. `step` counts from 1 in the rule's `do`; `guard` is that step's, in words."""

    id: str
    name: str
    key: Key
    state: str
    detail: str
    issued: int
    updated: int
    expires: int
    step: int
    guard: str
    hold: Hold | None

    @property
    def waits(self) -> bool:
        """Does it wait for a person?"""
        return self.hold is not None and self.hold.ended is None


async def commands_of(
    view: StoreView, name: str, rule: Rule | None, key: Key, episode: int, at: int
) -> tuple[CommandTold, ...]:
    """The commands of this rule's and key's episode that were asked for up to `at` (ns), oldest first.

    `rule` is as it was then, None if nobody knows: then its guards are not known either.
    """
    whose = effect_id(name, key, episode, 0, 0, 0).removesuffix("0~0~0")
    found = []
    for row in await newest_commands(view, name, whose, at, COMMANDS_READ):
        held = await view.history(held_name(name), row.key, COMMANDS_READ)
        found.append(_told(row, rule, held))
    return tuple(found)


def _told(row: CommandRow, rule: Rule | None, held: Sequence[TransitionRow]) -> CommandTold:
    step = int(row.id.rsplit("~", 2)[1])
    guard = None if rule is None else _guard(rule, step)
    hold = _hold(row, held) if rule is None or guard is not None else None
    return CommandTold(
        row.id, row.name, Key.from_text(row.key), row.state, row.detail, row.issued, row.updated, row.expires,
        step + 1, "" if guard is None else guard_words(guard), hold,
    )  # fmt: skip


def _guard(rule: Rule, step: int) -> Guard | None:
    one = rule.steps[step] if step < len(rule.steps) else None
    return one.guard if isinstance(one, CommandStep | InvokeStep) else None


def _hold(row: CommandRow, held: Sequence[TransitionRow]) -> Hold | None:
    """A guard decides when a command is asked for: was the alert about what is held open just then?"""
    if row.state == CommandState.REJECTED.value and row.updated == row.issued:
        return None  # it was dropped at once, and its detail says so
    begun = next((one for one in held if _fires(one) and one.decided <= row.issued), None)
    if begun is None:
        return None
    over = next((one for one in held if not _fires(one) and one.number == begun.number + 1), None)
    if over is not None and over.decided < row.issued:
        return None
    if row.state == CommandState.HELD.value and row.updated == row.issued:
        return Hold(row.issued, row.detail or begun.reason, None, "")
    final = row.state in (CommandState.REJECTED.value, CommandState.EXPIRED.value, CommandState.HELD.value)
    if final or over is None:  # others of this device and rule may wait on
        return Hold(row.issued, begun.reason, row.updated, row.detail or row.state)
    return Hold(row.issued, begun.reason, over.decided, over.reason)


def _fires(change: TransitionRow) -> bool:
    return change.after == AlertState.FIRING.value


def guard_words(guard: Guard) -> str:
    """As it is written in the rule."""
    of = f" of: {guard.of}," if guard.of else ""
    return f"max_share: {guard.max_share * 100:.4g}%,{of} per: {duration_words(guard.per)}, else: {guard.otherwise}"
