"""Findings in ladders: a level that the alert never has, since a higher one is reached whenever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from iotrules.language.linting.cases import TooManyCases, View, cases
from iotrules.language.linting.findings import Finding
from iotrules.language.linting.subjects import RuleSubject
from iotrules.language.unparse import unparse
from iotrules.model.expression import And, Expression, Not, fields, firings, windows
from iotrules.model.rules import NO_HOLD, Hold, Ladder, Rung


def level_findings(subject: RuleSubject) -> Iterator[Finding]:
    """L016, told of the lower level."""
    body = subject.rule.body
    view = View({field.name: field for field in subject.stream.fields})
    rungs = body.rungs if isinstance(body, Ladder) else ()
    for index, lower in enumerate(rungs):
        above = next((rung for rung in rungs[index + 1 :] if _hides(rung, lower, view)), None)
        if above is not None:
            word, when = lower.severity.word, unparse(lower.condition.when)
            message = (
                f"the alert is never {word}: whenever {when} is true, so is {unparse(above.condition.when)}, "
                f"which is {above.severity.word}"
            )
            hint = "a higher level has the narrower condition or the longer for: correct it, or leave one of them out"
            yield subject.written.finding("L016", message, hint, "levels", word, "when")


def _hides(higher: Rung, lower: Rung, view: View) -> bool:
    """Is the higher level latched as long as the lower one is? Where that can't be known, no."""
    one, other = higher.condition, lower.condition
    lasts = one.clear.when is None and other.clear.when is None and other.clear.hold == NO_HOLD
    return lasts and _within(one.hold, other.hold) and _follows(other.when, one.when, view)


def _within(hold: Hold, other: Hold) -> bool:
    if hold.intervals is not None and other.intervals is not None:
        return hold.intervals <= other.intervals
    return hold.nanoseconds is not None and other.nanoseconds is not None and hold.nanoseconds <= other.nanoseconds


def _follows(when: Expression, then: Expression, view: View) -> bool:
    """Is `then` true whenever `when` is? It must read nothing more, which might be missing."""
    known = fields(then) <= fields(when) and set(windows(then)) <= set(windows(when)) and not firings(then)
    with suppress(TooManyCases):
        return known and not cases(And((when, Not(then))), view)
    return False
