"""`sequence` in rule files: what it becomes, and every problem at its place inside a step."""

from __future__ import annotations

import pytest

from iotrules.language import thresholds
from iotrules.model.errors import RuleError
from iotrules.model.expression import Comparison, FieldRef, Text
from iotrules.model.rules import Rule, Slot, condition_text
from iotrules.model.sequences import EventPattern, Forbidden, Matching, Sequence, SequenceStep
from iotrules.model.times import MINUTE, SECOND
from tests.language.rule_files import load, problems

HEAD = """\
streams:
  door: {topic: "site/{site}/door/{device}", fields: {state: {one_of: [open, closed]}, temp: {unit: degC}}}
  motion: {topic: "site/{site}/motion/{device}", fields: {seen: {type: flag}}}
  badge: {topic: "site/{site}/badge/{reader}", fields: {granted: {type: flag}}}
commands: {topic: "site/{site}/door/{device}/cmd", ack: "site/{site}/door/{device}/ack"}
"""
PAIR = "sequence: [{first: door}, {then: door where temp > 3}], within: 90s"


def rule(body: str) -> Rule:
    return load(f"  r: {{{body}}}\n", HEAD).rules["r"]


def test_a_sequence_is_read_whole() -> None:
    found = rule(
        'by: [site], sequence: [{first: door where  state == "open"}, {without: badge}, '
        "{then: {stream: motion, where: seen, as: seen_by}}, {without: {stream: badge, where: granted, before: 60s}}], "
        "within: 1m30s, matching: every, clear: door where temp > 3, severity: major, "
        "summary: '{door.temp:.1f} {door.device} {seen_by.device} {seen} {site} {held}'"
    )
    is_open = Comparison((FieldRef("state"), Text("open")), ("==",))
    assert isinstance(found.body, Sequence)
    assert found.body.steps == (
        SequenceStep(EventPattern("door", is_open, 'door where state == "open"'), "door", 0),
        SequenceStep(EventPattern("motion", FieldRef("seen"), "motion where seen"), "seen_by", 2),
    )
    assert found.body.without == (
        Forbidden(EventPattern("badge", None, "badge"), 1, None, 1),
        Forbidden(EventPattern("badge", FieldRef("granted"), "badge where granted"), 2, MINUTE, 3),
    )
    assert (found.body.within, found.body.matching, found.body.waits) == (90 * SECOND, Matching.EVERY, True)
    assert found.body.clear is not None
    assert found.body.clear.stream == "door"
    assert (found.stream, found.by) == ("motion", ("site",))
    assert Slot("door.temp", ".1f") in found.summary.parts
    assert condition_text(found) == (
        'door where state == "open", without badge, then motion where seen, without badge where granted, within 1m30s'
    )


def test_one_stream_is_kept_by_all_captures_and_clear_may_leave_it_out() -> None:
    found = rule(f"{PAIR}, clear: temp < 20")
    assert isinstance(found.body, Sequence)
    assert (found.by, found.body.matching, found.body.waits) == (("site", "device"), Matching.NEWEST, False)
    assert found.body.clear is not None
    assert (found.body.clear.stream, found.body.clear.text) == ("door", "door where temp < 20")
    assert [step.name for step in found.body.steps] == ["", ""]  # either of the two could be meant by door
    assert found.summary.parts == (Slot("device", ""), ": door, then door where temp > 3, within 1m30s")
    assert thresholds(found) == [{"field": "temp", "operator": ">", "value": 3.0}]


def test_the_clock_of_a_message_and_its_captures_are_known() -> None:
    where = 'door where hour("UTC") > 14 and device != "x" and clamp(temp, 0, 3) > 2'
    assert rule(f"by: [site], sequence: [{{first: '{where}'}}, {{then: motion}}], within: 5s").by == ("site",)


