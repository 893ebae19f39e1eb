"""The one line that people read when a rule fires."""

from __future__ import annotations

from iotrules.language.attributes import attribute_slots, slot_fault
from iotrules.language.parts import Part
from iotrules.language.substitution import filled, slot_types
from iotrules.language.syntax import ExpressionError
from iotrules.language.templates import template
from iotrules.language.typed import Scope
from iotrules.language.words import BUILT_IN_SLOTS
from iotrules.model.rules import Absence, Condition, FieldType, Hold, Ladder, Slot, Stream, Template
from iotrules.model.sequences import Sequence, sequence_text
from iotrules.model.times import duration_words


def read_summary(part: Part, text: str | None, scope: Scope) -> Template | None:
    """The rule's own summary, or None if it has none or one with a problem, which is noted."""
    if text is None:
        return None
    try:
        return read_template(text, scope)
    except ExpressionError as error:
        part.wrong_inside(error, "summary")
        return None


def read_template(text: str, scope: Scope) -> Template:
    """A text with slots for what a rule knows when it fires. ExpressionError at the slot that is wrong."""
    names = dict.fromkeys((*scope.labels, *BUILT_IN_SLOTS), FieldType.TEXT)
    names |= {name: field.type for name, field in scope.fields.items()}
    names |= slot_types(scope.arguments, scope.fields)
    names |= attribute_slots(scope, text)
    if scope.voting is not None:
        names.setdefault("members", FieldType.TEXT)
    return filled(template(text, names, lambda name: slot_fault(scope, name)), scope.arguments)


def read_label_template(text: str, scope: Scope) -> Template:
    """The same with slots for the labels of the rule's key alone."""
    names = dict.fromkeys(scope.labels, FieldType.TEXT) | slot_types(scope.arguments, {})
    return filled(template(text, names), scope.arguments)


def default_summary(stream: Stream, by: tuple[str, ...], body: Condition | Ladder | Absence | Sequence) -> Template:
    """`{device}: temp > 85`, with the last label where no label is called device."""
    label = "device" if "device" in by else by[-1] if by else ""
    said = _said(stream, body)
    return Template((Slot(label, ""), f": {said}") if label else (said,))


def _said(stream: Stream, body: Condition | Ladder | Absence | Sequence) -> str:
    match body:
        case Condition(text=text):
            return text
        case Ladder(rungs):
            return rungs[0].condition.text
        case Absence(hold):
            return f"no message on {stream.name} for {_words(hold)}"
        case Sequence():
            return sequence_text(body)


def _words(hold: Hold) -> str:
    if hold.intervals is not None:
        return f"{hold.intervals:g} intervals"
    return duration_words(hold.nanoseconds or 0)
