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
        (RULE, RULE.replace("for:", "clear: temp < 70, for:"), ["clear: nothing → temp < 70"]),
        (RULE, RULE.replace("for:", "by: [device], for:"), ["by: [site, device] → [device]"]),
        (RULE, RULE.replace("for:", "missing: error, for:"), ["missing: hold → error"]),
        (LADDER, LADDER.replace("75", "70"), ["levels.major.when: temp > 75 → temp > 70"]),
        (LADDER, LADDER.replace("      critical: {when: temp > 85}\n", ""),
         ["levels.critical: temp > 85 → nothing", "severity: critical → major"]),
        (LADDER, LADDER.replace("clear: temp < 60", "clear: {when: temp < 60, for: 1m}"),
         ["clear: temp < 60 → temp < 60 for 1m"]),
        (SILENT, SILENT.replace("for: 1m", "for: 3 * interval"), ["for: 1m → 3 * interval"]),
        (SILENT, SILENT.replace("for: 1m", "for: 1m, expect: seen_within 2d"),
         ["expect: seen_within 7d → seen_within 2d"]),
        (RULE, RULE.replace("for:", "max_gap: 45s, for:"), ["max_gap: nothing → 45s"]),
        (RULE, SILENT, ["when: a condition → silence", "severity: major → minor"]),
    ],
)  # fmt: skip
def test_what_decides_is_a_change_of_meaning(before: str, after: str, differences: list[str]) -> None:
    assert _told(before, after) == [("r", "meaning", differences)]


@pytest.mark.parametrize(
    ("after", "differences"),
    [
        (RULE.replace("hot", "warm"), ["summary: hot → warm"]),
        (RULE.replace("major", "minor"), ["severity: major → minor"]),
        (RULE.replace("summary: hot", "summary: hot, runbook: look"), ["runbook: nothing → look"]),
    ],
)
def test_words_are_words(after: str, differences: list[str]) -> None:
    assert _told(RULE, after) == [("r", "words", differences)]


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        ("do: [{invoke: stop}]", "do"),
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
        ("range: [-40, 150]", "range: [-40, 200]", "stream env: field temp"),
        ("format: unix_ms", "format: unix_s", "stream env: time"),
    ],
)
def test_a_stream_that_means_something_else_changes_its_rules(old: str, new: str, difference: str) -> None:
    assert _told(RULE, RULE, HEAD.replace(old, new)) == [("r", "meaning", [difference])]


def test_a_field_that_no_rule_reads_changes_none() -> None:
    assert _told(RULE, RULE, HEAD.replace("rpm:       {unit: rpm,", "rpm:       {")) == []


@pytest.mark.parametrize("key", ["partial: true", "max_samples: 20", "max_gap: 45s", "every: 5s"])
def test_what_a_stream_says_of_time_and_messages_is_named(key: str) -> None:
    head = HEAD.replace("    interval: 10s\n", f"    interval: 10s\n    {key}\n")
    assert _told(RULE, RULE, head) == [("r", "meaning", [f"stream env: {key.partition(':')[0]}"])]
