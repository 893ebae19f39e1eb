"""What a case expected against what happened: failures, each with its place and the timeline around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from iotrules.model.decisions import AlertState, CommandChange, CommandState, Key, Transition
from iotrules.model.times import duration_words
from iotrules.tools.testing.cases import (
    Case,
    Count,
    CountsExpected,
    Expected,
    NoAlertsExpected,
    NothingMoreExpected,
    StateExpected,
)
from iotrules.tools.testing.world import Run, level_name
from iotrules.yamlfile import Place

_BEFORE, _AFTER = 6, 3
"""Lines of a timeline that are shown around the instant in question."""

_EVENTS = (AlertState.FIRING, AlertState.RESOLVED)


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met; `timeline` is what happened around it, a line each."""

    place: Place
    what: str
    expected: str
    seen: str
    timeline: tuple[str, ...]


def judge(case: Case, run: Run, *, words: bool = True) -> list[Failure]:
    """Every failed expectation, and functions that failed. Without `words`, texts for people are not compared."""
    return [
        *_faults(case, run),
        *_unmet(run),
        *(failure for one in case.expected for failure in _judge(one, case, run, words)),
    ]


def _judge(expected: Expected, case: Case, run: Run, words: bool) -> Iterator[Failure]:
    match expected:
        case StateExpected():
            yield from _judge_state(expected, run, words)
        case CountsExpected():
            yield from _judge_counts(expected, case, run)
        case NoAlertsExpected():
            yield from _judge_no_alerts(expected, case, run)
        case NothingMoreExpected():
            yield from _judge_nothing_more(expected, case, run)
        case _:
            assert_never(expected)


def _faults(case: Case, run: Run) -> Iterator[Failure]:
    first = {(fault.what, fault.detail): fault for fault in reversed(run.faults)}
    for fault in sorted(first.values()):
        seen = f"{fault.what} failed at {duration_words(fault.at)}: {fault.detail}"
        yield Failure(case.place, "functions", "each function answers something that can be used", seen, ())


def _unmet(run: Run) -> Iterator[Failure]:
    """Nothing was held where somebody was to decide about it."""
    for one in run.unmet:
        key = " ".join(f"{name}={value}" for name, value in one.key.items())
        what, expected = f"{one.action}_at {duration_words(one.at)}", f"{one.command} is held for {key or '(all)'}"
        held = [changes[0] for changes in run.commands.values() if any(c.state is CommandState.HELD for c in changes)]
        seen = ", ".join(f"{change.name} for {change.key}" for change in held)
        yield Failure(one.place, what, expected, f"held in this case: {seen}" if seen else "nothing was held", ())


def _judge_state(expected: StateExpected, run: Run, words: bool) -> Iterator[Failure]:
    last = _last(run, expected)
    wanted, found = [expected.state.value], [last.after.value if last else AlertState.INACTIVE.value]
    at = run.start + expected.at
    if expected.severity is not None:
        wanted.append(expected.severity.word)
        found.append(last.severity.word if last else expected.severity.word)
    if expected.held is not None:
        wanted.append(f"for {duration_words(expected.held)}")
        found.append(f"for {duration_words(at - _since(run, expected, last))}" if last else "since the start")
    if expected.muted is not None:
        told = expected.muted if isinstance(expected.muted, str) and words else bool(expected.muted)
        wanted.append(_muted_words(told))
        found.append(_muted_words(last.muted if last and isinstance(told, str) else bool(last and last.muted)))
    if expected.because is not None and words:
        wanted.append(f"because {expected.because}")
        said = last.reason if last else ""
        within = expected.because if expected.because and expected.because in said else said
        found.append(f"because {within}" if last else "because of nothing")
    if expected.summary is not None and words:
        wanted.append(f'summary "{expected.summary}"')
        found.append(f'summary "{last.summary}"' if last else "without a summary")
    if wanted != found:
        what = f"{_subject(expected)}, {expected.key}, at {duration_words(expected.at)}"
        timeline = _timeline(run, _subject(expected), expected.key, expected.at)
        yield Failure(expected.place, what, ", ".join(wanted), _seen(found, last, run), timeline)


def _muted_words(muted: str | bool) -> str:
    """As an expectation says it: with the reason where that is looked at."""
    if isinstance(muted, str) and muted:
        return f"muted: {muted}"
    return "muted" if muted else "not muted"


def _seen(found: list[str], last: Transition | None, run: Run) -> str:
    """What was found, and how it came about if that is not said already."""
    text = ", ".join(found)
    if last is None:
        return f"{text}; the rule never moved for this key before then"
    return f"{text}, since {duration_words(last.at - run.start)}" + ("" if last.reason in text else f": {last.reason}")


def _last(run: Run, expected: StateExpected) -> Transition | None:
    """The newest transition of the rule and key at the instant, if there is one."""
    mine = [one for one in _moves(run, _subject(expected), expected.key) if one.at <= run.start + expected.at]
    return mine[-1] if mine else None


def _since(run: Run, expected: StateExpected, last: Transition) -> int:
    """When the alert came to be what it is: to tell people of it again is no change."""
    since = last.at
    for one in reversed(_moves(run, _subject(expected), expected.key)):
        if one.number <= last.number:
            if (one.after, one.severity, one.episode) != (last.after, last.severity, last.episode):
                break
            since = one.at
    return since


def _subject(expected: StateExpected) -> str:
    """The rule, or the level of it, that is looked at."""
    return expected.rule if expected.level is None else level_name(expected.rule, expected.level)


def _moves(run: Run, subject: str, key: Key) -> list[Transition]:
    """The transitions of a rule, or of a level, for a key."""
    return [one for one in (*run.transitions, *run.levels) if one.rule == subject and one.key == key]


