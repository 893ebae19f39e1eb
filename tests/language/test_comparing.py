"""Two rule sets side by side: what was added, removed, changed in meaning, in what it does, or in words only."""

from __future__ import annotations

import pytest

from iotrules.language.comparing import compare
from tests.language.rule_files import HEAD, load

RULE = "  r: {from: env, when: temp > 85, for: 2m, severity: major, summary: hot}\n"
LADDER = """\
  r:
    summary: hot
    from: env
    levels:
      major: {when: temp > 75, for: 5m}
      critical: {when: temp > 85}
    clear: temp < 60
"""
SILENT = "  r: {absent: env, for: 1m, summary: hot}\n"


def _told(before: str, after: str, head: str = HEAD) -> list[tuple[str, str, list[str]]]:
    changes = compare(load(before), load(after, head))
    return [(change.rule, change.kind, [str(one) for one in change.differences]) for change in changes]


def test_what_is_the_same_is_not_named() -> None:
    assert _told(RULE, "  # a comment\n" + RULE) == []


def test_what_is_there_no_more_and_what_is_new() -> None:
    assert _told(RULE, RULE.replace("  r:", "  s:")) == [("r", "removed", []), ("s", "added", [])]


@pytest.mark.parametrize(
    ("before", "after", "differences"),
    [
        (RULE, RULE.replace("85", "88"), ["when: temp > 85 → temp > 88"]),
        (RULE, RULE.replace("2m", "5m"), ["for: 2m → 5m"]),
        (RULE, RULE.replace("for: 2m, ", ""), ["for: 2m → nothing"]),
        (RULE, RULE.replace("for:", "by: [device], for:"), ["by: [site, device] → [device]"]),
        (RULE, RULE.replace("for:", "missing: error, for:"), ["missing: hold → error"]),
        (SILENT, SILENT.replace("for: 1m", "for: 3 * interval"), ["for: 1m → 3 * interval"]),
        (SILENT, SILENT.replace("for: 1m", "for: 1m, expect: seen_within 2d"),
         ["expect: seen_within 7d → seen_within 2d"]),
        (RULE, RULE.replace("for:", "max_gap: 45s, for:"), ["max_gap: nothing → 45s"]),
        (RULE, SILENT, ["when: a condition → silence", "from: env → nothing", "severity: major → minor",
         "absent: nothing → env"]),
    ],
)  # fmt: skip
def test_what_decides_is_a_change_of_meaning(before: str, after: str, differences: list[str]) -> None:
    assert _told(before, after) == [("r", "meaning", differences)]


@pytest.mark.parametrize(
    ("before", "after", "differences"),
    [
        (RULE, RULE.replace("for:", "clear: temp < 70, for:"), ["clear: nothing → temp < 70"]),
        (LADDER, LADDER.replace("75", "70"), ["levels.major.when: temp > 75 → temp > 70"]),
        (LADDER, LADDER.replace("      critical: {when: temp > 85}\n", ""),
         ["levels.critical: temp > 85 → nothing", "severity: critical → major"]),
        (LADDER, LADDER.replace("clear: temp < 60", "clear: {when: temp < 60, for: 1m}"),
         ["clear: temp < 60 → temp < 60 for 1m"]),
    ],
)  # fmt: skip
def test_a_level_or_a_clear_is_a_change_in_part(before: str, after: str, differences: list[str]) -> None:
    assert _told(before, after) == [("r", "part", differences)]


@pytest.mark.parametrize(
    ("after", "differences"),
    [
        (RULE.replace("hot", "warm"), ["summary: hot → warm"]),
        (RULE.replace("hot}", "'{device} {temp}'}"), ["summary: hot → {device} {temp}"]),
        (RULE.replace("hot}", "hot, labels: {team: a b}}"), ['labels: nothing → {team: "a b"}']),
        (RULE.replace("hot}", f"hot, description: {'x' * 250}}}"), [f"description: nothing → {'x' * 199}…"]),
        (RULE.replace("major", "minor"), ["severity: major → minor"]),
        (RULE.replace("summary: hot", "summary: hot, runbook: look"), ["runbook: nothing → look"]),
    ],
)
def test_words_are_words(after: str, differences: list[str]) -> None:
    assert _told(RULE, after) == [("r", "words", differences)]


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        ("do: [{invoke: stop}]", "do 1: nothing → {invoke: stop}"),
        ("cooldown: 5m", "cooldown: nothing → 5m"),
        ("flapping: false", "flapping: {changes: 6, within: 10m} → false"),
        ("dry_run: true", "dry_run: false → true"),
        ("alert: false", "alert: true → false"),
    ],
)
def test_what_it_does_is_more_than_words(more: str, difference: str) -> None:
    assert _told(RULE, RULE.replace("severity", f"{more}, severity")) == [("r", "action", [difference])]


