"""Findings in conditions: what raises and clears at once, what never or always holds, what flaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import product

from iotrules.language.linting.cases import Case, TooManyCases, View, cases, together
from iotrules.language.linting.findings import Finding
from iotrules.language.linting.subjects import Path, Raising, RuleSubject, awaited, raisings
from iotrules.language.linting.values import described, shown
from iotrules.language.unparse import unparse
from iotrules.model.expression import And, Comparison, Expression, Membership, Not, Or, children, fields, windows
from iotrules.model.rules import NO_HOLD

_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_WORD = re.compile(r"\w+")


def condition_findings(subject: RuleSubject) -> Iterator[Finding]:
    """L001, L002, L006 and L007."""
    known = {field.name: field for field in subject.stream.fields}
    for raising in raisings(subject):
        yield from _flapping(subject, raising)
        yield from _constant_parts(subject, raising.when, raising.when_path, View(known))
        for ending in raising.endings:
            if ending.when is not None:
                yield from _both_at_once(subject, raising.when, ending.when, ending.when_path, View(known, steady=True))
                yield from _constant_parts(subject, ending.when, ending.when_path, View(known))
    for step in awaited(subject):
        view = View({field.name: field for field in step.stream.fields})
        yield from _constant_parts(subject, step.when, step.path, view)


def _both_at_once(
    subject: RuleSubject, when: Expression, clear: Expression, path: Path, view: View
) -> Iterator[Finding]:
    with suppress(TooManyCases):
        pairs = product(cases(when, view), cases(clear, view))
        shared = next((at for one, other in pairs if (at := _shared(one, other, view))), None)
        if shared is None:
            return
        example = " and ".join(f"{name} at {shown(values)}" for name, values in shared.items())
        message = f"{example} both raises the alert ({unparse(when)}) and clears it ({unparse(clear)})"
        hint = "when beats clear, so a part of clear does nothing: have it begin beyond the line that raises"
        yield subject.written.finding("L001", message, hint, *path)


def _shared(one: Case, other: Case, view: View) -> Case:
    """What the quantities that both cases speak of can be, if both cases can be at once.

    Nothing where each speaks of the same field in a way of its own (`a < 0.7 * b`, `a > 0.8 * b`): that may exclude it.
    """
    joined = together(one, other) or {}
    if _read(one.keys() - other.keys(), view) & _read(other.keys() - one.keys(), view):
        return {}
    return {name: values for name, values in joined.items() if name in one and name in other}


def _read(names: Iterable[str], view: View) -> set[str]:
    """The fields that quantities of these names may read."""
    return {word for name in names for word in _WORD.findall(name) if word in view.fields}


def _flapping(subject: RuleSubject, raising: Raising) -> Iterator[Finding]:
    steadied = any(
        ending.hold != NO_HOLD or (ending.when is not None and not _is_opposite(ending.when, raising.when))
        for ending in raising.endings
    )
    if not steadied and _has_line(raising.when):
        message = "the alert ends and begins again each time the value crosses the line back and forth"
        hint = "say clear: with a line of its own, or clear: {for: …}"
        yield subject.written.finding("L002", message, hint, *raising.when_path)


def _is_opposite(one: Expression, other: Expression) -> bool:
    """Is one comparison true just where the other is not? Then a `clear` leaves no room between them."""
    if not isinstance(one, Comparison) or not isinstance(other, Comparison) or len(one.operators) > 1:
        return False
    alike = [unparse(operand, canonical=True) for operand in one.operands]
    return (
        alike == [unparse(operand, canonical=True) for operand in other.operands]
        and (_OPPOSITE[one.operators[0]],) == other.operators
    )


def _has_line(node: Expression) -> bool:
    """Whether something is compared by size."""
    here = isinstance(node, Comparison) and not {"==", "!="}.issuperset(node.operators)
    return here or any(_has_line(child) for child in children(node))


def _constant_parts(subject: RuleSubject, node: Expression, path: Path, view: View) -> Iterator[Finding]:
    """What is the same for all values that can arrive: the part that makes it so, if one alone does."""
    constant = _always(node, view)
    parts = children(node) if isinstance(node, (And, Or, Not)) else ()
    if constant is not None:
        alone = isinstance(node, Or if constant else And)
        parts = tuple(part for part in parts if alone and _always(part, view) is constant)
    for part in parts:
        yield from _constant_parts(subject, part, path, view)
    if constant is not None and not parts:
        text, code, word = unparse(node), *(("L007", "always") if constant else ("L006", "never"))
        hint = "leave it out" if constant else "correct it, or the field's range or one_of"
        message = f"{text} is {word} true: {_why(node, constant, view)}"
        yield subject.written.finding(code, message, hint, *path, part=text)


def _why(node: Expression, constant: bool, view: View) -> str:
    together = "its parts leave nothing out" if constant else "its parts exclude each other"
    reasons = [together] if isinstance(node, (And, Or, Not)) else []
    return ", ".join([*reasons, *_known(node, view)]) or together


def _always(node: Expression, view: View) -> bool | None:
    """True or False if the condition is that whenever it is known."""
    with suppress(TooManyCases):
        if not cases(node, view):
            return False
        if not cases(node, view, truth=False):
            return True
    return None


def _known(node: Expression, view: View) -> list[str]:
    """What is known of the quantities that are compared: `temp is from -40 to 150`."""
    pairs = ((unparse(part), described(view.values(part))) for part in _compared(node))
    return list(dict.fromkeys(f"{name} is {words}" for name, words in pairs if words))


def _compared(node: Expression) -> Iterator[Expression]:
    match node:
        case Comparison(operands=operands):
            yield from (operand for operand in operands if fields(operand) or windows(operand))
        case Membership(operand=operand):
            yield operand
        case And() | Or() | Not():
            for child in children(node):
                yield from _compared(child)
