"""A plan for people: what changes, what becomes of what is remembered, what happens now and would have happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from iotrules.language.comparing import Kind, RuleChange
from iotrules.model.times import duration_words, rough_words
from iotrules.tools.instants import clock_words
from iotrules.tools.plan.episodes import EpisodeChange
from iotrules.tools.plan.live import LiveChange, LiveEffect
from iotrules.tools.plan.making import Past, Plan
from iotrules.tools.plan.past import Episode
from iotrules.tools.plan.state import StateEffect

SHOWN = 20
"""Alerts listed of one kind; a program gets all of them by --json."""

_SIGNS = {"added": "+", "removed": "-", "meaning": "~", "part": "~", "action": "~", "words": " "}
_KINDS: dict[Kind, str] = {
    "added": "added",
    "removed": "removed",
    "meaning": "changed in meaning",
    "part": "changed in part",
    "action": "does something else",
    "words": "only words are changed",
}
_LIVE = {"ends": "would end", "fires": "would fire", "pends": "would be pending", "moves": "would change severity"}


def lines(plan: Plan) -> list[str]:
    """The text, line by line."""
    return [line.rstrip() for line in _lines(plan)]


def _lines(plan: Plan) -> Iterator[str]:
    yield f"rules: {_summary(plan)}"
    for change in plan.changes:
        yield from _rule(change)
    yield from _section("what is remembered", [line for one in plan.state for line in _state(one)])
    yield from _section("at once, on the newest values", [*_live(plan.live), *_effects(plan.effects)])
    yield from ("", *_past(plan.past, plan.now))
    yield from ("", "alerts or state would differ" if plan.differs else "no difference in alerts or state")


def _section(title: str, found: list[str]) -> Iterator[str]:
    yield ""
    yield f"{title}:" if found else f"{title}: nothing changes"
    yield from (f"  {line}" for line in found)


def _summary(plan: Plan) -> str:
    if not plan.changes:
        return f"none of {plan.rules} is changed"
    counts = Counter(change.kind for change in plan.changes)
    return ", ".join(f"{counts[kind]} {words}" for kind, words in _KINDS.items() if counts[kind])


def _rule(change: RuleChange) -> Iterator[str]:
    yield f"  {_SIGNS[change.kind]} {change.rule}: {_KINDS[change.kind]}"
    yield from (f"      {part}" for part in change.differences)


def _state(one: StateEffect) -> Iterator[str]:
    alerts = f" ({one.firing} firing, {one.pending} pending)" if one.firing or one.pending else ""
    keys = f"{one.keys} key{'' if one.keys == 1 else 's'}"
    fate = {"kept": "is kept", "reset in part": "begins anew in part", "reset": "begins anew", "dropped": "is dropped"}[
        one.fate
    ]
    yield f"{one.rule}: state of {keys}{alerts} {fate}: {one.why}"
    yield from (f"    its window ({name}) begins anew" for name in one.windows)


def _live(changes: tuple[LiveChange, ...]) -> Iterator[str]:
    for one in changes[:SHOWN]:
        stale = "" if one.silent_for is None else f" (its newest values are {rough_words(one.silent_for)} old)"
        yield f"{_LIVE[one.what]}: {one.rule} for {one.key}, {one.severity}: {one.reason}{stale}"
    yield from _more(len(changes))


def _effects(effects: tuple[LiveEffect, ...]) -> Iterator[str]:
    for one in effects[:SHOWN]:
        yield f"would {'invoke' if one.kind == 'invoke' else 'send to'} {one.target} for {one.key}"
    yield from _more(len(effects))


def _more(number: int) -> Iterator[str]:
    if number > SHOWN:
        yield f"… and {number - SHOWN} more"


def _past(past: Past, now: int) -> Iterator[str]:
    if past.begin is None or past.end is None:
        yield "on the past: no telemetry of that time is kept"
        return
    span = f"{clock_words(past.begin, now)} to {clock_words(past.end, now)}"
    yield f"on the past, {span}, {past.messages} messages: {past.episodes_before} → {past.episodes_after} episodes"
    for change in past.changes[:SHOWN]:
        yield f"  {_episode_change(change, now)}"
    yield from (f"  {line}" for line in _more(len(past.changes)))
    for name in past.not_played:
        yield f"  stream {name} was not played: the rules don't have it, or its topic has other labels"


def _episode_change(change: EpisodeChange, now: int) -> str:
    head = f"{change.rule} for {change.key}"
    if change.before is None and change.after is not None:
        return f"+ {head}: {_episode(change.after, now)}"
    if change.after is None and change.before is not None:
        return f"- {head}: {_episode(change.before, now)}"
    told = [_episode(one, now) for one in (change.before, change.after) if one is not None]
    return f"~ {head}: {' → '.join(told)}"


def _episode(one: Episode, now: int) -> str:
    lasted = "still open" if one.closed is None else duration_words(one.closed - one.opened)
    return f"{clock_words(one.opened, now)}, {lasted}, {one.severity.word}"
