"""An answer for programs: JSON with ISO 8601 instants, and durations in seconds."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from iotrules.model.evidence import Progress
from iotrules.model.explanation import (
    ClearExplained,
    Explanation,
    LevelExplained,
    MutedExplained,
    ScheduleExplained,
    Silence,
    StepExplained,
)
from iotrules.model.times import SECOND
from iotrules.stores.views import TransitionRow
from iotrules.tools.instants import instant_text
from iotrules.tools.why.asking import Answer
from iotrules.tools.why.commands import CommandTold
from iotrules.tools.why.record import read_record

JSON_VERSION = 1


def document(answer: Answer) -> dict[str, Any]:
    """The answer as a JSON object; `explanation` is null where only the stored transitions are left."""
    return {
        "version": JSON_VERSION,
        "rule": answer.rule,
        "key": dict(answer.key.labels),
        "at": instant_text(answer.at),
        "explanation": None if answer.explanation is None else _explanation(answer.explanation),
        "changes": [_change(change) for change in answer.changes],
        "remarks": list(answer.remarks),
        "stored": None if answer.stored is None else _stored(answer.stored),
        "commands": [_command(command) for command in answer.commands],
        "near": [dict(key.labels) for key in answer.near],
    }


def _explanation(told: Explanation) -> dict[str, Any]:
    return {
        "known": told.known,
        "state": told.state.value,
        "severity": told.severity.word,
        "episode": told.episode,
        "verdict": told.verdict,
        "levels": [_level(level) for level in told.levels],
        "ending": None if told.ending is None else _clear(told.ending),
        "steps": [_step(step) for step in told.steps],
        "silence": None if told.silence is None else _silence(told.silence),
        "schedule": None if told.schedule is None else _schedule(told.schedule),
        "muted": None if told.muted is None else _muted(told.muted),
        "overdue": told.overdue,
        "newest": None if told.newest is None else instant_text(told.newest),
        "age_seconds": None if told.newest is None or told.at is None else (told.at - told.newest) / SECOND,
        "gap_seconds": None if told.gap is None else told.gap / SECOND,
        "stale": told.stale,
        "values": dict(told.values),
        "samples": [_samples(one.name, one.count, one.newest) for one in told.samples],
        "notes": list(told.notes),
        "meaning": told.meaning,
        "place": to_builtins(told.place),
    }


def _stored(change: TransitionRow) -> dict[str, Any]:
    """What is on record with the newest change until then, in the units of the rest of the document."""
    record = read_record(change)
    return {
        "number": change.number,
        "condition": record.condition,
        "truth": record.truth,
        "values": dict(record.values),
        "sample_time": None if record.sample_time is None else instant_text(record.sample_time),
        "tree": to_builtins(record.tree),
        "clear": to_builtins(record.clear),
        "samples": [_samples(one.name, one.count, one.newest) for one in record.samples],
        "progress": None if record.progress is None else _progress(record.progress),
        "meaning": record.meaning,
        "place": to_builtins(record.place),
    }


def _level(level: LevelExplained) -> dict[str, Any]:
    return {
        "severity": level.severity.word,
        "condition": level.condition,
        "truth": level.tree.value,
        "tree": to_builtins(level.tree),
        "hold": _progress(level.hold),
        "latched": level.latched,
        "clear": _clear(level.clear),
    }


def _command(told: CommandTold) -> dict[str, Any]:
    """`step` counts from 1; `held` is null of what no guard held."""
    hold = told.hold
    return {
        "id": told.id,
        "name": told.name,
        "key": dict(told.key.labels),
        "state": told.state,
        "detail": told.detail,
        "issued": instant_text(told.issued),
        "updated": instant_text(told.updated),
        "expires": instant_text(told.expires),
        "step": told.step,
        "guard": told.guard or None,
        "held": hold
        and {
            "since": instant_text(hold.since),
            "why": hold.why,
            "ended": None if hold.ended is None else instant_text(hold.ended),
            "decided": hold.decided or None,
        },
    }


def _silence(silence: Silence) -> dict[str, Any]:
    return {
        "progress": _progress(silence.progress),
        "silent_seconds": silence.silent / SECOND,
        "expected": silence.expected,
        "heard": silence.heard,
    }


def _schedule(schedule: ScheduleExplained) -> dict[str, Any]:
    """`changes`: when it opens, if it is closed, else when it closes."""
    changes = None if schedule.changes is None else instant_text(schedule.changes)
    return {"open": schedule.open, "changes": changes, "openings": list(schedule.openings)}


def _muted(muted: MutedExplained) -> dict[str, Any]:
    """`rule` and `keys`: of what is inhibited, whose alerts mute it."""
    keys = [dict(key.labels) for key in muted.keys]
    return {"cause": muted.cause, "words": muted.words, "rule": muted.rule or None, "keys": keys}


def _step(step: StepExplained) -> dict[str, Any]:
    """`tree`: the condition on the message at `message`; of a step that is lacking, on its stream's newest one."""
    return {
        "step": step.text,
        "name": step.name,
        "came": step.came,
        "message": None if step.message is None else instant_text(step.message),
        "labels": dict(step.labels),
        "tree": None if step.tree is None else to_builtins(step.tree),
    }


def _clear(clear: ClearExplained) -> dict[str, Any]:
    """`wanted`: the truth that the tree must have."""
    tree = to_builtins(clear.tree)
    return {"condition": clear.text, "tree": tree, "wanted": clear.wanted, "hold": _progress(clear.progress)}


def _progress(progress: Progress) -> dict[str, Any]:
    wanted = None if progress.wanted is None else progress.wanted / SECOND
    return {"held_seconds": progress.held / SECOND, "wanted_seconds": wanted, "frozen": progress.frozen}


def _samples(name: str, count: int, newest: tuple[tuple[int, Any], ...]) -> dict[str, Any]:
    return {"name": name, "count": count, "newest": [[instant_text(at), value] for at, value in newest]}


def _change(change: TransitionRow) -> dict[str, Any]:
    return {
        "before": change.before,
        "after": change.after,
        "severity": change.severity,
        "episode": change.episode,
        "at": instant_text(change.at),
        "decided": instant_text(change.decided),
        "reason": change.reason,
        "muted": change.muted or None,
        "summary": change.summary,
        "evidence": change.evidence,
    }
