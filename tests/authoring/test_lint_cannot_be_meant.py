"""Findings in what can't come true in time, what means the same in other words, and commands that oppose each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotrules.engine.evaluate import Scope, truth
from iotrules.language import check_expression
from iotrules.language.linting.alike import same_text
from iotrules.language.linting.opposed import are_opposite
from iotrules.model.expression import Expression
from tests.authoring.test_lint_findings import codes, findings, pointed
from tests.authoring.test_lint_laws import ALL, ENV, _joined, _leaf
from tests.language.rule_files import HEAD


@pytest.mark.parametrize(
    ("body", "code", "place", "said"),
    [
        ("from: env, when: 'avg(temp, 1m, min_samples=60) > 3'", "L018", "avg(temp", "min_samples is 60, env"),
        ("from: env, when: 'door and slope(temp, 10s) > 1 degC/min'", "L018", "slope(", "slope needs 2"),
        ("from: env, when: door, clear: 'avg(temp, 1m, min_samples=7) > 3'", "L018", "avg(temp", "so it has 6 at most"),
        ("from: env, levels: {major: {when: 'avg(temp, 1m, min_samples=60) > 3'}}", "L018", "avg(temp", "60"),
        ("from: env, when: 'avg(temp, 5s) > 3'", "L019", "avg(temp", "looks back 5s, and env reports every 10s"),
        ("from: env, when: 'times(temp > 75, 30s) >= 10'", "L020", "times(", "times(temp > 75, 30s) is 3 at most"),
        ("from: env, when: 'door or changes(fan, 1m) > 6'", "L020", "changes(", "is 6 at most"),
        ("from: env, when: changed(uptime), for: 1m", "L021", "changed(", "uptime would have to change"),
        ("from: env, when: door and changed(fan), for: 2 * interval", "L021", "changed(", "must hold for 2 * interval"),
        ("absent: env, for: 30s, expect: seen_within 10s", "L022", "seen_within", "after 10s of silence"),
        ("absent: env, for: 30s, expect: seen_within 30s", "L022", "seen_within", "for is 30s"),
        ("absent: env, for: 3 * interval, expect: seen_within 20s", "L022", "seen_within", "for is 3 * interval"),
        ("absent: env, for: 8d", "L022", "8d", "after 7d of silence"),
        ("sequence: [{first: env where door}, {then: env where not door}], within: 9s", "L013", "9s", "within is 9s"),
        ("sequence: [{first: env where door}, {without: env}], within: 9s", "L013", "9s", "within is 9s"),
    ],
)  # fmt: skip
def test_what_cannot_come_true(body: str, code: str, place: str, said: str) -> None:
    (found,) = [one for one in findings(body) if not one.kind.info]
    assert found.code == code
    assert pointed(found).lstrip("'").startswith(place)
    assert said in found.problem.message
    assert found.problem.hint


@pytest.mark.parametrize(
    "body",
    [
        "from: env, when: 'avg(temp, 1m, min_samples=6) > 3'",
        "from: env, when: 'avg(temp, 65s, min_samples=7) > 3'",
        "from: env, when: 'avg(temp, 10s) > 3'",
        "from: env, when: 'slope(temp, 20s) > 1 degC/min'",
        "from: env, when: 'ewma(temp, 5s) > 3'",
        "from: env, when: 'times(temp > 75, 30s) >= 3'",
        "from: env, when: 'times(temp > 75, 30s) <= 10'",
        "from: env, when: 'count(temp, 1m) > 12'",
        "from: env, when: changed(uptime)",
        "from: env, when: not changed(uptime), for: 1m",
        "from: env, when: changed(uptime) or door, for: 1m",
        "absent: env, for: 30s, expect: seen_within 31s",
        "absent: env, for: 6d",
        "sequence: [{first: env where door}, {then: env where not door}], within: 10s",
        "from: env, by: [site], across: device, fresh: 1m, when: 'count(avg(temp, 1m, min_samples=6) > 3) >= 20'",
    ],
)
def test_what_can_come_true(body: str) -> None:
    assert codes(body) == []


def test_without_an_interval_or_for_several_devices_nothing_is_known() -> None:
    window = "when: 'avg(temp, 1m, min_samples=60) > times(temp > 75, 5s)'"
    assert codes(f"from: env, {window}", head=HEAD.replace("    interval: 10s\n", "")) == []
    assert codes(f"from: env, by: [site], {window}") == ["L009"]
    group = "by: [site], sequence: [{first: env where door}, {then: env where not door}], within: 9s"
    assert codes(group) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("77 < temp", "temp > 77"),
        ("temp > 77", "temp > 170.6 degF"),
        ("door and temp > 3", "temp > 3 and door"),
        ("door and (temp > 3 and load < 2)", "load < 2 and door and temp > 3"),
        ("3 < temp < 9", "temp < 9 and temp > 3"),
        ("temp > inlet", "inlet < temp"),
        ("temp + inlet > 9", "inlet + temp > 9"),
        ("not temp <= 77", "temp > 77"),
        ("fan in ['running']", "fan == 'running'"),
        ("times(77 < temp, 5m) > 3", "times(temp > 77, 5m) > 3"),
        ("abs(temp - inlet) > 3", "3 < abs(temp - inlet)"),
    ],
)
def test_twins_in_other_words(one: str, other: str) -> None:
    assert codes(f'from: env, when: "{one}"', f'from: env, when: "{other}"') == ["L005"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("temp > 77", "temp >= 77"), ("temp - inlet > 3", "inlet - temp > 3"), ("door and temp > 3", "door or temp > 3")],
)
def test_what_only_looks_alike_is_no_twin(one: str, other: str) -> None:
    assert codes(f"from: env, when: {one}", f"from: env, when: {other}") == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("", ", and does the same"),
        (", clear: temp < 50", ", but with other clear"),
        (", clear: {for: 1m}", ", but with other clear"),
        (", cooldown: 10m", ", but with other cooldown"),
        (", cooldown: 10m, clear: temp < 50", ", but with other clear and cooldown"),
        (", inhibit: {rules: [r3]}, flapping: false", ", but with other flapping and inhibit"),
        (", severity: major, do: [{invoke: f}]", "with severity major instead of minor and with other steps"),
    ],
)
def test_twins_say_in_what_they_differ(keys: str, said: str) -> None:
    rules = ("from: env, when: temp > 80", f"from: env, when: 80 < temp{keys}", "from: env, when: door")
    (found,) = [one for one in findings(*rules) if one.code == "L005"]
    assert found.problem.message.endswith(said)


@given(_joined(_leaf), _joined(_leaf))
def test_a_text_is_shared_only_by_conditions_that_mean_the_same(one: str, other: str) -> None:
    trees = check_expression(one, ENV), check_expression(other, ENV)
    for tree in trees:
        assert same_text(tree) == same_text(tree)
    if same_text(trees[0]) == same_text(trees[1]):
        assert _truths(trees[0]) == _truths(trees[1])


def _truths(node: Expression) -> list[bool | None]:
    return [truth(node, Scope(values, {}, lambda window: None)) for values in ALL]


@given(_joined(_leaf), _joined(_leaf), st.sampled_from(["and", "or"]))
def test_the_order_of_operands_does_not_matter(one: str, other: str, word: str) -> None:
    texts = f"({one}) {word} ({other})", f"({other}) {word} ({one})"
    assert len({same_text(check_expression(text, ENV)) for text in texts}) == 1


FAN_ON, FAN_OFF = "do: [{command: fan_on}]", "do: [{command: fan_off}]"


def test_commands_that_oppose_each_other() -> None:
    (found,) = [
        one
        for one in findings(f"from: env, when: temp > 80, {FAN_ON}", f"from: env, when: temp > 70, {FAN_OFF}")
        if not one.kind.info
    ]
    assert (found.code, pointed(found)) == ("L023", "fan_off}]}")
    assert found.problem.message == "temp at 120 sends fan_off here, and fan_on by r1 (r.yaml:26)"


@pytest.mark.parametrize(
    "other",
    [
        f"from: env, when: temp < 70, {FAN_OFF}",
        f"from: env, when: inlet > 70, {FAN_OFF}",
        f"from: env, when: temp > 70, dry_run: true, {FAN_OFF}",
        "from: env, when: temp > 70, do: [{command: fan_off, at: resolved}]",
        "from: env, when: temp > 70, do: [{command: fan_fast}]",
        "from: env, when: temp > 70, do: [{command: pump_off}]",
        "from: env, when: temp > 70, do: [{command: fan_off, to: {device: other}}]",
        f"from: env, when: temp > 70, only_keys: {{site: [a]}}, {FAN_OFF}",
    ],
)
def test_commands_that_do_not(other: str) -> None:
    assert codes(f"from: env, when: temp > 80, {FAN_ON}", other) == []


def test_levels_oppose_where_the_level_is_reached() -> None:
    ladder = (
        "from: env, levels: {major: {when: temp > 60}, critical: {when: temp > 90}}, do: [{at: %s, command: fan_on}]"
    )
    other = f"from: env, when: temp < 80, {FAN_OFF}"
    assert codes(ladder % "critical", other) == []
    assert codes(ladder % "major", other) == ["L023"]


@pytest.mark.parametrize(
    ("one", "other", "opposed"),
    [
        ("fan_on", "fan_off", True), ("valve-OPEN", "valve-close", True), ("start", "stop", True),
        ("on", "on", False), ("fan_on", "pump_off", False), ("fan_on", "off", False), ("on_off", "off_on", False),
    ],
)  # fmt: skip
def test_names_of_commands_are_opposite(one: str, other: str, opposed: bool) -> None:
    assert are_opposite(one, other) is opposed