def _judge_counts(expected: CountsExpected, case: Case, run: Run) -> Iterator[Failure]:
    timeline = _deliveries(case, run)
    seen = _counted(Counter(name for _, name in _named(case, run, expected.kind)), {})
    if not expected.counts and _named(case, run, expected.kind):
        yield Failure(expected.place, expected.kind, "none", seen, timeline)
    for count in expected.counts:
        found = _matching(case, run, expected.kind, count)
        if found != count.times:
            outcome = "".join(f", {word}" for word in (count.state, count.outcome) if word)
            wanted = f"{count.name}{outcome}: {_times(count.times)}"
            yield Failure(expected.place, expected.kind, wanted, _seen_of(case, run, expected.kind, count), timeline)


def _named(case: Case, run: Run, kind: str) -> list[tuple[int, str]]:
    """(offset, name) of every command or invocation that a rule of the case caused, in order."""
    if kind == "invocations":
        return [(call.at, call.function) for call in run.invocations if case.is_about(call.rule)]
    return [(changes[0].at - run.start, changes[0].name) for changes in _commands(case, run)]


def _commands(case: Case, run: Run) -> list[list[CommandChange]]:
    return [changes for changes in run.commands.values() if case.is_about(changes[0].rule)]


def _matching(case: Case, run: Run, kind: str, count: Count) -> int:
    if kind == "invocations":
        return sum(name == count.name for _, name in _named(case, run, kind))
    return sum(
        changes[-1].name == count.name
        and count.outcome in (None, changes[-1].state.value)
        and (count.state is None or count.state in [change.state.value for change in changes])
        for changes in _commands(case, run)
    )


def _seen_of(case: Case, run: Run, kind: str, count: Count) -> str:
    """All that came by name; where an outcome or a state is asked for, what became of them too."""
    became: dict[str, Counter[str]] = {}
    if count.outcome or count.state:
        for changes in _commands(case, run):
            states = dict.fromkeys(change.state.value for change in changes)
            states.pop(CommandState.REQUESTED.value, None)
            told = " → ".join(states) if count.state else changes[-1].state.value
            became.setdefault(changes[0].name, Counter())[told or CommandState.REQUESTED.value] += 1
    return _counted(Counter(name for _, name in _named(case, run, kind)), became)


def _counted(counts: Counter[str], became: Mapping[str, Counter[str]]) -> str:
    return ", ".join(f"{name}: {_times(times)}{_told(became.get(name))}" for name, times in counts.items()) or "none"


def _told(outcomes: Counter[str] | None) -> str:
    """` (2 succeeded, 1 timed out)`, the most frequent first."""
    if not outcomes:
        return ""
    return f" ({', '.join(f'{number} {outcome}' for outcome, number in outcomes.most_common())})"


def _times(number: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _judge_no_alerts(expected: NoAlertsExpected, case: Case, run: Run) -> Iterator[Failure]:
    for one in run.transitions:
        if one.after is AlertState.FIRING and case.is_about(one.rule):
            at = one.at - run.start
            seen = f"{one.rule}, {one.key}, fired at {duration_words(at)}: {one.reason}"
            yield Failure(expected.place, "alerts", "none", seen, _timeline(run, one.rule, one.key, at))
            return


def _judge_nothing_more(expected: NothingMoreExpected, case: Case, run: Run) -> Iterator[Failure]:
    states = [one for one in case.expected if isinstance(one, StateExpected)]
    alerts = [replace(one, level=None) for one in states]
    known = [found for one in alerts if (found := _last(run, one)) and found.after is one.state]
    for transition in run.transitions:
        if not case.is_about(transition.rule):
            continue
        if transition.after in _EVENTS and not any(transition is one for one in known):
            at = transition.at - run.start
            seen = f"{transition.rule}, {transition.key}, {transition.after.value} at {duration_words(at)}"
            timeline = _timeline(run, transition.rule, transition.key, at)
            yield Failure(
                expected.place, "nothing more", "only what is expected", f"{seen}: {transition.reason}", timeline
            )
    for kind in ("commands", "invocations"):
        listed = {count.name for one in case.expected if isinstance(one, CountsExpected) for count in one.counts}
        more = Counter(name for _, name in _named(case, run, kind) if name not in listed)
        if more:
            seen = f"{kind}: {_counted(more, {})}"
            yield Failure(expected.place, "nothing more", "only what is expected", seen, _deliveries(case, run))


def _timeline(run: Run, rule: str, key: Key, at: int) -> tuple[str, ...]:
    """What the rule did for the key around an instant, with restarts."""
    lines = [(one.at - run.start, f"{one.after.value:9} {one.reason}") for one in _moves(run, rule, key)]
    lines += [(one.at, f"restart, {duration_words(one.down)} down" if one.down else "restart") for one in run.restarts]
    lines.sort(key=lambda line: line[0])
    before = [line for line in lines if line[0] <= at][-_BEFORE:]
    after = [line for line in lines if line[0] > at][:_AFTER]
    return _shown([*before, (at, "←"), *after] if lines else [])


def _deliveries(case: Case, run: Run) -> tuple[str, ...]:
    """Every command and invocation, in order."""
    lines = [(at, f"command {name}") for at, name in _named(case, run, "commands")]
    lines += [(at, f"invoked {name}") for at, name in _named(case, run, "invocations")]
    return _shown(sorted(lines, key=lambda line: line[0])[: 2 * _BEFORE])


def _shown(lines: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(f"{duration_words(at):>8}  {text}" for at, text in lines)
