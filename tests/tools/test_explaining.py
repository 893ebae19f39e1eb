"""`iotrules explain`: a rule in words, as the engine takes it, and the code that decides on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from iotrules.cli import main
from iotrules.language import load_files
from iotrules.tools.explaining import code_of, explained
from tests.engine.world import STREAM

RULES = f"""{STREAM}
  plain:
    from: env
    when: temp > 185 degF and slope(pressure, 5m) < -0.6 bar/min
    for: 3 * interval
    clear: {{when: temp < 70, for: 20s}}
    severity: critical
    only: {{days: mon-fri, between: ["08:00", "18:00"], zone: UTC}}
    cooldown: 5m
    downtime: {{policy: pause, max: 1h}}
    do:
      - {{command: stop, args: {{mode: safe}}, guard: {{max_share: 5%, per: 10m}}}}
      - {{at: resolved, invoke: tell}}
      - {{publish: {{topic: a/b, payload: {{}}}}}}
  ladder:
    from: env
    levels: {{minor: {{when: temp > 70}}, major: {{when: temp > 80, for: 1m}}}}
    clear: temp < 60
    inhibit: {{rules: [plain], same: [site]}}
    only_keys: {{site: [A, B]}}
    alert: false
    dry_run: true
  asks: {{from: env, by: [site], when: 'firing("ladder")', missing: error}}
  silent: {{absent: env, for: 1m}}
  steps: {{sequence: [{{first: env where temp > 80}}, {{then: env where temp < 60}}], within: 5m}}
"""
LOADED = load_files({"r.yaml": RULES})


@pytest.mark.parametrize(
    ("rule", "what", "words"),
    [
        ("plain", "rule", "plain, r.yaml:17"),
        ("plain", "watches", "env: site/{site}/dev/{device}/env, which reports every 10s"),
        ("plain", "key", "each site, device for itself"),
        (
            "plain",
            "raises",
            "critical: temp > 185 degF and slope(pressure, 5m) < -0.6 bar/min "
            "[185 degF is 85 degC; -0.6 bar/min is -0.01 bar/s], for 3 reporting intervals (30s) without a break",
        ),
        ("plain", "ends", "temp < 70, for 20s without a break"),
        ("plain", "may fire", "mon, tue, wed, thu, fri, 08:00 to 18:00, UTC"),
        ("plain", "a stop", "pause for the clock of for, of over 1h: it starts again"),
        ("plain", "cooldown", "people are told again after 5m at the earliest"),
        (
            "plain",
            "at firing",
            "sends the command stop(mode=safe), expires after 5m, to be acknowledged in 30s; "
            "at most 5% of all devices in 10m, what is beyond is held",
        ),
        ("plain", "at resolved", "invokes tell"),
        (
            "plain",
            "looked at",
            "with every message of env, and when a hold is over; every 5s as time passes, until 5m after the newest "
            "message",
        ),
        ("plain", "keeps", "pressure, 5m: 30 samples, about 2,020 bytes"),
        ("ladder", "raises", "major: temp > 80, for 1m without a break"),
        ("ladder", "releases", "minor: the condition is false"),
        ("ladder", "ends", "temp < 60"),
        ("ladder", "only", "site is one of A, B"),
        ("ladder", "mutes", "plain with the same site, while it fires"),
        ("ladder", "alert", "none: only the steps run"),
        ("ladder", "asked by", "asks"),
        ("asks", "asks for", "alerts of ladder with the same site"),
        ("asks", "unknown", "an unknown condition changes nothing, and is a failure of the rule"),
        (
            "asks",
            "looked at",
            "with every message of env, and when a hold is over; when an alert that it asks for begins or ends",
        ),
        ("silent", "raises", "minor: no message, for 1m without a break"),
        ("silent", "expects", "devices that were heard within 7d"),
        ("steps", "raises", "minor: env where temp > 80, then env where temp < 60, within 5m"),
        ("steps", "ends", "5m after it fired"),
    ],
)
def test_it_says(rule: str, what: str, words: str) -> None:
    assert (what, words) in explained(LOADED, rule)


def test_the_code_is_that_of_the_stream_with_a_legend_of_what_it_refers_to() -> None:
    code = code_of(LOADED, "asks")
    assert code.startswith("# stream env: ")
    assert "how many alerts of ladder fire by site" in code
    assert "def take(source, payload" in code
    compile(code, "<explained>", "exec")
    named = {line.split(":")[0][2:] for line in code.splitlines() if line.startswith("# k")}
    assert all(name in named for name in {word for word in code.replace("(", " ").split() if word in named})


def test_a_stream_without_generated_code_says_why() -> None:
    text = RULES.replace("unix_ms", "iso8601")
    assert "no generated function" in code_of(load_files({"r.yaml": text}), "asks")


def _run(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    (tmp_path / "r.yaml").write_text(RULES)
    result = CliRunner().invoke(main, ["explain", *arguments, "--rules", str(tmp_path)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_prints_a_line_for_each(tmp_path: Path) -> None:
    code, out, _ = _run(tmp_path, "silent")
    assert code == 0
    assert out.splitlines()[0] == f"rule        silent, {tmp_path}/r.yaml:39"


def test_the_command_prints_code_and_json(tmp_path: Path) -> None:
    assert "def take(" in _run(tmp_path, "plain", "--code")[1]
    document = json.loads(_run(tmp_path, "plain", "--json")[1])
    assert (document["version"], document["rule"], document["said"][2]) == (
        1, "plain", ["key", "each site, device for itself"],
    )  # fmt: skip
    assert "def take(" in json.loads(_run(tmp_path, "plain", "--json", "--code")[1])["code"]


def test_an_unknown_rule_is_told_with_the_nearest(tmp_path: Path) -> None:
    code, _, err = _run(tmp_path, "plane")
    assert (code, 'there is no rule "plane"' in err, 'did you mean "plain"?' in err) == (3, True, True)
