"""An answer for people: what is, what is lacking, and what happened before. One line a thing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import pairwise

from iotrules.engine.explain import shown
from iotrules.model.evidence import Samples
from iotrules.model.explanation import ClearExplained, Explanation, ScheduleExplained, StepExplained
from iotrules.model.times import duration_words, rough_words
from iotrules.stores.views import TransitionRow
from iotrules.tools.instants import clock_words
from iotrules.tools.why.asking import CHANGES_SHOWN, Answer
from iotrules.tools.why.commands import CommandTold
from iotrules.tools.why.parts import hold_words, progress_words, tree_lines
from iotrules.tools.why.record import record_lines

COMMANDS_SHOWN = 8


def lines(answer: Answer) -> list[str]:
    """The text, line by line."""
    return [line.rstrip() for line in _lines(answer)]


def _lines(answer: Answer) -> Iterator[str]:
    told = answer.explanation
    state = told.state.value if told else answer.changes[0].after if answer.changes else "inactive"
    severity = f" ({told.severity.word})" if told and told.state.value in ("pending", "firing") else ""
    head = f"{answer.rule} for {answer.key or '(all)'}: {state}{severity}"
    yield f"{head}, as of {clock_words(answer.at, answer.at)}"
    if told:
        yield f"  {told.verdict}"
    if told and told.schedule:
        yield f"  {schedule_words(told.schedule, answer.at)}"
    muted = muted_words(answer)
    if muted:
        yield f"  {muted}"
    yield from _commands(answer)
    yield from (f"  note: {remark}" for remark in answer.remarks)
    if answer.near:
        yield f"  known keys like it: {'; '.join(str(key) for key in answer.near)}"
    if told:
        yield from _condition(told)
        yield from _newest(told, answer.at)
        yield from (f"  note: {note}" for note in told.notes)
    if answer.stored is not None:
        yield from record_lines(answer.stored, answer.at, told.meaning if told else "")
    yield from _changes(answer)
    if told:
        yield from ("", f"{told.place.file}:{told.place.line} (meaning {told.meaning})")
        yield from (f"  {line}" for line in told.place.text)


def _condition(told: Explanation) -> Iterator[str]:
    if told.steps:
        yield ""
        for step in told.steps:
            yield from _step(step, told.now)
    if told.silence:
        yield from ("", f"silence: {progress_words(told.silence.progress)}")
    for level in told.levels:
        yield from ("", f"{level.severity.word}: {level.condition}")
        yield from tree_lines(level.tree, 1)
        latched = "this level is latched" if level.latched else hold_words(level.hold)
        yield f"  for: {latched}"
        yield from _clear(level.clear)
    if told.ending:
        yield from ("", "end of the alert")
        yield from _clear(told.ending)


def _step(step: StepExplained, now: int) -> Iterator[str]:
    who = " ".join(f"{name}={value}" for name, value in step.labels)
    of = f"the message of {clock_words(step.message, now)}, {who}" if step.message is not None else ""
    if step.came:
        yield f"  ✔ {step.text}: {of}"
    elif of:
        yield f"  ✘ {step.text}: lacking; newest is {of}"
    else:
        yield f"  ✘ {step.text}: lacking, and no message of its stream is in the journal kept"
    if step.tree is not None:
        yield from tree_lines(step.tree, 2)


def _clear(clear: ClearExplained) -> Iterator[str]:
    """Nothing where it is simply that the condition is false."""
    hold = "" if clear.progress.wanted == 0 else f", for: {hold_words(clear.progress)}"
    if clear.text:
        yield f"  clear: {clear.text}{hold}"
        yield from tree_lines(clear.tree, 2)
    elif hold:
        yield f"  clear: the condition is false{hold}"


def _commands(answer: Answer) -> Iterator[str]:
    """What waits for a person comes first."""
    told = sorted(answer.commands, key=lambda one: not one.waits)
    for one in told[:COMMANDS_SHOWN]:
        yield f"  {command_words(one, answer.at)}"
    if len(told) > COMMANDS_SHOWN:
        yield f"  … and {len(told) - COMMANDS_SHOWN} more commands of this episode"


def command_words(told: CommandTold, now: int) -> str:
    """Its state, the guard that held it and why, and who decided what."""
    what, hold = f"command {told.name} to {told.key} (step {told.step})", told.hold
    if hold is None:
        return f"{what}: {_state_words(told, told.detail, now)}"
    guard = f"its guard {{{told.guard}}}" if told.guard else "a guard"
    held = f"held by {guard} since {clock_words(hold.since, now)}: {hold.why}"
    if hold.ended is None:
        decide = f"iotrules commands approve|reject {shlex.quote(told.id)} --by NAME"
        return f"{what}: {held}; until {clock_words(told.expires, now)} somebody may decide: {decide}"
    decided = f"{_later(hold.ended, now)}{hold.decided} at {clock_words(hold.ended, now)}"
    detail = told.detail.removeprefix(hold.decided).removeprefix("; ")  # it begins with who decided
    since = "" if told.updated == hold.ended else f"; {_state_words(told, detail, now)}"
    return f"{what}: {held}; {decided}{since}"


def _state_words(told: CommandTold, detail: str, now: int) -> str:
    return f"{_later(told.updated, now)}{told.state} at {clock_words(told.updated, now)}{detail and f', {detail}'}"


def _later(at: int, now: int) -> str:
    """What is on record of a command is as it is today, also where an earlier instant is asked for."""
    return "later " if at > now else ""


def schedule_words(schedule: ScheduleExplained, now: int) -> str:
    """`schedule: closed, opens next at 08:00:00 (mon-fri 08:00-18:00 Europe/Berlin)`."""
    turn = "opens next at" if not schedule.open else "closes at"
    when = "no change in the next weeks" if schedule.changes is None else f"{turn} {clock_words(schedule.changes, now)}"
    return f"schedule: {'open' if schedule.open else 'closed'}, {when} ({'; '.join(schedule.openings)})"


def muted_words(answer: Answer) -> str:
    """Why nobody is told of the alert; empty if people are."""
    told = answer.explanation
    if told is None:
        newest = next((change for change in answer.changes if change.after in ("firing", "resolved")), None)
        return f"muted, nobody was told: {newest.muted}" if newest is not None and newest.muted else ""
    if told.muted is None:
        return ""
    keys = "; ".join(str(key) or "(all)" for key in told.muted.keys)
    by = f", whose alert fires for {keys}" if keys else ""
    return f"muted, nobody is told of it as it is: {told.muted.words}{by}"


def _newest(told: Explanation, now: int) -> Iterator[str]:
    if told.at is None or told.newest is None:
        return
    age = told.at - told.newest
    allowed = "" if told.gap is None else f"; a hold outlasts silences up to {duration_words(told.gap)}"
    stale = ", stale" if told.stale else ""
    yield ""
    yield f"newest message: {clock_words(told.newest, now)}, {rough_words(age)} before{stale}{allowed}"
    yield "  " + ", ".join(f"{name} {'(missing)' if value is None else shown(value)}" for name, value in told.values)
    for one in told.samples:
        if one.count > 1 or "," in one.name:
            yield f"  {_samples(one)}"


def _samples(one: Samples) -> str:
    newest = " ".join(shown(value) for _, value in one.newest)
    return f"{one.name}: {one.count} samples, … {newest}"


def _changes(answer: Answer) -> Iterator[str]:
    yield ""
    if not answer.changes:
        yield "it has never changed its state, as far as is kept"
        return
    yield "its changes, newest first"
    shown_ = answer.changes[:CHANGES_SHOWN]
    earlier = {change.number: before for change, before in pairwise(answer.changes)}
    for change in shown_:
        yield f"  {_change(change, earlier.get(change.number), answer.at)}"
    if len(answer.changes) > CHANGES_SHOWN:
        yield "  …"


def _change(change: TransitionRow, before: TransitionRow | None, now: int) -> str:
    words = f"{clock_words(change.at, now)}  {_states(change, before)}  {change.reason}"
    sample = change.evidence.get("sample_time")
    by = f"; by the sample of {clock_words(sample, now)}" if isinstance(sample, int) and sample == change.at else ""
    muted = f"; muted: {change.muted}" if change.muted else ""
    if change.before == "pending" and change.after == "inactive":
        return words + by + dropped_after(change, before)
    return words + by + muted


def _states(change: TransitionRow, before: TransitionRow | None) -> str:
    """With the severities where it is only those that change."""
    if change.before != change.after:
        return f"{change.before} → {change.after}"
    if before is None or before.severity == change.severity:
        return f"{change.before} → {change.after} ({change.severity})"
    return f"{change.before} ({before.severity}) → {change.after} ({change.severity})"


def dropped_after(change: TransitionRow, before: TransitionRow | None) -> str:
    """How long a hold had run that was broken, and what it needed."""
    if before is None or before.after != "pending":
        return ""
    wanted = (before.evidence.get("progress") or {}).get("wanted")
    of = f" of {duration_words(wanted)}" if isinstance(wanted, int) else ""
    return f"; dropped after {rough_words(max(0, change.at - before.at))}{of}"
