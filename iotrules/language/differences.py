"""What differs between two steps, streams, conditions or texts: each part as it was and as it will be.

House rule: what differs is told with other words on both sides; where the words would be the same, what stands behind
them is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from iotrules.language.unparse import unparse
from iotrules.language.written import (
    Keys,
    field_keys,
    mapping,
    same_text,
    shape_text,
    step_head,
    step_keys,
    step_text,
    time_keys,
)
from iotrules.model.expression import Expression, Firing, Function, Members, Number, Outlier, Window, children
from iotrules.model.rules import Field, Step, Stream
from iotrules.model.times import duration_words

_SHOWN, _AROUND = 200, 40
"""Characters of a long text that are shown, and how many of them before what differs."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of a rule: the key as it stands in rule files, and what it was and is (empty: nothing)."""

    part: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.part}: {self.before or 'nothing'} → {self.after or 'nothing'}"


def different(part: str, was: str, is_: str) -> Iterator[Difference]:
    """Two texts; of long ones that part which differs."""
    if was != is_:
        same = next((at for at, (one, other) in enumerate(zip(was, is_, strict=False)) if one != other), None)
        begin = max(0, (min(len(was), len(is_)) if same is None else same) - _AROUND)
        begin = begin if max(len(was), len(is_)) > _SHOWN else 0
        yield Difference(part, _cut(was, begin), _cut(is_, begin))


def _cut(text: str, begin: int) -> str:
    head = "…" if begin and text else ""
    return head + (text[begin:] if len(text) - begin <= _SHOWN else text[begin : begin + _SHOWN - 1] + "…")


def different_keys(part: str, was: Keys | None, is_: Keys | None) -> Iterator[Difference]:
    """Two mappings key by key; as a whole where there is only one of them (None: there is none)."""
    if was is None or is_ is None:
        yield from different(part, *("" if one is None else mapping(one) or "{}" for one in (was, is_)))
        return
    for key in dict.fromkeys((*was, *is_)):
        yield from different(f"{part}: {key}", was.get(key, ""), is_.get(key, ""))


def different_steps(was: tuple[Step, ...], is_: tuple[Step, ...]) -> Iterator[Difference]:
    """The steps of `do`, by their place in what they will be (of those that go, in what they were)."""
    matches = SequenceMatcher(None, [step_head(one) for one in was], [step_head(one) for one in is_], autojunk=False)
    for _, begin, end, new_begin, new_end in matches.get_opcodes():
        old, new = was[begin:end], is_[new_begin:new_end]
        if [step_head(one) for one in old] == [step_head(one) for one in new]:
            for place, (one, other) in enumerate(zip(old, new, strict=True), new_begin + 1):
                yield from different_keys(f"do {place}, {step_head(other)}", step_keys(one), step_keys(other))
            continue
        yield from (Difference(f"do {place}", step_text(one), "") for place, one in enumerate(old, begin + 1))
        yield from (Difference(f"do {place}", "", step_text(one)) for place, one in enumerate(new, new_begin + 1))


def different_whens(part: str, was: Expression, is_: Expression) -> Iterator[Difference]:
    """Two conditions; where they read alike, what their words stand for. Not how long members' values count."""
    if (before := unparse(was)) != (after := unparse(is_)):
        yield from different(part, before, after)
    elif was != is_:
        yield from _behind(part, was, is_)


def _behind(part: str, was: Expression, is_: Expression) -> Iterator[Difference]:
    """Of two trees with the same words."""
    match was, is_:
        case Number(value=before, text=text), Number(value=after):
            yield from different(f"{part}: {text}, in the field's unit", f"{before:g}", f"{after:g}")
        case Firing(same=before_same), Firing(same=after_same):
            yield from different(f"{part}: {unparse(was)}, same", same_text(before_same), same_text(after_same))
        case Function(zone=before_zone), Function(zone=after_zone) if before_zone and after_zone:
            shapes = (shape_text(before_zone.shape), shape_text(after_zone.shape))
            yield from different(f"zone {after_zone.name}", *shapes)
        case Window(kind=Outlier() as old), Window(kind=Outlier() as new):
            fresh = (duration_words(one.duration) for one in (was, is_))
            yield from different(f"{part}: {unparse(was)}, fresh", *fresh)
            yield from different(f"{part}: {unparse(was)}, by", same_text(old.by), same_text(new.by))
    for one, other in zip(children(was), children(is_), strict=False):
        yield from _behind(part, one, other)


def different_members(was: Iterable[Window], is_: Iterable[Window]) -> Iterator[Difference]:
    """How long values of members count and how many there must be, of the aggregates over members of two rules."""
    old, new = ({one.kind: one for one in some if isinstance(one.kind, Members)} for some in (was, is_))
    before, after = next(iter(old.values()), None), next(iter(new.values()), None)
    if before is not None and after is not None:
        yield from different("fresh", duration_words(before.duration), duration_words(after.duration))
        yield from different("min_members", str(before.min_samples), str(after.min_samples))


def different_streams(was: Stream, is_: Stream, read: frozenset[str], *, pace: bool) -> Iterator[Difference]:
    """What a rule that reads these fields depends on; `pace`: also on how often messages come and are looked at."""
    part = f"stream {is_.name}"
    yield from different(f"{part}: topic", was.topic.text, is_.topic.text)
    times = (None if one.time is None else time_keys(one.time) for one in (was, is_))
    yield from different_keys(f"{part}: time", *times)
    if pace:
        yield from different_keys(part, _pace(was), _pace(is_))
    before, after = ({field.name: field for field in one.fields} for one in (was, is_))
    for name in sorted(read):
        yield from different_keys(f"{part}: field {name}", _field(before.get(name)), _field(after.get(name)))


def _field(field: Field | None) -> Keys | None:
    return None if field is None else field_keys(field)


def _pace(stream: Stream) -> Keys:
    keys = ("interval", "fresh", "max_gap", "every")
    found = {name: duration_words(value) for name in keys if (value := getattr(stream, name)) is not None}
    found |= {} if stream.max_samples is None else {"max_samples": str(stream.max_samples)}
    return found | ({"partial": "true"} if stream.partial else {})
