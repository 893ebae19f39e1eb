"""`firing("rule", same=[site])` when rules are loaded: names, labels, circles, and what belongs to the meaning."""

from __future__ import annotations

import pytest

from iotrules.language.unparse import unparse
from iotrules.model.expression import Firing
from iotrules.model.rules import Condition
from tests.language.rule_files import HEAD, load, problems

OTHERS = """
  a: {from: env, when: temp > 3, by: [site]}
  t: {params: {limit: {type: number}}, from: env, by: [device], when: temp > limit}
  u: {use: t, with: {limit: 3}}
  s: {absent: env, for: 1m}
"""


def _asked(text: str) -> Firing:
    body = load(f"{OTHERS}  b: {{from: env, when: '{text}'}}\n").rules["b"].body
    assert isinstance(body, Condition)
    assert isinstance(body.when, Firing)
    assert unparse(body.when) == text
    return body.when


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('firing("a")', ("site",)),
        ('firing("a", same=[])', ()),
        ('firing("u")', ("device",)),
        ('firing("s")', ("site", "device")),
        ('firing("s", same=[device])', ("device",)),
        ('firing("s", same=[device, site])', ("device", "site")),
    ],
)
def test_the_labels_compared_are_those_shared_or_said(text: str, same: tuple[str, ...]) -> None:
    assert _asked(text).same == same


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ('firing("aa")', 32, 'unknown rule "aa": did you mean "a"?'),
        ('temp > 3 and firing("zz")', 45, 'unknown rule "zz"'),
        ('firing("t")', 32, '"t" is a template: it raises nothing itself'),
        ('firing("a", same=[device])', 43, '"device" is no label of a'),
        ('firing("a", same=[sit])', 43, '"sit" is no label of this rule: did you mean "site"?'),
        ('firing("a", same=[site, site])', 49, '"site" is here twice'),
        ('firing("a", same=site)', 42, "same takes a list of labels"),
        ('firing("a", sam=[site])', 41, 'firing() has no argument "sam": did you mean "same"?'),
        ('firing("a", same=[site], same=[site])', 55, "same is given twice"),
        ("firing(a)", 25, "firing() takes the name of a rule, as a text in quotes"),
        ('firing("a", "s")', 25, "firing() takes the name of a rule, as a text in quotes"),
        ('count(firing("a"), 5m) > 3', 31, "firing() inside a window"),
        ('firing("a") > 3', 39, "true or false compared with a number"),
        ("temp in [3] and [3] == 4", 41, "expected a value, got ["),
        ("avg(temp, [3]) > 3", 35, "expected a value, got ["),
        ("avg(temp, 10m, min_samples=[3]) > 3", 52, "min_samples is a whole number from 1 to 1000000"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text: str, column: int, message: str) -> None:
    (problem,) = problems(f"{HEAD}rules:{OTHERS}  b: {{from: env, when: '{text}'}}\n")
    assert (problem.column, problem.message) == (column, message)


@pytest.mark.parametrize(
    ("rules", "way"),
    [
        ('  a: {from: env, when: firing("a")}', "a rule can't ask for its own alert: a → a"),
        (
            '  a: {from: env, when: firing("b")}\n  b: {from: env, when: temp > 3, clear: not firing("a")}',
            "these rules ask for one another: a → b → a",
        ),
        (
            "  t: {params: {other: {type: text}}, from: env, when: firing(other)}\n"
            '  a: {use: t, with: {other: "b"}}\n  b: {from: env, when: \'firing("c") or temp > 3\'}\n'
            '  c: {from: env, levels: {major: {when: firing("a")}}}\n  d: {from: env, when: firing("a")}',
            "these rules ask for one another: a → b → c → a",
        ),
    ],
)
def test_a_circle_is_refused_with_its_way(rules: str, way: str) -> None:
    (problem,) = problems(f"{HEAD}rules:\n{rules}\n")
    assert problem.message == way


def test_a_rule_with_problems_of_its_own_hides_nobody_elses() -> None:
    found = problems(
        f'{HEAD}rules:\n  a: {{from: env, when: tmp > 3}}\n  b: {{from: env, when: firing("a") and x > 3}}\n'
    )
    assert [problem.message for problem in found] == [
        'unknown name "tmp": did you mean "temp"?', 'unknown name "x"',
    ]  # fmt: skip


def test_name_and_labels_belong_to_the_meaning_not_their_spelling() -> None:
    def meaning(text: str) -> str:
        return load(f"{OTHERS}  b: {{from: env, when: '{text}'}}\n").rules["b"].meaning

    assert meaning('firing("a")') == meaning('firing("a", same=[site])')
    assert len({meaning(text) for text in ('firing("a")', 'firing("a", same=[])', 'firing("u")')}) == 3


def test_a_sequence_is_asked_for_by_the_labels_of_its_stream() -> None:
    rules = "  q: {sequence: [{first: env where temp > 3}, {then: env where temp < 3}], within: 5m}\n"
    body = load(f"{rules}  b: {{from: env, when: 'firing(\"q\")'}}\n").rules["b"].body
    assert isinstance(body, Condition)
    assert body.when == Firing("q", ("site", "device"))


def test_a_step_of_a_sequence_asks_for_nothing() -> None:
    steps = "[{first: 'env where firing(\"a\")'}, {then: env}]"
    (problem,) = problems(f"{HEAD}rules:{OTHERS}  b: {{sequence: {steps}, within: 5m}}\n")
    assert problem.message == "firing() belongs into the conditions of a rule with from"