@pytest.mark.parametrize(
    ("body", "found", "message"),
    [
        ("sequence: [{first: dor}, {then: door}], within: 90s", "dor}", 'unknown stream "dor": did you mean "door"?'),
        ("sequence: [{first: door wher temp > 3}, {then: door}], within: 90s", "wher", 'did you mean "where"?'),
        ("sequence: [{first: door where}, {then: door}], within: 90s", "where}", "expected where and a condition"),
        ("sequence: [{first: door where tmp > 3}, {then: door}], within: 90s", "tmp", 'did you mean "temp"?'),
        ("sequence: [{first: door where temp > 3 bar}, {then: door}], within: 90s", "3 bar", "bar"),
        ("sequence: [{first: door}, {then: {stream: door, where: tmp > 3}}], within: 90s", "tmp", 'mean "temp"?'),
        ("sequence: [{first: door}, {then: {stream: dor}}], within: 90s", "dor", 'did you mean "door"?'),
        ("sequence: [{first: door}, {then: {where: temp > 3}}], within: 90s", "then", "names no stream"),
        ("sequence: [{first: door}, {then: {steam: door}}], within: 90s", "steam", 'did you mean "stream"?'),
        ("sequence: [{first: door}, {than: door}], within: 90s", "than", 'did you mean "then"?'),
        ("sequence: [{first: door}, {then: door, first: door}], within: 90s", "{then", "one of first, then and"),
        ("sequence: [{first: door}, {as: x}], within: 90s", "{as", "one of first, then and without"),
        ("sequence: [{first: door}, door], within: 90s", "door]", "a step of a sequence is a mapping"),
        ("sequence: [{first: door}, {then: [door]}], within: 90s", "then", "STREAM where CONDITION"),
        ("sequence: [{first: door}, {then: 3}], within: 90s", "3}", "STREAM where CONDITION"),
        ("sequence: [{then: door}, {then: door}], within: 90s", "{then", "begins with first"),
        ("sequence: [{first: door}, {first: door}], within: 90s", "{first: door}]", "first is the first step only"),
        ("sequence: [{first: door}], within: 90s", "sequence", "at least two steps"),
        ("sequence: [{without: door}, {first: door}], within: 90s", "{without", "begins with first"),
        ("sequence: [{first: door}, {then: door}]", "r:", "says within what time"),
        ("sequence: [{first: door}, {then: door}], within: 90", "90", "write 90s or 90m"),
        ("sequence: [{first: door}, {then: door}], within: 0s", "0s", "longer than 0s"),
        (f"{PAIR}, when: temp > 3", "when", "does not belong to a rule with sequence"),
        (f"{PAIR}, for: 3m", "for", "does not belong to a rule with sequence"),
        (f"{PAIR}, from: door", "from", "does not belong to a rule with sequence"),
        (f"{PAIR}, absent: door", "absent", "does not belong to a rule with sequence"),
        (f"{PAIR}, levels: {{major: {{when: temp > 3}}}}", "levels", "does not belong to a rule with sequence"),
        (f"{PAIR}, matching: last", "last", "must be one of newest, first, every"),
        (f"{PAIR}, clear: tmp > 3", "tmp", 'did you mean "temp"?'),
        (f"{PAIR}, clear: dor where temp > 3", "dor", 'did you mean "door"?'),
        (f"{PAIR}, clear: badge where granted", "badge", "the topic of badge has no device"),
        (f"{PAIR}, clear: {{when: temp > 3}}", "clear", "clear of a sequence is a condition"),
        (f"{PAIR}, summary: '{{tmp}}'", "{tmp}", 'did you mean "temp"?'),
        (f"{PAIR}, do: [{{invoke: a, at: major}}]", "major", "no level major"),
        ("from: door, when: temp > 3, within: 3s", "within", "belongs to a rule with sequence"),
        ("from: door, when: temp > 3, matching: every", "matching", "belongs to a rule with sequence"),
        ("sequence: [{first: door}, {then: motion}], within: 9s", "sequence", "over several streams says by"),
        ("by: [sit], sequence: [{first: door}, {then: door}], within: 9s", "sit", 'did you mean "site"?'),
        ("by: [site, site], sequence: [{first: door}, {then: door}], within: 9s", "site]", "here twice"),
        ("by: [device], sequence: [{first: door}, {then: badge}], within: 9s", "device", "no capture of badge"),
        (f"{PAIR}, by: [site], do: [{{command: x}}]", "x}", 'needs "device"'),
        ("sequence: [{first: door, before: 3s}, {then: door}], within: 9s", "3s", "belongs to a step with without"),
        ("sequence: [{first: door}, {without: door, before: 0s}], within: 9s", "0s", "longer than 0s"),
        ("sequence: [{first: door}, {without: door, as: x}], within: 9s", "x}", "has no values to name"),
        ("sequence: [{first: door, as: a b}, {then: door}], within: 9s", "a b", "step names are letters"),
        ("sequence: [{first: door, as: avg}, {then: door}], within: 9s", "avg", "word of the rule language"),
        ("sequence: [{first: door, as: a}, {then: door, as: a}], within: 9s", "{then", "another step is called"),
        ("sequence: [{first: {stream: door, as: a}, as: b}, {then: door}], within: 9s", "b}", "as is here twice"),
        ("sequence: [{first: 'door where avg(temp, 5m) > 3'}, {then: door}], within: 9s", "avg", "samples over time"),
        ("sequence: [{first: 'door where temp > 3 and prev(temp) > 3'}, {then: door}], within: 9s", "prev", "samples"),
    ],
)  # fmt: skip
def test_a_wrong_sequence_is_refused_where_it_is_wrong(body: str, found: str, message: str) -> None:
    (problem,) = problems(f"{HEAD}rules:\n  r: {{{body}}}")
    assert message in problem.message
    assert problem.source[problem.column - 1 :].startswith(found)


def test_problems_of_all_steps_are_told_at_once() -> None:
    steps = "- first: door where tmp > 3\n      - then: >-\n          door where\n          temp > 3 and tmp > 5\n"
    text = f"{HEAD}rules:\n  r:\n    sequence:\n      {steps}"
    told = [(problem.line, problem.column, problem.message[:30]) for problem in problems(text)]
    assert told == [
        (7, 3, "a sequence says within what ti"),
        (9, 27, 'unknown name "tmp": did you me'),
        (12, 24, 'unknown name "tmp": did you me'),
    ]


