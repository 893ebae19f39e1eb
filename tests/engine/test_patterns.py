"""`matches`: whatever the pattern and the text, it is quick; and names that mean harm mean nothing."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.evaluate import Scope, truth
from iotrules.language import check_expression, load_files
from iotrules.language.patterns import MAX_TEXT, PatternError, found
from iotrules.model.decisions import SendCommand
from iotrules.model.errors import RuleError
from iotrules.model.expression import FieldRef, Function, Text
from tests.engine.world import World
from tests.language.rule_files import stream

ENV = stream()
SECURITY = Path(__file__).parent.parent / "data" / "security"


def rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (SECURITY / name).read_text(encoding="utf-8").splitlines()]


def _value(pattern: str, text: str) -> tuple[bool | None, list[str]]:
    scope = Scope({"label": text}, {}, lambda _: None)
    return truth(Function("matches", (FieldRef("label"), Text(pattern))), scope), scope.faults


@pytest.mark.parametrize("row", rows("regex.jsonl"), ids=lambda row: str(row["id"]))
def test_a_hostile_pattern_is_refused_or_quick(row: dict[str, str]) -> None:
    begun = time.process_time()
    with suppress(RuleError):
        node = check_expression(f"matches(label, {json.dumps(row['pattern'])})", ENV)
        for text in (row["input"], row["input"][:MAX_TEXT], row["input"] * 20):
            truth(node, Scope({"label": text[:MAX_TEXT]}, {}, lambda _: None))
            truth(node, Scope({"label": text}, {}, lambda _: None))
    assert time.process_time() - begun < 0.05


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("b[0-9]", "ab12", True), ("^b[0-9]", "ab12", False), ("^b[0-9]$", "b1", True), ("^b[0-9]$", "b1\n", False),
        ("B", "b", False), ("(?i)B", "b", True), ("é$", "café", True), ("^.$", "é", True), ("", "", True),
        (r"\d+\.\d", "v 1.2", True), ("a.c", "a\nc", False), ("(?s)a.c", "a\nc", True), ("^$", "", True),
        ("^b$", "a\nb", False), ("(?m)^b$", "a\nb", True), ("^.$", "\ud800", True), ("a|b", "xb", True),
    ],
)  # fmt: skip
def test_a_pattern_is_searched_for(pattern: str, text: str, expected: bool) -> None:
    assert _value(pattern, text) == (expected, [])


def test_a_text_that_is_too_long_is_unknown_and_counted() -> None:
    assert _value("a$", "a" * MAX_TEXT) == (True, [])
    assert _value("a$", "a" * (MAX_TEXT + 1)) == (None, ["a text too long for a pattern"])


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40) | st.text("ab01(", max_size=2000))
def test_any_pattern_is_a_pattern_or_an_error(pattern: str, text: str) -> None:
    with suppress(PatternError):
        assert found(text, pattern) in (True, False)


def test_a_name_that_matches_fires() -> None:
    world = World("""  odd: {from: env, when: 'not matches(device, "^b[0-9]+$")'}\n""")
    world.send(0, temp=20)
    world.send(10, device="c1", temp=20)
    assert world.history() == ["10 odd firing"]
    (fired,) = [change for decision in world.decisions for change in decision.transitions]
    assert fired.reason == 'matches(device, "^b[0-9]+$") is false'


COMMANDING = """
  hot:
    from: env
    when: temp > 50
    summary: "{device} is hot"
    do:
      - command: shutdown
"""


def _topic_can_carry(name: str) -> bool:
    """MQTT-1.5.4-1: a lone surrogate is no UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("row", rows("identifiers.jsonl"), ids=lambda row: str(row["id"]))
def test_a_hostile_name_of_a_device_is_refused_or_just_a_name(row: dict[str, str]) -> None:
    name = row["value"]
    if not _topic_can_carry(name):
        return
    world = World(COMMANDING)
    decision = world.raw(f"site/A/dev/{name}/env", json.dumps({"ts": world.now // 10**6, "temp": 90}).encode())
    if decision.dead_letters:
        assert not decision.transitions
        return
    (fired,) = decision.transitions
    assert dict(fired.key.labels) == {"site": "A", "device": name}
    assert fired.summary == f"{name} is hot"
    (sent,) = [effect for effect in decision.effects if isinstance(effect, SendCommand)]
    assert sent.topic == f"site/A/dev/{name}/cmd"
    assert not set(sent.topic) & {"+", "#", "\0"}
    world.restart()
    assert world.pass_time(1) == []


@pytest.mark.parametrize("row", rows("identifiers.jsonl"), ids=lambda row: str(row["id"]))
@pytest.mark.parametrize("section", ["rules", "streams", "zones"])
def test_a_hostile_name_in_a_rule_file_is_refused_at_its_place_or_just_a_name(
    section: str, row: dict[str, str]
) -> None:
    bodies: dict[str, Any] = {
        "rules": {"from": "a", "when": "t > 1"},
        "streams": {"topic": "b"},
        "zones": {"center": [1, 1], "radius": "1 m"},
    }
    body: dict[str, Any] = {"streams": {"a": {"topic": "a", "fields": {"t": {}}}}}
    body.setdefault(section, {})[row["value"]] = bodies[section]
    text = json.dumps(body)
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", row["value"], re.ASCII) and _loads(text):
        return
    with pytest.raises(RuleError) as caught:
        load_files({"r.yaml": text})
    assert all(problem.line >= 1 and problem.column >= 1 for problem in caught.value.problems)


def _loads(text: str) -> bool:
    with suppress(RuleError):
        load_files({"r.yaml": text})
        return True
    return False


@pytest.mark.parametrize("row", rows("identifiers.jsonl"), ids=lambda row: str(row["id"]))
def test_a_hostile_text_as_pattern_zone_or_constant_is_refused_or_just_a_text(row: dict[str, str]) -> None:
    written = json.dumps(row["value"], ensure_ascii=False)
    for text in (f"matches(label, {written})", f"inside(value, load, {written})", f"label == {written}"):
        with suppress(RuleError):
            assert truth(check_expression(text, ENV), Scope({"label": "x"}, {}, lambda _: None)) in (True, False)