def test_the_same_threshold_in_another_unit_is_words() -> None:
    before, after = RULE.replace("85", "185 degF"), RULE.replace("85", "85 degC")
    assert _told(before, after) == [("r", "words", ["when: temp > 185 degF → temp > 85 degC"])]


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("range: [-40, 150]", "range: [-40, 200]", "stream env: field temp: range: [-40, 150] → [-40, 200]"),
        ("temp:      {unit: degC, ", "temp:      {unit: degF, ", "stream env: field temp: unit: degC → degF"),
        (
            "topic: site/{site}/dev/{device}/env",
            "topic: plant/{site}/dev/{device}/env",
            "stream env: topic: site/{site}/dev/{device}/env → plant/{site}/dev/{device}/env",
        ),
        ("format: unix_ms", "format: unix_s", "stream env: time: format: unix_ms → unix_s"),
    ],
)
def test_a_stream_that_means_something_else_changes_its_rules(old: str, new: str, difference: str) -> None:
    assert _told(RULE, RULE, HEAD.replace(old, new)) == [("r", "meaning", [difference])]


def test_a_field_that_no_rule_reads_changes_none() -> None:
    assert _told(RULE, RULE, HEAD.replace("rpm:       {unit: rpm,", "rpm:       {")) == []


@pytest.mark.parametrize("key", ["partial: true", "max_samples: 20", "max_gap: 45s", "every: 5s"])
def test_what_a_stream_says_of_time_and_messages_is_named(key: str) -> None:
    head = HEAD.replace("    interval: 10s\n", f"    interval: 10s\n    {key}\n")
    assert _told(RULE, RULE, head) == [("r", "meaning", [f"stream env: {key.replace(': ', ': nothing → ')}"])]


def test_another_format_of_a_summary_is_seen() -> None:
    before = RULE.replace("hot}", '"{device} hot {temp}"}')
    told = ["summary: {device} hot {temp} → {device} hot {temp:.1f}"]
    assert _told(before, before.replace("{temp}", "{temp:.1f}")) == [("r", "words", told)]


def test_of_a_long_text_that_part_is_shown_which_differs() -> None:
    long = RULE.replace("hot}", f"hot, description: {'x' * 300} old end}}")
    ((_, _, (told,)),) = _told(long, long.replace("old end", "new end"))
    assert told == f"description: …{'x' * 39} old end → …{'x' * 39} new end"


DO = RULE.replace("hot}", "hot, do: [{command: vent, expires: 10m, args: {mode: safe}}, {invoke: tell}]}")


@pytest.mark.parametrize(
    ("old", "new", "differences"),
    [
        ("expires: 10m", "expires: 5m", ["do 1, command vent: expires: 10m → 5m"]),
        ("expires: 10m, ", "", ["do 1, command vent: expires: 10m → 5m"]),
        ("mode: safe", 'mode: "1"', ['do 1, command vent: args: {mode: safe} → {mode: "1"}']),
        ("mode: safe", "mode: 1", ["do 1, command vent: args: {mode: safe} → {mode: 1}"]),
        ("expires", "retry: 2, at: resolved, expires",
         ["do 1, command vent: retry: nothing → 2", "do 1, command vent: at: nothing → resolved"]),
        ("expires", "to: {device: 'fan-{site}'}, expires",
         ['do 1, command vent: to: nothing → {device: "fan-{site}"}']),
        ("{invoke: tell}", "{invoke: tell, guard: {max_share: 5%, of: site, per: 10m}}",
         ["do 2, invoke tell: guard: nothing → {max_share: 5%, of: site, per: 10m, else: hold}"]),
        (", {invoke: tell}", "", ["do 2: {invoke: tell} → nothing"]),
        ("[{command", "[{invoke: first, at: resolved}, {command",
         ["do 1: nothing → {invoke: first, at: resolved}"]),
        ("invoke: tell", "publish: {topic: 'a/{device}', payload: {t: '{temp}', on: true, l: [1, null]}}",
         ["do 2: {invoke: tell} → nothing",
          'do 2: nothing → {publish: {topic: "a/{device}", payload: {t: "{temp}", on: true, l: [1, null]}}}']),
    ],
)  # fmt: skip
def test_steps_are_told_as_they_were_and_will_be(old: str, new: str, differences: list[str]) -> None:
    assert _told(DO, DO.replace(old, new)) == [("r", "action", differences)]


