"""What was stored with a transition, told wholly: the condition's tree, its samples, the timer, the rule's own lines.

House rule: only what the row holds. Rows of older versions hold less, and what they lack is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from iotrules.engine.explain import shown
from iotrules.model.evidence import Node, Place, Progress, Samples
from iotrules.model.expression import Value
from iotrules.stores.views import TransitionRow
from iotrules.tools.instants import clock_words
from iotrules.tools.why.parts import progress_words, tree_lines

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """The evidence of one transition; None and empty where the row does not say."""

    change: TransitionRow
    condition: str
    truth: bool | None
    values: Mapping[str, Value | None]
    sample_time: int | None
    tree: Node | None
    clear: Node | None
    samples: tuple[Samples, ...]
    progress: Progress | None
    meaning: str
    place: Place | None


def read_record(change: TransitionRow) -> Record:
    """The row's evidence as values; of a part that can't be read nothing is told."""
    found = change.evidence
    return Record(
        change,
        _part(found.get("condition"), str) or "",
        _part(found.get("truth"), bool),
        _part(found.get("values"), dict[str, float | str | bool | None]) or {},
        _part(found.get("sample_time"), int),
        _part(found.get("tree"), Node),
        _part(found.get("clear"), Node),
        _part(found.get("samples"), tuple[Samples, ...]) or (),
        _part(found.get("progress"), Progress),
        _part(found.get("meaning"), str) or "",
        _part(found.get("place"), Place),
    )


def record_lines(change: TransitionRow, now: int, told: str) -> Iterator[str]:
    """The text. `told`: the meaning of the rule whose lines are printed anyway."""
    record = read_record(change)
    yield ""
    yield f"stored with the change of {clock_words(change.at, now)}, {change.before} → {change.after}"
    yield f"  {change.severity}: {record.condition}"
    if record.tree is not None:
        yield from tree_lines(record.tree, 2)
    elif record.values:
        yield "    " + ", ".join(f"{name} {_value(value)}" for name, value in record.values.items())
    if record.clear is not None:
        yield "  clear"
        yield from tree_lines(record.clear, 2)
    if record.progress is not None:
        wanted = record.progress.wanted
        yield f"  for: {'needs no time' if wanted == 0 else progress_words(record.progress)}"
    for one in record.samples:
        yield f"  {_sample_words(one, now)}"
    yield from _place(record, told)


def _place(record: Record, told: str) -> Iterator[str]:
    if record.place is None:
        return
    same = "the rule as it is below" if told and record.meaning == told else ""
    yield f"  by {record.place.file}:{record.place.line} (meaning {record.meaning}){same and f': {same}'}"
    if not same:
        yield from (f"    {line}" for line in record.place.text)


def _sample_words(one: Samples, now: int) -> str:
    newest = ", ".join(f"{shown(value)} at {clock_words(at, now)}" for at, value in one.newest)
    return f"{one.name}: {newest}" if one.count <= len(one.newest) else f"{one.name}: {one.count} samples, … {newest}"


def _value(value: Value | None) -> str:
    return "(missing)" if value is None else shown(value)


def _part(found: object, kind: type[T]) -> T | None:
    try:
        return None if found is None else msgspec.convert(found, kind)
    except msgspec.ValidationError:
        return None
