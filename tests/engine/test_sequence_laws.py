"""Laws of sequences: a match by its definition, stored state, order of rules; against oracles that know no runs."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.sequences import (
    Event,
    Fits,
    Message,
    SequenceRun,
    SequenceState,
    Turn,
    next_deadline,
    pass_deadline,
    settle,
    take,
)
from iotrules.model.decisions import Transition
from iotrules.model.inputs import Tick
from iotrules.model.sequences import EventPattern, Forbidden, Matching, Sequence, SequenceStep
from iotrules.model.times import SECOND
from tests.end_to_end.processes import REPOSITORY
from tests.engine.building import Building

WITHIN = 10
CLEAR = EventPattern("never", None, "never")


class Sent(NamedTuple):
    """A message: its place in the feed, its time, the letter that steps look for, and a mark that they may share."""

    number: int
    at: int
    letter: str
    mark: int = 0


class Match(NamedTuple):
    """The messages of its steps, and when it fired."""

    sent: tuple[Sent, ...]
    at: int


def sequence(letters: str, matching: Matching, before: int | None = None) -> Sequence:
    """`axb`: a, then b, without x between them; y stands for a b that must not come; capitals look back `before`.

    `ab0`: a, then a b with the mark of step 0.
    """
    steps: list[SequenceStep] = []
    without: list[Forbidden] = []
    for index, (letter, number) in enumerate(re.findall(r"([A-Za-z])(\d?)", letters)):
        pattern = EventPattern("s", None, letter.lower().replace("y", "b") + number, (number,) if number else ())
        if letter.lower() in "xy":
            without.append(Forbidden(pattern, len(steps), before if letter.isupper() else None, index))
        else:
            steps.append(SequenceStep(pattern, "", index))
    return Sequence(tuple(steps), tuple(without), WITHIN, matching, CLEAR)


_marks = st.integers(0, 1)
_feed = st.lists(st.tuples(st.sampled_from([0, 0, 1, 1, 2, 5]), st.sampled_from("aabbcx"), _marks), max_size=14)
LETTERS = [
    "ab", "aa", "abc", "aab", "axb", "abx", "axbx", "abX", "aXb", "ax", "aX", "abxc", "aba", "axbc", "aXbc",
    "ayc", "ayb", "aby", "aYb", "aYbc", "aYxc", "abY",
    "ab0", "aa0", "ab0c0", "ab0c1", "abc0", "ax0b", "abx1", "abx0c1", "ab0xc", "ay0b", "ay0b0", "aby1", "ab0X",
]  # fmt: skip
_matching = st.sampled_from(Matching)
_before = st.integers(1, 8)


def sent(feed: list[tuple[int, str, int]]) -> list[Sent]:
    at, found = 0, []
    for number, (gap, letter, mark) in enumerate(feed):
        at += gap
        found.append(Sent(number, at, letter, mark))
    return found


def fits(pattern: EventPattern, one: Sent, marks: list[Any]) -> bool:
    """Is the message what the pattern is about, beside steps with these marks?"""
    letter, number = pattern.text[0], pattern.text[1:]
    return one.letter == letter and (not number or marks[int(number)] == one.mark)


def message(wanted: Sequence, one: Sent) -> Message:
    steps = frozenset(place for place, step in enumerate(wanted.steps) if step.pattern.text[0] == one.letter)
    without = frozenset(place for place, x in enumerate(wanted.without) if x.pattern.text[0] == one.letter)
    values: dict[int, Any] = {step: {"number": float(one.number), "mark": float(one.mark)} for step in steps}

    def agrees(pattern: EventPattern, come: tuple[Event, ...]) -> bool:
        return fits(pattern, one, [event.values["mark"] for event in come])

    return Message(one.at, one.at, Fits(steps, without, False, agrees), values, {})


def play(wanted: Sequence, feed: list[Sent], *, stored: bool = False) -> list[Match]:
    """All matches. Each alert is ended at once, so that none hides the next."""
    state = SequenceState()
    found: list[Match] = []

    def note(turn: Turn, at: int) -> None:
        if turn is Turn.MATCHED:
            assert state.match is not None
            found.append(Match(_messages(state.match, feed), at))
            settle(state)

    for one in feed:
        while (due := next_deadline(wanted, state)) is not None and due < one.at:
            note(pass_deadline(wanted, state, due), due)
        for turn in take(wanted, state, message(wanted, one)):
            note(turn, one.at)
        if stored:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=SequenceState)
    while (due := next_deadline(wanted, state)) is not None:
        note(pass_deadline(wanted, state, due), due)
    return found


def _messages(run: SequenceRun, feed: list[Sent]) -> tuple[Sent, ...]:
    return tuple(feed[int(float(event.values["number"] or 0.0))] for event in run.events)


def forbidden(wanted: Sequence, chain: list[Sent], feed: list[Sent], upto: Sent | None) -> bool:
    """Did what must not come come, by the definition: in the time of each `without`, from its begin to its end?"""
    first = chain[0]
    for x in wanted.without:
        begin = first if x.before is not None else chain[x.after - 1] if x.after <= len(chain) else None
        end = chain[x.after] if x.after < len(chain) else None
        for one in feed:
            hit = fits(x.pattern, one, [step.mark for step in chain])
            back = x.before is not None and one.number < first.number and first.at - one.at <= x.before
            behind = begin is not None and one.number > begin.number and one.at <= first.at + WITHIN
            over = (end is not None and one.number >= end.number) or (upto is not None and one.number > upto.number)
            if hit and (back or (behind and not over)):
                return True
    return False


def by_definition(wanted: Sequence, feed: list[Sent]) -> list[Match]:
    """`every`: from each first step, the next message of each step in turn; who comes first takes its messages."""
    candidates = []
    for first in (one for one in feed if one.letter == wanted.steps[0].pattern.text):
        chain = [first]
        for step in wanted.steps[1:]:
            if len(chain) == wanted.steps.index(step):
                marks = [one.mark for one in chain]
                later = (one for one in feed if one.number > chain[-1].number)
                following = (one for one in later if fits(step.pattern, one, marks))
                chain += [one for one in [next(following, None)] if one and one.at <= first.at + WITHIN]
        if len(chain) == len(wanted.steps) and not forbidden(wanted, chain, feed, None if wanted.waits else chain[-1]):
            at = first.at + WITHIN if wanted.waits else chain[-1].at
            candidates.append(Match(tuple(chain), at))
    found: list[Match] = []
    for one in sorted(candidates, key=lambda match: (match.at, match.sent[-1].number, match.sent[0].number)):
        if not any(set(one.sent) & set(other.sent) for other in found):
            found.append(one)
    return found


@pytest.mark.parametrize("letters", LETTERS)
@settings(max_examples=150, deadline=None)
@given(_feed, _before)
def test_every_finds_what_the_definition_finds(letters: str, feed: list[tuple[int, str, int]], before: int) -> None:
    """Of matches at one instant no order is defined."""
    wanted = sequence(letters, Matching.EVERY, before)
    found, defined = play(wanted, sent(feed)), by_definition(wanted, sent(feed))
    assert [one.at for one in found] == [one.at for one in defined]
    assert sorted(found, key=_numbers) == sorted(defined, key=_numbers)


def _numbers(match: Match) -> list[int]:
    return [one.number for one in match.sent]


@settings(max_examples=600, deadline=None)
@given(_feed, st.sampled_from(LETTERS), _matching, _before)
def test_a_match_is_one_by_definition(
    feed: list[tuple[int, str, int]], letters: str, matching: Matching, before: int
) -> None:
    wanted, messages = sequence(letters, matching, before), sent(feed)
    found = play(wanted, messages)
    for match in found:
        chain = list(match.sent)
        assert [one.letter for one in chain] == [step.pattern.text[0] for step in wanted.steps]
        marks = [one.mark for one in chain]
        assert all(fits(step.pattern, one, marks) for step, one in zip(wanted.steps, chain, strict=True))
        assert all(one.number < other.number for one, other in pairwise(chain))
        assert chain[-1].at - chain[0].at <= WITHIN
        assert not forbidden(wanted, chain, messages, None if wanted.waits else chain[-1])
        assert match.at == (chain[0].at + WITHIN if wanted.waits else chain[-1].at)
    used = [one for match in found for one in match.sent]
    assert len(used) == len(set(used))
    assert [match.at for match in found] == sorted(match.at for match in found)


def _told(cell: str) -> list[tuple[str, ...]]:
    """`d0 m1`, `d2 m3` as ("d0", "m1"), ("d2", "m3"); words without backquotes are none."""
    return [tuple(match.split()) for match in re.findall(r"`([^`]+)`", cell.partition(":")[0])]


def test_the_table_of_the_manual_is_true() -> None:
    text = (REPOSITORY / "docs" / "rules.md").read_text()
    rows = re.findall(r"^\| (`d0.*?) \| (.*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    assert len(rows) == 4
    for messages, *cells in rows:
        ((names),) = _told(messages)
        feed = [Sent(n, int(name[1:]) // 3, "ab"["dm".index(name[0])]) for n, name in enumerate(names)]
        for matching, cell in zip(Matching, cells, strict=True):
            found = play(sequence("ab", matching), feed)
            assert [tuple(names[one.number] for one in match.sent) for match in found] == _told(cell), (
                messages,
                matching,
            )


def two_steps(feed: list[Sent], matching: Matching, *, between: bool) -> list[Match]:
    """a, then b, perhaps without x between them: one a waits, and a new one takes its place or does not."""
    found: list[Match] = []
    waiting: Sent | None = None
    for one in feed:
        alive = waiting is not None and one.at - waiting.at <= WITHIN
        if one.letter == "a" and (matching is Matching.NEWEST or not alive):
            waiting = one
        elif one.letter == "x" and between:
            waiting = None
        elif one.letter == "b" and waiting is not None:
            found += [Match((waiting, one), one.at)] if alive else []
            waiting = None
    return found


@settings(max_examples=400, deadline=None)
@given(_feed, st.sampled_from([Matching.NEWEST, Matching.FIRST]), st.booleans())
def test_newest_and_first_have_one_waiting_run(
    feed: list[tuple[int, str, int]], matching: Matching, between: bool
) -> None:
    wanted = sequence("axb" if between else "ab", matching)
    assert play(wanted, sent(feed)) == two_steps(sent(feed), matching, between=between)


@settings(max_examples=300, deadline=None)
@given(_feed, st.sampled_from(LETTERS), _matching, _before)
def test_runs_that_were_stored_after_each_message_equal_runs_that_were_not(
    feed: list[tuple[int, str, int]], letters: str, matching: Matching, before: int
) -> None:
    wanted = sequence(letters, matching, before)
    assert play(wanted, sent(feed), stored=True) == play(wanted, sent(feed))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-4, 6), st.sampled_from("abcx"), _marks), max_size=12),
    st.sampled_from(LETTERS),
    _matching,
    _before,
)
def test_what_is_late_changes_nothing(
    feed: list[tuple[int, str, int]], letters: str, matching: Matching, before: int
) -> None:
    wanted, messages = sequence(letters, matching, before), sent(feed)
    state = SequenceState()
    kept: list[Sent] = []
    for one in messages:
        stored = msgspec.msgpack.encode(state)
        while (due := next_deadline(wanted, state)) is not None and due < one.at:
            pass_deadline(wanted, state, due)
        late = Turn.LATE in take(wanted, state, message(wanted, one))
        assert not late or msgspec.msgpack.encode(state) == stored
        kept += [] if late else [one]
    anew = SequenceState()
    for one in kept:
        while (due := next_deadline(wanted, anew)) is not None and due < one.at:
            pass_deadline(wanted, anew, due)
        take(wanted, anew, message(wanted, one))
    assert anew == state


RULES = """
  entry:
    by: [site]
    sequence:
      - first: door where state == "open"
      - then: motion where seen
      - without: {stream: badge, where: granted, before: 20s}
    within: 30s
    do: [{invoke: call_guard}, {at: resolved, invoke: call_guard}]
  thrice:
    sequence:
      - first: door where state == "open"
      - then: door where state == "open"
      - then: door where state == "open"
    within: 40s
    matching: every
    clear: state == "closed"
  same-door:
    by: [site]
    sequence:
      - {first: door where state == "open" and temp > 3, as: opened}
      - {then: door where device == opened.device and temp > opened.temp + 1, as: warmer}
      - without: door where state == "closed" and device == warmer.device
    within: 30s
    matching: every
    clear: door where state == "closed" and device == opened.device
  ajar: {by: [site], sequence: [{first: door where temp > 3}, {without: motion}], within: 25s, matching: first}
  hot: {from: door, when: temp > 5, for: 10s}
