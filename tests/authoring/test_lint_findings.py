"""Findings of `iotrules lint`: what loads but can't be meant is found, and what can be meant is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iotrules.language import load_files, read_directory
from iotrules.language.linting import KINDS, Finding, lint
from iotrules.model.inputs import RegistryFile
from tests.language.rule_files import HEAD

RULES = Path(__file__).parent.parent.parent / "rules"
TWO_LEVELS = (
    "from: env, levels: {major: {when: temp > 75}, critical: {when: temp > 85, clear: temp < %s}}, clear: temp < %s"
)


def findings(*bodies: str, head: str = HEAD) -> list[Finding]:
    """Those of the rules r1, r2 … with these bodies in flow style, infos included."""
    rules = "".join(f"  r{index}: {{{body}}}\n" for index, body in enumerate(bodies, 1))
    files = {"r.yaml": f"{head}rules:\n{rules}"}
    return lint(files, load_files(files))


def codes(*bodies: str, head: str = HEAD) -> list[str]:
    return [finding.code for finding in findings(*bodies, head=head) if not finding.kind.info]


def pointed(finding: Finding) -> str:
    """What stands at the place of a finding, to the end of its line."""
    return finding.problem.source[finding.problem.column - 1 :]


@pytest.mark.parametrize(
    ("when", "clear"),
    [
        ("temp > 85", "temp < 90"),
        ("temp >= 85", "temp <= 85"),
        ("temp > 185 degF", "temp < 86 degC"),
        ("avg(temp, 10m) > 80", "avg(temp, 10m, min_samples=5) < 85"),
        ("max(temp, 5m) > 80", "temp < 85"),
        ("20 < temp < 30", "temp > 25"),
        ("not (temp < 85)", "temp < 90"),
        ("slope(temp, 3m) > 1 degC/min", "slope(temp, 10m) < 2 degC/min"),
        ('temp > 85 and fan == "running"', "temp < 90"),
        ("temp > inlet", "inlet <= temp"),
        ('fan in ["running"]', 'fan != "stopped"'),
        ("door", "door or temp < 3"),
        ("temp > 50 or pressure > 3", "temp < 10 or pressure < 4"),
        ("p95(temp, 10m) > 80", "p95(temp, 10m) < 85"),
        ("count(fan, 10m) > 10", "count(fan, 10m) < 12"),
    ],
)
def test_clear_overlaps_raise(when: str, clear: str) -> None:
    found = findings(f"from: env, when: '{when}', clear: '{clear}'")
    (overlap,) = [finding for finding in found if finding.code == "L001"]
    assert pointed(overlap).startswith(clear.replace("'", "''"))


@pytest.mark.parametrize(
    ("when", "clear"),
    [
        ("temp > 85", "temp < 80"),
        ("temp > 85", "temp <= 85"),
        ("temp > 85", "inlet < 90"),
        ("avg(temp, 10m) > 80", "temp < 75"),
        ("temp > 85 and fan == 'running'", "temp < 70 or fan == 'stopped'"),
        ("temp > inlet", "temp <= inlet"),
        ("temp > 50 or pressure > 3", "temp < 10"),
        ("count(fan, 10m) > 10", "count(fan, 20m) < 12"),
        ("slope(temp, 3m) > 1 degC/min and temp > 50", "slope(temp, 10m) < 0 degC/min"),
        ("door", "not door"),
        ("lower(label) == 'a'", "lower(label) == 'b'"),
        ("label == 'a'", "label != 'a'"),
        ("power > 1 and value < 0.7 * load", "power > 1 and value > 0.8 * load"),
    ],
)
def test_clear_beyond_the_line_is_fine(when: str, clear: str) -> None:
    assert codes(f'from: env, when: "{when}", clear: "{clear}"') == []


def test_an_overlap_names_a_value() -> None:
    (found,) = findings("from: env, when: temp > 85, clear: {when: temp < 90, for: 1m}")
    assert found.problem.message == "temp at 88 both raises the alert (temp > 85) and clears it (temp < 90)"
    assert pointed(found) == "temp < 90, for: 1m}}"
    assert "when beats clear" in found.problem.hint


def test_levels_are_looked_at_one_by_one() -> None:
    assert codes(TWO_LEVELS % (80, 70)) == []
    (own,) = findings(TWO_LEVELS % (90, 70))
    assert (own.code, pointed(own).startswith("temp < 90")) == ("L001", True)
    of_all = [one for one in findings(TWO_LEVELS % (80, 79)) if one.code == "L001"]
    assert [pointed(one) for one in of_all] == ["temp < 79}"]


def test_flapping_is_told_on_request_only() -> None:
    (found,) = findings("from: env, when: temp > 85")
    assert (found.code, found.kind.info, pointed(found)) == ("L002", True, "temp > 85}")
    assert findings("from: env, when: temp > 85, clear: {for: 1m}") == []
    assert findings("from: env, when: fan == 'running'") == []


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        ("from: env, when: door, for: 5s", "L003", "5s"),
        ("from: env, when: door, for: 0.5 * interval", "L003", "0.5"),
        ("from: env, when: door, clear: {for: 9999ms}", "L003", "9999ms"),
        ("from: env, levels: {major: {when: door, for: 5s}}", "L003", "5s"),
        ("absent: env, for: 9s", "L004", "9s"),
        ("absent: env, for: 10s", "L004", "10s"),
        ("absent: env, for: 1 * interval", "L004", "1 *"),
    ],
)
def test_holds_below_the_interval(body: str, code: str, place: str) -> None:
    (found,) = findings(body)
    assert (found.code, pointed(found).startswith(place)) == (code, True)
    assert "env reports every 10s" in found.problem.message


@pytest.mark.parametrize(
    "body",
    [
        "from: env, when: door, for: 10s",
        "from: env, when: door, for: 0s",
        "from: env, when: door, clear: {for: 2 * interval}",
        "absent: env, for: 11s",
        "absent: env, for: 2 * interval",
    ],
)
def test_holds_of_an_interval_or_more_are_fine(body: str) -> None:
    assert findings(body) == []


def test_without_an_interval_nothing_is_said_of_holds() -> None:
    head = "streams:\n  env: {topic: a, id: seq, fields: {door: {type: flag}}}\n"
    assert findings("from: env, when: door, for: 1ms", "absent: env, for: 1ms", head=head) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("from: env, when: (temp > 85), clear: temp < 70", "and does the same"),
        ("from: env, when: temp > 185 degF, severity: major, clear: temp < 70", "with severity major instead of minor"),
        ("from: env, when: temp > 85, clear: temp < 60, do: [{invoke: f}]", "with other steps and clear"),
        ("from: env, by: [device, site], when: temp > 85, clear: temp < 60", "but with other clear"),
    ],
)
def test_two_rules_watch_for_the_same(other: str, words: str) -> None:
    (found,) = findings("from: env, when: temp > 85, clear: temp < 70", other)
    assert (found.code, found.problem.line, found.anchor) == ("L005", 27, 27)
    assert found.problem.message.startswith("raises at the same time as r1 (r.yaml:26), ")
    assert words in found.problem.message


@pytest.mark.parametrize(
    "other",
    [
        "from: env, when: temp > 86, clear: temp < 70",
        "from: env, when: temp > 85, for: 5m, clear: temp < 70",
        "from: env, when: temp > 85, missing: error, clear: temp < 70",
        "from: env, when: temp > 85, dry_run: true, clear: temp < 70",
        "absent: env, for: 1m",
    ],
)
def test_two_rules_that_differ_in_what_they_watch_are_fine(other: str) -> None:
    assert codes("from: env, when: temp > 85, clear: temp < 70", other) == []


@pytest.mark.parametrize(
    ("condition", "part", "why"),
    [
        ("temp > 150", "temp > 150", "temp is from -40 to 150"),
        ("avg(temp, 10m) < -40 degF and door", "avg(temp, 10m) < -40 degF", "avg(temp, 10m) is from -40 to 150"),
        ("temp > 90 and temp < 80", "temp > 90", "its parts exclude each other, temp is from"),
        ("value > 90 and value < 80", "value > 90", "its parts exclude each other"),
        ("door and not door", "door", "its parts exclude each other"),
        (
            "fan != 'running' and fan != 'stopped'",
            "fan",
            "its parts exclude each other, fan is one of running, stopped",
        ),
        ("door or temp + 10 < -40", "temp + 10", "temp + 10 is from -30 to 160"),
        ("2 * temp - 10 > 300", "2 * temp", "2 * temp - 10 is from -90 to 290"),
        ("count(fan, 10m) < 0", "count", "count(fan, 10m) is at least 0"),
        ("hour('UTC') > 23 and door", "hour", 'hour("UTC") is from 0 to 23'),
    ],
)
def test_what_never_is(condition: str, part: str, why: str) -> None:
    found = [one for one in findings(f'from: env, when: "{condition}"') if one.code == "L006"]
    assert [pointed(one).startswith(part) for one in found] == [True]
    assert why in found[0].problem.message


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("temp > -41", "temp"),
        ("fan in ['running', 'stopped']", "fan in"),
        ("door or not door", "door"),
        ("temp > 50 and max(temp, 5m) <= 150", "max"),
        ("value != 3 or value == 3", "value"),
        ("count(fan, 10m) >= 0", "count"),
    ],
)
def test_what_always_is(condition: str, part: str) -> None:
    found = [one for one in findings(f'from: env, when: "{condition}"') if one.code == "L007"]
    assert [pointed(one).startswith(part) for one in found] == [True]


@pytest.mark.parametrize(
    "condition",
    [
        "-40 <= temp < 150",
        "temp >= 150",
        "temp - inlet > 1000",
        "temp / inlet > 3",
        "value * value < 0",
        "slope(temp, 5m) > 1000",
        "label != 'a' and label != 'b'",
        "temp > 90 and avg(temp, 10m) < 80",
        "device == 'b1' or site == 'A'",
        "share(temp > 80, 1h) >= 50%",
        " and ".join(f"(value < {n} or value > {n + 1})" for n in range(12)),
    ],
)
def test_what_can_be_is_fine(condition: str) -> None:
    assert codes(f'from: env, when: "{condition}"') == []


def test_clear_is_looked_at_too() -> None:
    (found,) = findings("from: env, when: temp > 85, clear: temp < -40")
    assert (found.code, pointed(found)) == ("L006", "temp < -40}")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [("", ["L008"]), (", id: seq", []), (", time: {field: ts, format: unix_s}", [])],
)
def test_a_stream_tells_messages_apart(keys: str, expected: list[str]) -> None:
    files = {"r.yaml": f"streams:\n  env: {{topic: a{keys}}}\n"}
    found = lint(files, load_files(files))
    assert [one.code for one in found] == expected
    assert all((one.problem.line, one.problem.column) == (2, 3) for one in found)


def test_devices_share_a_state() -> None:
    (found,) = findings("from: env, by: [site], when: door")
    assert (found.code, pointed(found)) == ("L009", "by: [site], when: door}")
    assert "leaves out device" in found.problem.message
    assert findings("absent: env, by: [site], for: 1m") == []
    assert findings("from: env, by: [device, site], when: door") == []


def test_the_conditions_of_a_sequence_are_looked_at_with_the_fields_of_their_stream() -> None:
    more = HEAD.replace("commands:", '  tank: {topic: "t/{site}", id: n, fields: {temp: {range: [0, 9]}}}\ncommands:')
    body = (
        "by: [site], sequence: [{first: 'env where temp > 10'}, {then: {stream: tank, where: temp > 10}}, "
        "{without: 'tank where temp < 10'}], within: 9s, clear: tank where temp >= 0"
    )
    found = findings(body, head=more)
    assert [(finding.code, pointed(finding)[:9]) for finding in found] == [
        ("L006", "temp > 10"), ("L007", "temp < 10"), ("L007", "temp >= 0")
    ]  # fmt: skip


def test_a_sequence_of_a_group_of_devices_is_no_finding_and_twins_are() -> None:
    body = "by: [site], sequence: [{first: env where temp > 10}, {then: env where door}], within: 9s"
    assert codes(body) == []
    assert codes(body, body.replace("temp > 10", "temp > 10.0") + ", severity: critical") == ["L005"]
    assert codes(body, body.replace("9s", "8s")) == []


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("alert: false, cooldown: 5m", "5m}"),
        ("alert: false, flapping: false", "false}"),
        ("inhibit: {rules: [r2]}", "r2]}}"),
    ],
)
def test_muting_where_nobody_is_notified(body: str, place: str) -> None:
    (found,) = findings(
        f"from: env, when: door, clear: not door, {body}", "from: env, when: temp > 3, alert: false, clear: temp < 2"
    )
    assert (found.code, pointed(found)) == ("L011", place)


@pytest.mark.parametrize(
    "body",
    ["only: {zone: UTC}", 'only: [{days: mon, zone: UTC}, {days: mon-sun, between: ["00:00", "24:00"], zone: UTC}]',
     "downtime: pause", "downtime: {max: 5m}"],
)  # fmt: skip
def test_guards_that_hold_nothing_back(body: str) -> None:
    assert codes(f"from: env, when: door, {body}") == ["L012"]


def test_one_condition_by_day_and_by_night_is_no_twin() -> None:
    body = "from: env, when: door, only: {between: [%s], zone: UTC}"
    assert codes(body % '"08:00", "18:00"', body % '"18:00", "08:00"') == []
    assert codes(body % '"08:00", "18:00"', body % '"08:00", "18:00"') == ["L005"]


@pytest.mark.parametrize(
    "body",
    ["only: {days: sat, zone: UTC}", 'only: {between: ["00:00", "23:59"], zone: UTC}', "downtime: pause, for: 1m",
     "downtime: pause, clear: {for: 1m}", "cooldown: 5m, flapping: false"],
)  # fmt: skip
def test_guards_that_mean_something(body: str) -> None:
    assert codes(f"from: env, when: door, {body}") == []


def test_the_shipped_rules_are_clean() -> None:
    files = read_directory(RULES)
    found = lint(files, load_files(files))
    assert [str(one.problem) for one in found if not one.kind.info] == []


def test_the_rules_of_the_manual_are_clean() -> None:
    manual = (RULES.parent / "docs" / "rules.md").read_text()
    for block in re.findall(r"^```yaml\n(.*?)^```", manual, re.MULTILINE | re.DOTALL):
        files = {"r.yaml": block}
        registry = (
            RegistryFile("registry.csv", "site,device,max_temp [degC],critical [flag]") if "attr." in block else None
        )
        assert [one.code for one in lint(files, load_files(files, registry)) if not one.kind.info] in ([], ["L008"])


def test_whatever_loads_can_be_linted() -> None:
    for name, text in read_directory(Path(__file__).parent / "corpus" / "good").items():
        assert all(one.problem.file == name for one in lint({name: text}, load_files({name: text})))


def test_every_kind_has_a_reason() -> None:
    assert list(KINDS) == [f"L{number:03}" for number in range(1, 24)]
    assert all(kind.why and kind.name for kind in KINDS.values())


STREAM_WITH = "streams:\n  env: {topic: a, id: seq, interval: 10s, fields: {temp: {unit: degC}}, %s}\n"


@pytest.mark.parametrize(
    ("key", "place"), [("max_gap: 9s", "9s"), ("partial: true, fresh: 9s", "9s"), ("max_gap: 10s", "")]
)
def test_what_is_too_old_before_the_next_message(key: str, place: str) -> None:
    found = [one for one in findings("from: env, when: temp > 5", head=STREAM_WITH % key) if not one.kind.info]
    assert [(one.code, pointed(one).startswith(place)) for one in found] == ([("L013", True)] if place else [])


def test_a_rule_s_own_greatest_gap_is_looked_at_too() -> None:
    assert codes("from: env, when: temp > 5, clear: temp < 3, max_gap: 9s") == ["L013"]


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("temp > 5", ["L014"]),
        ("avg(temp, 1m) > 5", []),
        ('hour("Europe/Berlin") == 5', []),
        ("age(temp) > 60", []),
        ("delta(temp) > 2", ["L014"]),
    ],
)
def test_every_needs_a_condition_that_changes_with_time(when: str, found: list[str]) -> None:
    assert codes(f"from: env, when: '{when}', every: 5s") == found


@pytest.mark.parametrize(("late", "found"), [("30s", []), ("10s", ["L015"]), ("0s", ["L015"])])
def test_streams_of_a_sequence_wait_alike(late: str, found: list[str]) -> None:
    head = (
        "streams:\n"
        "  door: {topic: 'd/{site}', time: {field: ts, format: unix_ms, late: 30s}, fields: {open: {type: flag}}}\n"
        "  motion: {topic: 'm/{site}', time: {field: ts, format: unix_ms, late: %s}, fields: {seen: {type: flag}}}\n"
    )
    body = "by: [site], sequence: [first: door where open, then: motion where seen], within: 1m"
    assert [one.code for one in findings(body, head=head % late) if not one.kind.info] == found


@pytest.mark.parametrize(
    "levels",
    [
        "minor: {when: temp > 90}, major: {when: temp > 80}",
        "minor: {when: temp > 90, for: 1m}, major: {when: temp > 90, for: 1m}",
        "minor: {when: temp > 90 and rpm > 3, for: 5m}, critical: {when: temp > 80, for: 1m, clear: {for: 2m}}",
        "minor: {when: 'avg(temp, 5m) > 90'}, major: {when: 'avg(temp, 5m) > 80'}",
    ],
)
def test_a_level_that_is_never_seen_is_found(levels: str) -> None:
    found = [one for one in findings(f"from: env, levels: {{{levels}}}, clear: temp < 20") if one.code == "L016"]
    assert [one.problem.message.split(":")[0] for one in found] == ["the alert is never minor"]
    assert pointed(found[0]).lstrip("'").startswith(("temp > 90", "avg(temp"))


@pytest.mark.parametrize(
    "levels",
    [
        "minor: {when: temp > 80}, major: {when: temp > 90}",
        "minor: {when: temp > 90, for: 1m}, major: {when: temp > 80, for: 5m}",
        "minor: {when: temp > 90, clear: temp < 70}, major: {when: temp > 80}",
        "minor: {when: temp > 90}, major: {when: temp > 80 or rpm > 3}",
        "minor: {when: temp > 90}, major: {when: 'avg(temp, 5m) > 80'}",
        "minor: {when: temp > 90, for: 2 * interval}, major: {when: temp > 80, for: 1s}",
    ],
)
def test_a_level_that_may_be_seen_is_no_finding(levels: str) -> None:
    assert "L016" not in codes(f"from: env, levels: {{{levels}}}, clear: temp < 20")


@pytest.mark.parametrize(("hold", "found"), [("30s", ["L017"]), ("2m", []), ("4 * interval", ["L017"])])
def test_silence_is_not_known_before_late_has_passed(hold: str, found: list[str]) -> None:
    head = HEAD.replace("late: 0s", "late: 1m")
    assert [one.code for one in findings(f"absent: env, for: {hold}", head=head) if not one.kind.info] == found