def test_the_meaning_is_what_decides_and_no_words() -> None:
    base = rule(PAIR)
    same = (
        "sequence: [{first: {stream: door}}, {then: 'door where (temp  > 3.0)', as: x}], within: 1m30s",
        f"{PAIR}, summary: x, severity: critical, matching: newest, by: [site, device]",
    )
    for body in same:
        assert rule(body).meaning == base.meaning
    others = [PAIR.replace("90s", "91s"), PAIR.replace("3}", "4}"), PAIR.replace("then", "without")]
    for more in ("matching: first", "by: [site]", "clear: temp > 3", "missing: error"):
        others.append(f"{PAIR}, {more}")
    assert all(rule(body).meaning != base.meaning for body in others)
    moved = load(f"  r: {{{PAIR}}}\n", HEAD.replace("degC", "degF"))
    assert moved.rules["r"].meaning != base.meaning
    assert base.meaning == "3a4c95b05267bf2e"  # stays from version to version, so that state is kept


OPENED = 'by: [site], within: 90s, sequence: [{first: door where state == "open", as: opened}, '


def test_a_step_may_read_named_steps_before_it_and_a_clear_all_of_them() -> None:
    found = rule(
        OPENED + "{then: door where temp > opened.temp + 9 degF and device == opened.device, as: warmer}, "
        "{without: motion where device != warmer.device}], clear: temp < opened.temp"
    )
    assert isinstance(found.body, Sequence)
    first, second = found.body.steps
    assert (first.pattern.steps, second.pattern.steps) == ((), ("opened",))
    assert found.body.without[0].pattern.steps == ("warmer",)
    assert found.body.clear is not None
    assert found.body.clear.steps == ("opened",)
    assert found.body.read_later(first) == {"temp", "device"}


@pytest.mark.parametrize(
    ("body", "found", "message"),
    [
        (OPENED + "{then: door where temp > opend.temp}]", "opend.temp", 'did you mean "opened"?'),
        (OPENED + "{then: door where temp > opened.tmp}]", "opened.tmp", 'did you mean "temp"?'),
        (OPENED + "{then: motion where opened.temp > 3 bar}]", "3 bar", "bar"),
        (OPENED + "{then: motion where opened.temp == opened.device}]", "opened.device", "number compared"),
        (OPENED + "{then: door where temp > door.temp}]", "door.temp", "of an earlier step with as: STEP"),
        (OPENED + "{then: door where temp > shut.temp, as: shut}]", "shut.temp", "shut has not come yet here"),
        (OPENED + "{then: door where temp > end.temp}, {then: {stream: door, as: end}}]", "end.temp", "not come yet"),
        (
            OPENED + "{without: {stream: badge, where: reader == opened.device, before: 5s}}]", "opened.device",
            "what looks back with before may come ahead of every step",
        ),
        (
            "by: [site], within: 9s, sequence: [{first: door where temp > later.temp}, {then: door, as: later}]",
            "later.temp", "the step later has not come yet here",
        ),
        ("by: [site], within: 9s, sequence: [{first: door, as: motion}, {then: door}]", "motion}", "is a stream"),
        ("by: [site], within: 9s, sequence: [{first: door, as: attr}, {then: door}]", "attr}", "attr is a word"),
        (OPENED + '{then: \'door where inside(temp, temp, "yrd")\'}]', '"yrd"', 'did you mean "yard"?'),
        (OPENED + "{then: door where temp > attr.max_temp}]", "attr.max_temp", "there is no registry"),
    ],
)  # fmt: skip
def test_what_a_step_can_not_read_is_told_at_its_place(body: str, found: str, message: str) -> None:
    head = HEAD + "zones: {yard: {center: [0, 0], radius: 5 m}}\n"
    text = f"  r: {{{body}}}\n"
    with pytest.raises(RuleError) as caught:
        load(text, head)
    (problem,) = caught.value.problems
    line, column = problem.line, problem.column
    whole = (head + "rules:\n" + text).splitlines()
    assert message in f"{problem.message} {problem.hint}"
    assert whole[line - 1][column - 1 :].startswith(found)


def test_what_decides_of_a_named_step_belongs_to_the_meaning_and_a_name_only_where_it_is_read() -> None:
    def meaning(first: str, second: str, condition: str, head: str = HEAD) -> str:
        steps = f"[{{first: door, as: {first}}}, {{then: door, as: {second}}}, {{then: door where {condition}}}]"
        return load(f"  r: {{sequence: {steps}, within: 9s}}\n", head).rules["r"].meaning

    assert meaning("a", "b", "temp > 3") == meaning("b", "c", "temp > 3")
    assert meaning("a", "b", "temp > a.temp") != meaning("b", "a", "temp > a.temp")
    ranged = HEAD.replace("temp: {unit: degC}", "temp: {unit: degC, range: [0, 9]}")
    assert meaning(
        "a", "b", "seen_at == a.device", HEAD.replace("fields: {state", "fields: {seen_at: {type: text}, state")
    )
    only_before = 'state == "open" and a.temp > 3'
    assert meaning("a", "b", only_before) != meaning("a", "b", only_before, ranged)