ACROSS = "  r: {from: env, by: [site], across: device, when: count(temp > 80) >= 2, summary: hot}\n"


@pytest.mark.parametrize(
    ("after", "head", "differences"),
    [
        (ACROSS, HEAD.replace("interval: 10s", "interval: 5s"),
         ["fresh: 30s → 15s", "stream env: interval: 10s → 5s"]),
        (ACROSS.replace("across", "fresh: 2m, min_members: 3, across"), HEAD,
         ["fresh: 30s → 2m", "min_members: 1 → 3"]),
        (ACROSS.replace("2,", "3,"), HEAD, ["when: count(temp > 80) >= 2 → count(temp > 80) >= 3"]),
    ],
)  # fmt: skip
def test_how_long_members_values_count_is_told(after: str, head: str, differences: list[str]) -> None:
    assert _told(ACROSS, after, head) == [("r", "meaning", differences)]


def test_the_same_words_that_stand_for_something_else_are_told_so() -> None:
    rule = RULE.replace("temp > 85", "temp > 185 degF, clear: temp < 140 degF")
    ((_, _, told),) = _told(rule, rule, HEAD.replace("temp:      {unit: degC, ", "temp:      {unit: K, "))
    assert told == [
        "when: 185 degF, in the field's unit: 85 → 358.15",
        "clear: temp < 140 degF: 140 degF, in the field's unit: 60 → 333.15",
        "stream env: field temp: unit: degC → K",
    ]


def test_a_zone_that_was_moved_is_told() -> None:
    rule = '  r:\n    from: env\n    when: inside(load, value, "yard")\n    summary: hot\n'
    before = HEAD + "zones:\n  yard: {center: [52.5, 13.4], radius: 200 m}\n"
    (change,) = compare(load(rule, before), load(rule, before.replace("200 m", "300 m")))
    assert [str(one) for one in change.differences] == [
        "zone yard: {center: [52.5, 13.4], radius: 200} → {center: [52.5, 13.4], radius: 300}"
    ]


SEQUENCE = """\
  r:
    by: [site]
    sequence:
      - {first: env where temp > 80, as: hot}
      - then: env where pressure > 2
      - {without: {stream: env, where: door}}
    within: 90s
    summary: hot
"""


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("within: 90s", "within: 90s\n    matching: first", "matching: newest → first"),
        (
            "within: 90s",
            "within: 90s\n    clear: env where temp < 40",
            "clear: nothing → env where temp < 40",
        ),
        ("range: [-40, 150]", "range: [-40, 200]", "stream env: field temp: range: [-40, 150] → [-40, 200]"),
    ],
)
def test_of_a_sequence_everything_that_decides_is_told(old: str, new: str, difference: str) -> None:
    ((_, kind, told),) = _told(SEQUENCE, SEQUENCE.replace(old, new), HEAD.replace(old, new))
    assert (kind, told) == ("meaning", [difference])


def test_of_joined_streams_the_one_that_changed_is_told() -> None:
    door = "  door:\n    topic: site/{site}/door/{device}\n    interval: 1m\n    fields: {angle: {unit: deg}}\n"
    head = HEAD.replace("commands:\n", door + "commands:\n")
    rule = "  r: {from: [env, door], by: [site], when: temp > 80 and door.angle > 3, summary: hot}\n"
    after = load(rule, head.replace("angle: {unit: deg}", "angle: {unit: deg, range: [0, 90]}"))
    (change,) = compare(load(rule, head), after)
    assert [str(one) for one in change.differences] == ["stream door: field angle: range: nothing → [0, 90]"]


def test_whom_a_rule_mutes_is_told() -> None:
    other = "  s: {from: env, when: temp > 90, summary: hot}\n"
    muting = RULE.replace("severity", "inhibit: {rules: [s], same: [site]}, severity")
    assert _told(RULE + other, muting + other) == [("r", "action", ["inhibit: nothing → {rules: [s], same: [site]}"])]
