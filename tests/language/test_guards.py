"""`only`, `cooldown`, `flapping`, `inhibit` and `downtime` as they are written: what they mean, and what is refused."""

from __future__ import annotations

import pytest

from iotrules.model.guards import CONTINUE, FLAPPING, Downtime, Flapping, Inhibit, Muting, OnStop, Opening
from tests.language.rule_files import HEAD, load, problems, rule, rule_problems

BODY = "from: env, when: temp > 85, "


@pytest.mark.parametrize(
    ("given", "days"),
    [
        ("mon", {0}),
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("fri-mon", {4, 5, 6, 0}),
        ("sun-sat", {0, 1, 2, 3, 4, 5, 6}),
        ("wed-wed", {2}),
        ('"sat, sun"', {5, 6}),
        ("[mon, wed-thu]", {0, 2, 3}),
        ('["mon,tue", sun]', {0, 1, 6}),
    ],
)
def test_days(given: str, days: set[int]) -> None:
    (opening,) = rule(f"{BODY}only: {{days: {given}, zone: UTC}}").only
    assert opening == Opening(frozenset(days), 0, 24 * 60, "UTC")


@pytest.mark.parametrize(
    ("given", "minutes"),
    [("[08:00, 18:00]", (480, 1080)), ('["22:00", "06:30"]', (1320, 390)), ('["00:00", "24:00"]', (0, 1440))],
)
def test_between(given: str, minutes: tuple[int, int]) -> None:
    (opening,) = rule(f"{BODY}only: {{between: {given}, zone: Europe/Berlin}}").only
    assert (opening.begins, opening.ends) == minutes
    assert len(opening.days) == 7


def test_a_list_of_openings() -> None:
    only = rule(f"{BODY}only: [{{days: sat, zone: UTC}}, {{days: sun, zone: Europe/Berlin}}]").only
    assert [(sorted(one.days), one.zone) for one in only] == [([5], "UTC"), ([6], "Europe/Berlin")]


def test_what_is_not_said_holds_nothing_back() -> None:
    plain = rule("from: env, when: temp > 85")
    assert (plain.only, plain.muting, plain.downtime) == ((), Muting(0, FLAPPING, None), CONTINUE)


def test_muting() -> None:
    rules = load(
        f"  r: {{{BODY}cooldown: 10m, flapping: {{within: 1m}}, inhibit: {{rules: [s], same: [site]}}}}\n"
        f"  s: {{{BODY}flapping: false}}\n"
    ).rules
    assert rules["r"].muting == Muting(600 * 10**9, Flapping(6, 60 * 10**9), Inhibit(("s",), ("site",)))
    assert rules["s"].muting == Muting(0, None, None)


@pytest.mark.parametrize(
    ("given", "downtime"),
    [
        ("continue", CONTINUE),
        ("reset", Downtime(OnStop.RESET)),
        ("{policy: pause, max: 1h}", Downtime(OnStop.PAUSE, 3600 * 10**9)),
        ("{max: 1h}", Downtime(OnStop.CONTINUE, 3600 * 10**9)),
    ],
)
def test_downtime(given: str, downtime: Downtime) -> None:
    assert rule(f"{BODY}downtime: {given}").downtime == downtime


def test_what_a_stop_does_depends_on_how_long_it_was() -> None:
    downtime = Downtime(OnStop.PAUSE, 100)
    assert [downtime.after(stop) for stop in (99, 100, 101)] == [OnStop.PAUSE, OnStop.PAUSE, OnStop.RESET]


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("only: {days: mon}", "the schedule names no time zone: whose clock is meant?", "zone: Europe/Berlin"),
        ("only: {zone: Europe/Berln}", 'unknown time zone "Europe/Berln": did you mean "Europe/Berlin"?', "UTC"),
        ("only: {zone: /etc/passwd}", 'unknown time zone "/etc/passwd"', "zones have names"),
        ("only: {days: tus, zone: UTC}", 'unknown day "tus": did you mean "tue"?', "mon, tue"),
        ("only: {days: mon-tue-wed, zone: UTC}", '"mon-tue-wed" is no range of days', "mon-fri"),
        ("only: {days: [], zone: UTC}", "days names no day, so it is never open", "leave days out"),
        ("only: {between: [08:00, 25:00], zone: UTC}", '"25:00" is no time of the day', "08:00"),
        ("only: {between: [08:00], zone: UTC}", "between is two times of the day", "18:00"),
        ("only: {between: [08:00, 08:00], zone: UTC}", "it opens and closes at 08:00, so it is never open", "leave"),
        ("only: mon-fri", '"only" is a mapping', "days: mon-fri"),
        ("cooldown: 0s", "must be longer than 0s", ""),
        ("flapping: {changes: 1}", "changes is a number from 2 to 100", "or false"),
        ("inhibit: {rules: []}", "inhibit names no rule", "leave it out"),
        ("inhibit: {rules: [r]}", "a rule can't inhibit itself", "follow from this one"),
        ("inhibit: {rules: [x, x]}", '"x" is here twice', ""),
        ("downtime: pose", 'unknown policy "pose": did you mean "pause"?', "continue, pause or reset"),
        ("downtime: {policy: pause, max: 1}", "a duration has a unit", ""),
    ],
)
def test_a_wrong_guard_is_refused_at_its_place(body: str, message: str, hint: str) -> None:
    found = rule_problems(BODY + body)
    assert any(message in problem.message and hint in problem.hint for problem in found), found
    assert all(problem.line == HEAD.count("\n") + 2 and problem.column > 30 for problem in found)


def _two(first: str, second: str) -> list[tuple[int, str]]:
    rules = f"  cause: {{from: env, when: temp > 85, {first}}}\n  effect: {{from: env, when: door, {second}}}\n"
    return [(problem.line - HEAD.count("\n") - 1, problem.message) for problem in problems(f"{HEAD}rules:\n{rules}")]


def test_inhibit_is_checked_against_the_other_rules() -> None:
    assert _two("inhibit: {rules: [efect]}", "severity: minor") == [(1, 'unknown rule "efect": did you mean "effect"?')]
    assert _two("inhibit: {rules: [effect], same: [devise]}", "severity: minor") == [
        (1, '"devise" is no label of it: did you mean "device"?')
    ]
    assert _two("inhibit: {rules: [effect], same: [device]}", "by: [site]") == [
        (1, 'effect has no label "device" that same could compare')
    ]


def test_rules_that_inhibit_one_another_in_a_circle_are_refused_once() -> None:
    assert _two("inhibit: {rules: [effect]}", "inhibit: {rules: [cause]}") == [
        (1, "these rules inhibit one another: cause → effect → cause")
    ]


def test_a_chain_of_inhibitions_is_no_circle() -> None:
    rules = load(
        "  a: {from: env, when: temp > 85, inhibit: {rules: [b, c]}}\n"
        "  b: {from: env, when: temp > 86, inhibit: {rules: [c]}}\n"
        "  c: {from: env, when: temp > 87}\n"
    ).rules
    assert rules["a"].muting.inhibit == Inhibit(("b", "c"), ())