"""
_message = st.tuples(
    st.integers(0, 15),
    st.sampled_from([
        ("door", {"state": "open"}), ("door", {"state": "closed"}), ("door", {"temp": 4}), ("door", {"temp": 7}),
        ("door", {"state": "open", "temp": 4}), ("door", {"state": "open", "temp": 7}),
        ("motion", {"seen": True}), ("motion", {}), ("badge", {"granted": True}), ("badge", {"granted": None}),
    ]),
    st.sampled_from(["d1", "d2"]),
    st.sampled_from([0, 0, 0, 7]),
)  # fmt: skip
_messages_of_a_building = st.lists(_message, max_size=20)


def _building(feed: list[Any], rules: str = RULES, **options: Any) -> Building:
    world, at = Building(rules, **options), 0
    for gap, (stream, values), device, early in feed:
        at += gap
        world.tell(max(0, at - early), stream, device, lag=min(early, at), **values)
    world.pass_time(at + 200)
    return world


@settings(max_examples=60, deadline=None)
@given(_messages_of_a_building, st.integers(1, 4))
def test_an_engine_that_was_stored_and_restored_equals_one_that_was_not(feed: list[Any], every: int) -> None:
    whole, torn = _building(feed), _building(feed, restart_every=every)
    assert torn.transitions() == whole.transitions()
    assert torn.effects() == whole.effects()
    assert len(set(whole.effects())) == len(whole.effects())


@settings(max_examples=60, deadline=None)
@given(_messages_of_a_building)
def test_the_order_of_rules_does_not_matter(feed: list[Any]) -> None:
    rules = re.split(r"^(?=  \w)", RULES.lstrip("\n"), flags=re.MULTILINE)[1:]
    assert len(rules) == 5
    one, other = _building(feed, "\n" + "".join(rules)), _building(feed, "\n" + "".join(reversed(rules)))
    order = attrgetter("rule", "key.text", "number")
    assert sorted(map(_anywhere, one.transitions()), key=order) == sorted(
        map(_anywhere, other.transitions()), key=order
    )


def _anywhere(change: Transition) -> Transition:
    """The transition without the lines that its rule stands in."""
    return replace(change, evidence=replace(change.evidence, place=None))


@settings(max_examples=60, deadline=None)
@given(_messages_of_a_building)
def test_a_clock_that_goes_back_fires_nothing(feed: list[Any]) -> None:
    world = _building(feed)
    told = len(world.transitions())
    world.now -= 3600 * SECOND
    world.put(Tick())
    assert len(world.transitions()) == told
