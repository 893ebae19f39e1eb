"""Rule files: what they become, and every problem of all of them at once."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iotrules.language import load_files, read_directory, thresholds
from iotrules.model.errors import ConfigError
from iotrules.model.expression import FieldRef, Not
from iotrules.model.inputs import RegistryFile
from iotrules.model.rules import (
    NO_HOLD,
    Absence,
    At,
    Clear,
    CommandStep,
    Condition,
    EventTime,
    FieldType,
    Hold,
    InvokeStep,
    Location,
    Missing,
    Severity,
    Slot,
)
from iotrules.model.times import DAY, MINUTE, SECOND
from tests.language.rule_files import HEAD, load, problems, rule, rule_problems, stream

DOCS = Path(__file__).parent.parent.parent / "docs" / "rules.md"


def test_a_stream_is_read_whole() -> None:
    env = stream()
    assert env.captures == ("site", "device")
    assert env.topic.filter == "site/+/dev/+/env"
    assert env.time == EventTime(("ts",), "unix_ms", 10 * SECOND)
    assert (env.id_paths, env.interval) == ((("boot",), ("seq",)), 10 * SECOND)
    fields = {field.name: field for field in env.fields}
    assert (fields["temp"].low, fields["temp"].high, fields["temp"].unit) == (-40, 150, "degC")
    assert (fields["fan"].type, fields["fan"].one_of) == (FieldType.TEXT, ("running", "stopped"))
    assert fields["rpm"].path == ("motor", "rpm")
    assert (fields["door"].type, fields["load"].coerce_number) == (FieldType.FLAG, True)
    assert env.location == Location("r.yaml", 2)


def test_a_rule_has_defaults() -> None:
    plain = rule("from: env, when: door")
    assert plain.by == ("site", "device")
    assert plain.body == Condition(FieldRef("door"), NO_HOLD, Clear(None, NO_HOLD, ""), "door")
    assert (plain.severity, plain.missing, plain.alert, plain.dry_run) == (Severity.MINOR, Missing.HOLD, True, False)
    assert plain.summary.parts == (Slot("device", ""), ": door")
    assert plain.steps == ()


def test_a_rule_is_read_whole() -> None:
    full = rule(
        "from: env, by: [device, site], when: door, for: 2.5 * interval, clear: {when: not door, for: 1m}, "
        'severity: critical, labels: {team: ops}, summary: "{{{device}}} {rule} {temp:.1f} {held}", description: d, '
        "runbook: u, alert: false, missing: false, dry_run: true, "
        "do: [{invoke: stop}, {command: off, args: {n: 1, mode: safe, now: true}, "
        "expires: 2m, ack_within: 10s, at: resolved}]"
    )
    assert full.by == ("device", "site")
    clear = Clear(Not(FieldRef("door")), Hold(nanoseconds=MINUTE), "not door")
    assert full.body == Condition(FieldRef("door"), Hold(intervals=2.5), clear, "door")
    assert full.summary.parts == (
        "{", Slot("device", ""), "} ", Slot("rule", ""), " ", Slot("temp", ".1f"), " ", Slot("held", "")
    )  # fmt: skip
    args = (("n", 1), ("mode", "safe"), ("now", True))
    assert full.steps == (
        InvokeStep("stop", At.FIRING),
        CommandStep("off", args, At.RESOLVED, 2 * MINUTE, 10 * SECOND),
    )
    assert (full.severity, full.missing, full.alert, full.dry_run) == (Severity.CRITICAL, Missing.FALSE, False, True)
    assert (full.labels, full.description, full.runbook) == ((("team", "ops"),), "d", "u")


def test_silence_is_a_rule() -> None:
    assert rule("absent: env, for: 3 * interval").body == Absence(Hold(intervals=3), 7 * DAY)
    silent = rule("absent: env, for: 5m, expect: seen_within 2d")
    assert silent.body == Absence(Hold(nanoseconds=5 * MINUTE), 2 * DAY)
    assert silent.summary.parts == (Slot("device", ""), ": no message on env for 5m")


@pytest.mark.parametrize(
    ("body", "found", "message"),
    [
        ("from: env", "r:", "the rule has no condition"),
        ("when: door", "r:", "the rule names no stream"),
        ("from: env, absent: env, for: 1m", "from", "from or absent, not both"),
        ("from: enw, when: door", "enw", 'unknown stream "enw": did you mean "env"?'),
        ("from: [env, x], when: door", "x", "unknown stream"),
        ("from: env, when: door, for: 90", "90", "write 90s or 90m"),
        ("from: env, when: door, for: 1:30", "1:30", "not a duration"),
        ("from: env, when: door, for: 3 * intervals", "3 * i", "a number of intervals"),
        ("from: env, when: door, for: 400d", "400d", "at most 366d"),
        ("absent: env", "r:", "says for how long"),
        ("absent: env, for: 0s", "0s", "longer than 0s"),
        ("absent: env, for: 1m, when: door", "when", "belongs to a rule with from"),
        ("absent: env, for: 1m, expect: always", "always", "seen_within"),
        ("absent: env, for: 1m, summary: '{temp}'", "{temp}", 'unknown name "temp" in the text'),
        ("from: env, when: door, expect: seen_within 3d", "expect", "belongs to a rule with absent"),
        ("from: env, when: door, clear: [1]", "clear", "clear is a condition"),
        ("from: env, when: door, clear: tmp > 3", "tmp", 'did you mean "temp"?'),
        ("from: env, when: door, clear: {wen: door}", "wen", 'unknown key "wen": did you mean "when"?'),
        ("from: env, when: door, by: [sit]", "sit", '"sit" is no capture: did you mean "site"?'),
        ("from: env, by: [site], when: device == 'x'", "device", "a capture that the rule's by leaves out"),
        ("from: env, by: [site], when: door, do: [{command: x}]", "x}", 'needs "device"'),
        ("from: env, when: door, severity: bad", "bad", "must be one of info, minor, major, critical"),
        ("from: env, when: door, missing: maybe", "maybe", '"missing" must be'),
        ("from: env, when: door, summary: 'at {tmp}'", "{tmp}", 'did you mean "temp"?'),
        ("from: env, when: door, summary: 'at {temp:5x}'", "{temp", 'unknown format "5x"'),
        ("from: env, when: door, summary: 'at {fan:.1f}'", "{fan", "is no number"),
        ("from: env, when: door, summary: 'at {temp.x}'", "{temp", "unknown name"),
        ("from: env, when: door, summary: 'at {temp'", "{temp", "a brace without its other half"),
        ("from: env, when: door, summary: {device}", "summary", "must be text, not a mapping"),
        ("from: env, when: door, do: [{}]", "{}", "a step says what to do"),
        ("from: env, when: door, do: [x]", "x", "a step is a mapping"),
        ("from: env, when: door, do: [{invoke: a, command: b}]", "{invoke", "not both"),
        ("from: env, when: door, do: [{invoke: a b}]", "a b", "a function's name"),
        ("from: env, when: door, do: [{invoke: a, expires: 3m}]", "3m", "belongs to a command"),
        ("from: env, when: door, do: [{command: a, expires: soon}]", "soon", "not a duration"),
        ("from: env, when: door, do: [{command: a, expires: 0s}]", "0s", "longer than 0s"),
        ("from: env, when: door, do: [{invoke: a, at: major}]", "major", "no level major"),
        ("from: env, when: door, do: [{set: {a: 1}}]", "set", "not supported by this version"),
        ("from: env, when: ", "when", '"when" has nothing behind it'),
        ("absent: env, for: ", "for", '"for" has nothing behind it'),
        ("from: , when: door", "from", '"from" has nothing behind it'),
        ("when: door", "r: {", "names no stream"),
        ("absent: env", "r: {", "says for how long"),
        ("from: env", "r: {", "the rule has no condition"),
        ("sequence: , within: 1m", "sequence", '"sequence" has nothing behind it'),
        ("from: env, levels: {major: {when: }}", "when", '"when" has nothing behind it'),
        ("from: env, when: door, do: [{invoke: }]", "invoke", '"invoke" has nothing behind it'),
        ("from: env, levels: {}", "levels", "names at least one severity"),
        ("from: env, levels: {major: x}", "x}", "a level is a mapping"),
        ("from: env, levels: {mojor: {when: door}}", "mojor", "must be one of info, minor, major, critical"),
        ("from: env, levels: {major: {for: 5m}}", "major", "the level has no condition"),
        ("from: env, levels: {major: {when: door}}, severity: minor", "severity", "stands in each level"),
        ("from: env, levels: {major: {when: dor}}", "dor", "unknown name"),
        ("from: env, levels: {major: {when: door, clear: dor}}", "dor", "unknown name"),
        ("from: env, levels: {major: {when: door}}, do: [{invoke: a, at: minor}]", "minor", "no level minor"),
        ("absent: env, for: 1m, levels: {major: {when: door}}", "levels", "belongs to a rule with from"),
        ("sql: SELECT", "sql", "not supported by this version"),
        ("from: env, when: door, severty: major", "severty", 'did you mean "severity"?'),
        ("from: env, when: true", "true", "must be text, not true"),
    ],
)
def test_a_wrong_rule_is_refused_where_it_is_wrong(body: str, found: str, message: str) -> None:
    (problem,) = rule_problems(body)
    assert message in problem.message
    assert problem.source[problem.column - 1 :].startswith(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("topic: a/+/b", "wildcards"),
        ("topic: a/#", "wildcards"),
        ("topic: a//b", "empty level"),
        ("topic: /a", "empty level"),
        ("topic: $SYS/a", "belong to the broker"),
        ("topic: 'a/{x}/{x}'", "twice"),
        ("topic: 'a/x{x}'", "a whole level"),
        ("topic: 'a/{avg}'", "word of the rule language"),
        ("topic: 'a/{x-y}'", "capture names are letters"),
        ("topic: ''", "from 1 to"),
        ("{}", 'the key "topic" is missing'),
        ("topic: a, time: {field: t, format: unix}", "must be one of unix_s"),
        ("topic: a, time: {field: a..b, format: unix_s}", "is no path"),
        ("topic: a, id: []", "id is a list"),
        ("topic: a, interval: 10", "write 10s or 10m"),
        ("topic: a, transport: aws", "not supported by this version"),
        ("topic: a, fields: {not: {}}", "word of the rule language"),
        ("topic: a, fields: {held: {}}", "means something else in a summary"),
        ("topic: a, fields: {x-y: {}}", "field names are letters"),
        ("topic: 'a/{x}', fields: {x: {}}", "both a field and a capture"),
        ("topic: a, fields: {x: {unit: dgeC}}", 'did you mean "degC"?'),
        ("topic: a, fields: {x: {range: [3, 1]}}", "the lower first"),
        ("topic: a, fields: {x: {one_of: []}}", "a list of different texts"),
        ("topic: a, fields: {x: {one_of: [on, true]}}", "must be text, not true"),
        ("topic: a, fields: {x: {type: number, one_of: [a]}}", "one_of is for text"),
        ("topic: a, fields: {x: {type: flag, unit: bar}}", "unit is for numbers"),
        ("topic: a, fields: {x: {coerce: text}}", "must be one of number"),
        ("topic: a, fields: {x: {typ: text}}", 'did you mean "type"?'),
    ],
)
def test_a_wrong_stream_is_refused(text: str, message: str) -> None:
    body = text if text == "{}" else f"{{{text}}}"
    found = problems(f"streams:\n  s: {body}\nrules:\n  r: {{from: s, when: x > 3}}\n")
    assert [message in problem.message for problem in found] == [True], [str(p) for p in found]


def test_files_share_streams_and_problems_of_all_files_are_told_at_once() -> None:
    other = "rules:\n  a: {from: env, when: door}\n  b: {from: env, when: tmp > 3}\n"
    broken = "rules: {a: {from: env, when: door, x: 1}, c: !t {}}"
    found = problems({"head.yaml": HEAD + "rules: {a: {from: env, when: door}}", "o.yaml": other, "b.yaml": broken})
    assert [(p.file, p.line) for p in found] == [("o.yaml", 2), ("o.yaml", 3), ("b.yaml", 1)]
    assert found[0].message == 'the rule "a" is already in head.yaml:25'
    good = "rules:\n  b: {from: env, when: temp > 3}\n"
    assert set(load_files({"head.yaml": HEAD, "good.yaml": good}).rules) == {"b"}


def test_topics_and_commands_do_not_collide() -> None:
    streams = "streams:\n  a: {topic: 'x/{d}'}\n  b: {topic: x/y}\n"
    assert "a (r.yaml:2)" in problems(streams)[0].message
    both = "streams: {a: {topic: 'x/{d}'}}\ncommands: {topic: x/y, ack: x/z}\n"
    assert [p.line for p in problems(both)] == [2, 2]
    twice = problems({"a.yaml": HEAD, "b.yaml": "commands: {topic: q, ack: r}"})
    assert twice[0].message.startswith("commands is already in a.yaml:22")
    none = "streams: {a: {topic: x, fields: {f: {type: flag}}}}\nrules: {r: {from: a, when: f, do: [{command: x}]}}"
    assert "no file says how commands reach devices" in problems(none)[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a rule file is a mapping with streams, zones, commands, rules, not nothing"),
        ("42", "a rule file is a mapping"),
        ("rule: {}", 'unknown key "rule": did you mean "rules"?'),
        ("rules: []", '"rules" must be a mapping of names, not a list'),
        ("rules: {a b: {from: x, when: y}}", "a rule's name"),
        ("rules: {a: 3}", "must be a mapping"),
        ("streams: {state: {topic: a}}", "word of the rule language"),
    ],
)
def test_a_wrong_file_is_refused(text: str, message: str) -> None:
    assert message in problems(text)[0].message


def test_a_problem_inside_folded_text_is_found() -> None:
    text = f"{HEAD}rules:\n  r:\n    from: env\n    when: >-\n      temp > 3\n      and tmp > 5\n"
    (problem,) = problems(text)
    assert (problem.line, problem.column, problem.source.strip()) == (30, 11, "and tmp > 5")


def test_the_meaning_is_what_decides_and_no_words() -> None:
    base = rule("from: env, when: temp > 85, for: 2m")
    same = (
        "when: temp > 185 degF, severity: critical",
        "when: 'temp  > 85.0', summary: x",
        "when: (temp > 85), alert: false",
    )
    for body in same:
        assert rule(f"from: env, for: 2m, {body}").meaning == base.meaning
    muted = "cooldown: 5m, flapping: false"
    assert rule(f"from: env, when: temp > 85, for: 2m, {muted}").meaning == base.meaning
    for body in ("when: temp > 85, for: 2m, only: {zone: UTC}", "when: temp > 85, for: 2m, downtime: pause",
                 "when: temp > 86, for: 2m", "when: temp > 85, for: 3m", "when: temp > 85, for: 2m, clear: temp < 3",
                 "when: temp > 85, for: 2m, missing: error", "when: temp > 85, for: 2m, by: [device]"):  # fmt: skip
        assert rule(f"from: env, {body}").meaning != base.meaning
    moved = load("  r: {from: env, when: temp > 85, for: 2m}", HEAD.replace("[-40, 150]", "[-40, 90]"))
    assert moved.rules["r"].meaning != base.meaning
    assert re.fullmatch("[0-9a-f]{16}", base.meaning)


@pytest.mark.parametrize(
    ("condition", "meaning"),
    [
        ("avg(temp, 10m) > 85", "e50b96a08b47b06d"),
        ("slope(pressure, 3m, min_samples=4) < -0.5 bar/min and fan == 'running'", "b579e18242f6063f"),
        ("count(fan, 5m) >= 3 or not door and temp in [1, 2]", "8e338441b7d2dbab"),
        ("-temp + 3 < max(temp - inlet, 90s) * 2 and device != 'x'", "ba20917bc1bd6892"),
    ],
)
def test_the_meaning_stays_from_version_to_version_so_that_state_is_kept(condition: str, meaning: str) -> None:
    assert rule(f'from: env, when: "{condition}", for: 2m').meaning == meaning


def test_thresholds_are_what_a_chart_can_draw() -> None:
    drawn = rule(
        'from: env, when: "20 < temp <= 185 degF and (avg(pressure, 5m) > 3 or not rpm > 5) and slope(rpm, 5m) > 3 '
        "and 5 < value + 1 and fan == 'running'\""
    )
    assert thresholds(drawn) == [
        {"field": "temp", "operator": ">", "value": 20.0},
        {"field": "temp", "operator": "<=", "value": 85.0},
        {"field": "pressure", "operator": ">", "value": 3.0},
    ]
    assert thresholds(rule("absent: env, for: 1m")) == []
    functions = rule(
        "from: env, when: 'p95(temp, 5m) > 80 and last(temp, 5m) < 90 and delta(temp) > 3 and age(temp) > 5m'"
    )
    assert [(line["operator"], line["value"]) for line in thresholds(functions)] == [(">", 80.0), ("<", 90.0)]


def test_a_directory_is_read_without_its_tests(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.yaml", "a.yml", "a.test.yaml", "note.txt", "sub/c.yaml"):
        (tmp_path / name).write_text("rules: {}")
    assert [Path(name).name for name in read_directory(tmp_path)] == ["a.yml", "b.yaml", "c.yaml"]
    assert list(read_directory(tmp_path / "b.yaml").values()) == ["rules: {}"]
    (tmp_path / "b.yaml").write_bytes(b"rules: \x80")
    assert problems(read_directory(tmp_path))[0].message == "the byte 0x80 is not UTF-8"
    with pytest.raises(ConfigError, match="does not exist"):
        read_directory(tmp_path / "none")


def test_an_empty_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no \*.yaml files"):
        read_directory(tmp_path)


DEVICES = re.findall(r"```text\n(site,.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
EXAMPLES = re.findall(r"```yaml\n(streams:.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_reference_load(text: str) -> None:
    registry = RegistryFile("registry.csv", DEVICES) if "attr." in text else None
    assert load_files({"docs/rules.md": text}, registry).rules


def test_the_reference_has_examples() -> None:
    assert len(EXAMPLES) >= 2


def test_the_unit_library_is_loaded_only_to_convert() -> None:
    """It costs more than all the rest of loading."""
    condition = "temp > 3 degC and slope(pressure, 3m) < -0.5"
    text = f"{HEAD}rules:\n  r: {{from: env, when: '{condition}'}}\n"
    program = (
        "import sys; from iotrules.language import load_files; load_files({'r.yaml': sys.stdin.read()}); "
        "sys.exit('pint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], input=text, text=True, timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "rules:\n" + "".join(f"  r{n}: {{frm: env}}\n" for n in range(5000)),
        "rules:\n  r: {" + ", ".join(f"severit{n}: 1" for n in range(10_000)) + "}\n",
        "".join(f"rules{n}: 1\n" for n in range(10_000)),
        "streams:\n" + "".join(f"  s{n}: {{topic: 'a/{{b}}'}}\n" for n in range(4000)),
        HEAD + "rules:\n" + "".join(f"  r{n}: {{from: env, when: tmp > 3}}\n" for n in range(4000)),
        HEAD + "rules:\n  r: {from: env, when: door, do: [" + ", ".join("{invok: x}" for _ in range(5000)) + "]}\n",
    ],
)
def test_a_flood_of_problems_is_told_in_short_time(text: str) -> None:
    begun = time.perf_counter()
    assert len(problems(text)) <= 5000
    assert time.perf_counter() - begun < 2
