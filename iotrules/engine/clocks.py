"""Devices whose clock is ahead of ours: flagged by an alert of their own until their clock is believed again.

House rule: exactly one raise and one resolve, however many messages come meanwhile. The alert is called `STREAM/clock`,
which no rule of a file can be; it is kept by all captures of the topic, whatever rules are.
"""

from __future__ import annotations

from collections.abc import Iterable

from iotrules.engine.moment import Moment
from iotrules.engine.sources import Source
from iotrules.model.decisions import ActiveAlert, AlertState, Evidence, Transition
from iotrules.model.rules import Severity, clock_name
from iotrules.model.times import duration_words

SEVERITY = Severity.INFO


def note_ahead(source: Source, ahead: int, moment: Moment) -> None:
    """A message came whose time is `ahead` ns ahead of ours, more than the stream allows."""
    if source.ahead:
        return
    source.ahead = ahead
    source.skews = max(moment.sequence, source.skews + 1)  # a batch may hold more than one opening
    _tell(source, AlertState.FIRING, f"its clock is {duration_words(ahead)} ahead of ours", moment)


def note_believed(source: Source, why: str, moment: Moment) -> None:
    """A message came whose time is believed, or nobody will ask any more."""
    if source.ahead:
        _tell(source, AlertState.RESOLVED, why, moment)
        source.ahead = 0


def active_alerts(sources: Iterable[Source]) -> list[ActiveAlert]:
    """The devices whose clock is ahead now."""
    return [
        ActiveAlert(clock_name(source.name[0]), source.key, AlertState.FIRING, SEVERITY)
        for source in sources
        if source.ahead
    ]


def _tell(source: Source, after: AlertState, why: str, moment: Moment) -> None:
    ends = after is AlertState.RESOLVED
    ahead = duration_words(source.ahead)
    summary = f"{source.key.device}: its clock is {ahead} ahead of ours; the time of arrival is used"
    evidence = Evidence(
        f"a clock is ahead of ours by more than {source.name[0]} allows", True, (("ahead", ahead),), None
    )
    moment.state.mark(("seen", source.name))
    transition = Transition(
        clock_name(source.name[0]), source.key, source.skews, 2 * source.skews + ends,
        AlertState.FIRING if ends else AlertState.INACTIVE, after, SEVERITY, moment.now, moment.now, why, summary,
        evidence,
    )  # fmt: skip
    moment.decision.transitions.append(transition)
