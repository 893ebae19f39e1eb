"""Steps of rules: what they are read as, and where they are refused."""

from __future__ import annotations

import pytest

from iotrules.model.rules import At, CommandStep, Guard, InvokeStep, JsonList, JsonObject, PublishStep, Slot, Template
from iotrules.model.times import MINUTE, SECOND
from tests.language.rule_files import rule, rule_problems


def test_a_command_is_read_whole() -> None:
    guard = "guard: {max_share: 2.5%, of: site, per: 10m, else: drop}"
    step = f"{{command: c, to: {{device: 'fan-{{site}}'}}, retry: 2, {guard}}}"
    (found,) = rule(f"from: env, when: door, do: [{step}]").steps
    to = (("device", Template(("fan-", Slot("site", "")))),)
    assert found == CommandStep(
        "c", (), At.FIRING, 5 * MINUTE, 30 * SECOND, to, 2, Guard(0.025, "site", 10 * MINUTE, "drop")
    )


def test_a_guard_holds_and_is_over_all_devices_unless_it_says_otherwise() -> None:
    (found,) = rule("from: env, when: door, do: [{invoke: f, guard: {max_share: 100%, per: 1s}}]").steps
    assert found == InvokeStep("f", At.FIRING, Guard(1.0, "", SECOND, "hold"))


def test_a_message_is_cut_into_levels_and_keeps_what_is_no_text() -> None:
    payload = "{n: 1, deep: [true, null, '{fan}!']}"
    step = f"{{publish: {{topic: 'a/x-{{device}}/{{temp:.0f}}', payload: {payload}}}, at: resolved}}"
    (found,) = rule(f"from: env, when: door, do: [{step}]").steps
    topic = (Template(("a",)), Template(("x-", Slot("device", ""))), Template((Slot("temp", ".0f"),)))
    deep = JsonList((True, None, Template((Slot("fan", ""), "!"))))
    assert found == PublishStep(topic, JsonObject((("n", 1), ("deep", deep))), At.RESOLVED)


@pytest.mark.parametrize(
    ("body", "found", "message"),
    [
        ("from: env, when: door, do: [{invoke: a, to: {device: x}}]", "to", "to belongs to a command, not to invoke"),
        ("from: env, when: door, do: [{command: a, to: {divice: x}}]", "divice", 'did you mean "device"?'),
        ("from: env, when: door, do: [{command: a, to: {device: '{temp}'}}]", "{temp}", 'unknown name "temp"'),
        ("from: env, when: door, do: [{command: a, to: {device: 'a+'}}]", "'a+'", '"a+": a wildcard'),
        ("from: env, when: door, do: [{command: a, retry: 11}]", "11", "from 0 to 10"),
        ("from: env, when: door, do: [{publish: {topic: 'x/{dev}', payload: 1}}]", "{dev}", 'did you mean "device"?'),
        ("from: env, when: door, do: [{publish: {topic: x//y, payload: 1}}]", "x//y", "an empty topic level"),
        ("from: env, when: door, do: [{publish: {topic: 'x/{site}#', payload: 1}}]", "'x/{", "a wildcard"),
        ("from: env, when: door, do: [{publish: {topic: x, payload: {a: ['{tmp}']}}}]", "{tmp}", 'unknown name "tmp"'),
        ("absent: env, for: 1m, do: [{publish: {topic: x, payload: '{temp}'}}]", "{temp}", 'unknown name "temp"'),
        ("from: env, when: door, do: [{publish: x}]", "x}", "publish is a mapping"),
        ("from: env, when: door, do: [{invoke: a, guard: 5%}]", "5%}", "a guard is a mapping"),
        ("from: env, when: door, do: [{invoke: a, guard: {max_share: 5, per: 1m}}]", "5,", "no share"),
        ("from: env, when: door, do: [{invoke: a, guard: {max_share: 5%, of: sit, per: 1m}}]", "sit", 'mean "site"?'),
        ("from: env, when: door, do: [{invoke: a, guard: {max_share: 5%, per: 10}}]", "10}", "write 10s or 10m"),
        ("from: env, when: door, do: [{invoke: a, guard: {max_share: 5%}}]", "{max", 'the key "per" is missing'),
    ],
)
def test_a_wrong_step_is_refused_where_it_is_wrong(body: str, found: str, message: str) -> None:
    (problem,) = rule_problems(body)
    assert message in problem.message
    assert problem.source[problem.column - 1 :].startswith(found)
