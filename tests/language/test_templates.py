"""Rule templates: a rule made from one is the rule written out, and what is wrong is told where it can be mended."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.language import load_files
from iotrules.model.expression import Comparison, FieldRef, Text
from iotrules.model.rules import CommandStep, Condition, Hold, InvokeStep, Location, Rule, Severity, Slot
from iotrules.model.times import MINUTE, SECOND
from tests.language.rule_files import HEAD, load, problems

LIMIT = """\
  limit:
    params: {field: {type: field}, max: {type: number}, hold: {type: duration, default: 1m}}
    from: env
    when: field > max
    for: hold
"""
AT = HEAD.count("\n") + 2
"""The line of the first rule of `load`."""


def made(use: str, template: str = LIMIT) -> Rule:
    """The rule `r` with this body in flow style."""
    return load(f"{template}  r: {{{use}}}\n").rules["r"]


def written(body: str) -> Rule:
    return load(f"  r: {{{body}}}\n").rules["r"]


def alike(one: Rule, other: Rule) -> bool:
    """Are they the same but for their places?"""
    return replace(one, location=other.location) == other


def wrong(use: str, template: str = LIMIT) -> list[tuple[str, str, str]]:
    """(message, hint, what stands at the place) of every problem of the rule `r`."""
    found = problems(f"{HEAD}rules:\n{template}  r: {{{use}}}\n")
    return [(problem.message, problem.hint, problem.source[problem.column - 1 :]) for problem in found]


def test_the_example_of_the_language() -> None:
    use = "{use: limit, with: {field: temp, max: -15}, only_keys: {site: [cold-2, cold-1]}}"
    rules = load(f"{LIMIT}  freezer-warm: {use}\n").rules
    assert list(rules) == ["freezer-warm"]
    warm = rules["freezer-warm"]
    body = written("from: env, when: temp > -15, for: 1m").body
    assert (warm.body, warm.location) == (body, Location("r.yaml", AT + 5))
    assert warm.only_keys == (("site", ("cold-1", "cold-2")),)
    assert isinstance(warm.body, Condition)
    assert warm.body.text == "temp > -15"
    assert warm.summary.parts == (Slot("device", ""), ": temp > -15")


@settings(deadline=None)  # the first quantity loads the library of units
@given(
    st.sampled_from(["temp", "inlet"]),
    st.one_of(
        st.integers(-1000, 1000).map(str),
        st.floats(-1000, 1000, allow_nan=False).map(lambda number: f"{number:.3f}"),
        st.integers(-1000, 1000).map(lambda number: f"{number} degF"),
        st.integers(0, 1000).map(lambda number: f"{number} K"),
    ),
    st.sampled_from(["30s", "2m30s", "1.5 * interval", "3 * interval"]),
)
def test_a_rule_that_uses_a_template_is_the_rule_written_out(field: str, limit: str, hold: str) -> None:
    one = made(f'use: limit, with: {{field: {field}, max: {limit}, hold: "{hold}"}}, severity: major')
    assert alike(one, written(f"from: env, when: {field} > {limit}, for: {hold}, severity: major"))


@given(st.text(max_size=40))
def test_a_text_is_never_read_as_a_condition(text: str) -> None:
    template = "  t: {params: {mode: {type: text}}, from: env, when: label == mode}\n"
    quoted = '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in text) + '"'
    if not text.isprintable():
        assert [message for message, _, _ in wrong(f"use: t, with: {{mode: {quoted}}}", template)]
        return
    one = made(f"use: t, with: {{mode: {quoted}}}", template)
    assert isinstance(one.body, Condition)
    assert one.body.when == Comparison((FieldRef("label"), Text(text)), ("==",))


@pytest.mark.parametrize(
    ("when", "params", "given", "expected"),
    [
        ("temp > -max", "max: {type: number}", "max: 5 degF", "temp > -5 degF"),
        ("temp > -max", "max: {type: number}", "max: -5 degF", "temp > 5 degF"),
        ("delta(temp) > max", "max: {type: number}", "max: 9 degF", "delta(temp) > 9 degF"),
        ("temp in [a, 20, b]", "a: {type: number}, b: {type: number}", "a: 1, b: 2", "temp in [1, 20, 2]"),
        ("low < temp < high", "low: {type: number}, high: {type: number}", "low: +1, high: 2e1", "1.0 < temp < 2e1"),
        ("avg(f, span, min_samples=n) > 3", "f: {type: field}, span: {type: duration}, n: {type: number}",
         "f: temp, span: 5m, n: 7", "avg(temp, 5m, min_samples=7) > 3"),
        ("max(temp, a) > max", "a: {type: duration}, max: {type: number}", "a: 5m, max: 3", "max(temp, 5m) > 3"),
        ("age(temp) > span", "span: {type: duration}", "span: 5m", "age(temp) > 5m"),
        ("quantile(temp, 5m, q) > 3", "q: {type: number}", "q: 75%", "quantile(temp, 5m, 75%) > 3"),
        ("hour(zone) < 6 and door", "zone: {type: text}", "zone: Europe/Berlin", "hour('Europe/Berlin') < 6 and door"),
        ("fan == mode", "mode: {type: text}", "mode: stopped", "fan == 'stopped'"),
        ("door == open", "open: {type: flag}", "open: true", "door == true"),
        ("temp > 3 and (strict or door)", "strict: {type: flag}", "strict: true", "temp > 3"),
        ("temp > 3 and (strict or door)", "strict: {type: flag}", "strict: false", "temp > 3 and door"),
        ("temp > 3 and (not strict or door)", "strict: {type: flag}", "strict: true", "temp > 3 and door"),
        ("temp > 3 or strict and door", "strict: {type: flag}", "strict: false", "temp > 3"),
        ("starts_with(device, start)", "start: {type: text}", "start: b-", "starts_with(device, 'b-')"),
    ],
)  # fmt: skip
def test_parameters_stand_in_conditions(when: str, params: str, given: str, expected: str) -> None:
    template = f'  t: {{params: {{{params}}}, from: env, when: "{when}"}}\n'
    one, other = made(f"use: t, with: {{{given}}}", template), written(f'from: env, when: "{expected}"')
    assert one.meaning == other.meaning


def test_parameters_stand_in_all_that_is_no_text() -> None:
    template = """\
  t:
    params:
      source: {type: stream}
      f: {type: field}
      limit: {type: number}
      span: {type: duration}
      how: {type: severity, default: major}
      run: {type: function}
      mode: {type: text}
      strict: {type: flag, default: true}
      key: {type: text}
    from: source
    by: [key]
    clear: {when: f < limit, for: span}
    levels:
      major: {when: f > limit, for: span}
      critical: {when: f > limit + 10}
    summary: "{device} {f:.2f} over {limit:.1f} ({mode}, {span})"
    description: "{f} over {limit}, and {{no}} more"
    labels: {mode: "{mode}", limit: "about {limit}"}
    do:
      - {invoke: run, at: how}
      - {command: set, args: {limit: limit, mode: mode, word: "mode", strict: strict}, expires: span, at: resolved}
"""
    use = "use: t, with: {source: env, f: temp, limit: 80, span: 2m, run: stop, mode: a b, key: device}"
    one = made(use + ", dry_run: true", template.replace("by: [key]", "by: [key, site]"))
    other = written(
        "from: env, by: [device, site], clear: {when: temp < 80, for: 2m}, levels: {major: {when: temp > 80, for: 2m}, "
        "critical: {when: temp > 80 + 10}}, dry_run: true"
    )
    assert one.body == other.body
    assert one.summary.parts == (Slot("device", ""), " ", Slot("temp", ".2f"), " over 80.0 (a b, 2m)")
    assert one.description == "temp over 80, and {{no}} more"
    assert dict(one.labels) == {"mode": "a b", "limit": "about 80"}
    assert one.steps[0] == InvokeStep("stop", Severity.MAJOR)
    assert isinstance(one.steps[1], CommandStep)
    assert dict(one.steps[1].args) == {"limit": 80, "mode": "a b", "word": "mode", "strict": True}
    assert one.steps[1].expires == 2 * MINUTE


def test_what_a_rule_says_itself_replaces_what_its_template_says() -> None:
    own = made("use: limit, with: {field: temp, max: 80}, for: 5s, clear: temp < max - 5, severity: info")
    assert alike(own, written("from: env, when: temp > 80, for: 5s, clear: temp < 80 - 5, severity: info"))
    nothing = made("use: limit, with: {field: temp, max: 80}, for: ")
    assert alike(nothing, written("from: env, when: temp > 80"))


def test_silence_can_be_a_template() -> None:
    template = '  t: {params: {hold: {type: duration}}, absent: env, for: hold, summary: "{device} for {hold}"}\n'
    one = made('use: t, with: {hold: "2 * interval"}', template)
    assert one.summary.parts == (Slot("device", ""), " for 2 * interval")
    other = written("absent: env, for: 2 * interval")
    assert alike(replace(one, summary=other.summary), other)


def test_order_and_files_do_not_matter() -> None:
    use = "  r: {use: limit, with: {field: temp, max: 80}}\n"
    before = load(use + LIMIT).rules["r"]
    files = {"a.yaml": f"rules:\n{use}", "b.yaml": f"rules:\n{LIMIT}", "c.yaml": HEAD}
    apart = load_files(files).rules["r"]
    assert alike(before, made("use: limit, with: {field: temp, max: 80}"))
    assert alike(apart, before)
    assert apart.location == Location("a.yaml", 2)


def test_templates_of_one_name_are_refused_and_a_template_alone_is_fine() -> None:
    assert load(LIMIT).rules == {}
    (twice,) = problems({"a.yaml": f"{HEAD}rules:\n{LIMIT}", "b.yaml": f"rules:\n{LIMIT}"})
    assert twice.message.startswith('the rule "limit" is already in a.yaml')


@pytest.mark.parametrize(
    ("use", "message", "found"),
    [
        ("use: limi, with: {field: temp, max: 1}", 'unknown template "limi": did you mean "limit"?', "limi,"),
        ("use: r", "a rule can't use itself", "r}"),
        ("use: 3", '"use" must be the name of a template, not the number 3', "3}"),
        ("use: limit", 'the template "limit" needs "field", "max" in with', "limit}"),
        ("use: limit, with: {field: temp}", 'needs "max" in with', "limit,"),
        ("use: limit, with: {field: temp, max: }", '"max" has nothing behind it', "max"),
        ("use: limit, with: {field: temp, max: 1, mx: 2}", 'no parameter "mx": did you mean "max"?', "mx"),
        ("use: limit, with: [temp]", '"with" must be a mapping of parameters, not a list', "with"),
        ("use: limit, with: {field: temp, max: warm}", '"max" must be a number, not the text "warm"', "warm"),
        ('use: limit, with: {field: temp, max: "80"}', '"max" must be a number, not the text "80"', '"80"'),
        ("use: limit, with: {field: temp, max: true}", '"max" must be a number, not true', "true"),
        ("use: limit, with: {field: temp, max: [1]}", '"max" must be a number, not a list', "max"),
        ("use: limit, with: {field: temp, max: 1 + 1}", '"max" must be a number, not the text "1 + 1"', "1 + 1"),
        ("use: limit, with: {field: tmp, max: 1}", 'stream env has no field "tmp": did you mean "temp"?', "tmp"),
        ("use: limit, with: {field: temp > 3 or temp, max: 1}", '"field" must be the name of a field', "temp > 3"),
        ("use: limit, with: {field: temp, max: 1, hold: 5}", '"hold" must be a duration, not the number 5', "5}"),
        ("use: limit, with: {field: temp, max: 1, hold: -5m}", '"hold" must be a duration', "-5m"),
        ("use: limit, with: {field: temp, max: 3 bar}", "does not fit degC", "3 bar"),
        ("use: limit, with: {field: temp, max: 3 dgeC}", 'did you mean "degC"', "3 dgeC"),
        ("use: limit, with: {field: fan, max: 3}", "text compared with a number", "3}"),
        ("use: limit, with: {field: temp, max: 3}, severty: x", 'unknown key "severty": did you mean', "severty"),
        ("use: limit, with: {field: temp, max: 3}, clear: tmp < 3", 'unknown name "tmp": did you mean "temp"?', "tmp"),
        ("use: limit, with: {field: temp, max: 3}, levels: {major: {when: door}}", "stands in each level", "limit"),
        ("from: env, when: door, with: {a: 1}", "with belongs to a rule with use", "with"),
    ],
)  # fmt: skip
def test_a_wrong_use_is_told_where_it_is_wrong(use: str, message: str, found: str) -> None:
    told = wrong(use)
    assert any(message in words and at.startswith(found) for words, _, at in told), told


def test_a_problem_inside_says_the_line_of_the_template() -> None:
    text = {
        "limits.yaml": f"{HEAD}rules:\n{LIMIT}",
        "rules.yaml": "rules:\n  r:\n    use: limit\n    with: {field: temp, max: 3 bar}\n",
    }
    (problem,) = problems(text)
    assert (problem.file, problem.line, problem.column) == ("rules.yaml", 4, 30)
    assert problem.message.endswith(f'(the template "limit", limits.yaml:{AT + 3}:19)')
    assert problem.source == "    with: {field: temp, max: 3 bar}"


def test_a_problem_of_a_step_of_the_template_says_so_too() -> None:
    template = LIMIT + "    do: [{command: stop}]\n"
    (problem,) = problems(f"{HEAD}rules:\n{template}  r: {{use: limit, with: {{field: temp, max: 1}}, by: [site]}}\n")
    assert 'needs "device"' in problem.message
    assert f"r.yaml:{AT + 5}:" in problem.message
    assert problem.line == AT + 6


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("  o: {use: limit, with: {field: temp, max: 1}}\n", 'uses "limit" itself'),
        ("  o: {use: r}\n", 'uses "r" itself'),
        ("  o: {from: env, when: door}\n", "is no template: it has no params"),
    ],
)
def test_chains_and_cycles_are_refused(other: str, message: str) -> None:
    told = wrong("use: o", LIMIT + other)
    assert any(f'the rule "o" (r.yaml:{AT + 5}) {message}' in words for words, _, _ in told)


@pytest.mark.parametrize(
    ("body", "message", "found"),
    [
        ("params: {limit: {type: number}}, from: env, when: tmp > limit", 'unknown name "tmp": did you mean', "tmp"),
        ("params: {limit: {type: number}}, from: env, when: fan > limit", "text compared with a number", "limit}"),
        ("params: {limit: {type: number}}, from: env, when: door", 'does not use its parameter "limit"', "limit"),
        ("params: {max: {type: number}}, from: env, when: 'max(temp, 5m) > 3'", "does not use its parameter", "max"),
        ("params: {a: {type: text}}, from: env, when: door, description: a day", "does not use its parameter", "a:"),
        ("params: {temp: {type: number}}, from: env, when: temp > 3", "temp is a field of the stream env", "temp"),
        ("params: {site: {type: text}}, from: env, when: label == site", "site is a capture of the stream env", "site"),
        ("params: {held: {type: number}}, from: env, when: temp > held", "held is a word of the rule language", "held"),
        ("params: {interval: {type: number}}, from: env, when: temp > interval", "interval is a word", "interval"),
        ("params: {x-y: {type: number}}, from: env, when: door", "a parameter's name is letters", "x-y"),
        ("params: {a: number}, from: env, when: temp > a", 'the parameter "a" says its type', "a:"),
        ("params: {a: {}}, from: env, when: temp > a", 'the key "type" is missing', "a:"),
        ("params: {a: {type: nmber}}, from: env, when: temp > a", 'did you mean "number"?', "nmber"),
        ("params: {a: {type: number, default: x}}, from: env, when: temp > a", '"default" must be a number', "x}"),
        ("params: {a: {type: number, default: 3 bar}}, from: env, when: temp > a", "does not fit degC", "a}"),
        ("params: {a: {type: stream}}, from: env, when: temp > a", "a is a stream and can't stand in", "a}"),
        ("params: {a: {type: flag}}, from: env, when: door == a, for: a", '"for" must be text or a number', "for"),
        ("params: {a: {type: number}}, from: env, when: temp > a, summary: '{tmp}'", 'unknown name "tmp" in', "{tmp"),
        ("params: {a: {type: number}}, from: env, when: temp > a, severty: major", 'unknown key "severty"', "severty"),
        ("params: {a: {type: number}}, from: enw, when: temp > a", 'unknown stream "enw"', "enw"),
        ("params: {a: {type: duration}}, from: env, for: a", "the rule has no condition", "t:"),
        ("params: {a: {type: number}}, use: limit, with: {field: temp, max: a}", "can't be made from another", "use"),
        ("params: [a], from: env, when: door", "params is a mapping of names", "params"),
    ],
)  # fmt: skip
def test_a_wrong_template_is_refused_even_if_no_rule_uses_it(body: str, message: str, found: str) -> None:
    told = problems(f"{HEAD}rules:\n  t: {{{body}}}\n{LIMIT}")
    assert any(message in one.message and one.source[one.column - 1 :].startswith(found) for one in told), told


def test_a_template_is_refused_only_for_what_no_rule_could_mend() -> None:
    """`field` may be text or a number, `q` a share, `low` below any constant, `ref` a quantity."""
    load(
        "  t:\n    params: {field: {type: field}, other: {type: field}, q: {type: number}, low: {type: number},\n"
        "      ref: {type: number}, n: {type: number}, mode: {type: text}, zone: {type: text}, strict: {type: flag}}\n"
        "    from: env\n"
        "    when: >-\n      quantile(field, 5m, q) > 3 and clamp(temp, low, 0) > -5 and log(pressure / ref) > 1\n"
        "      and slope(temp, 5m, min_samples=n) > 2 and fan == mode and hour(zone) > 3 and (strict or door)\n"
        "      and rate(other, 5m) > 1\n"
    )


def test_a_problem_of_a_template_is_told_once_and_not_of_every_rule() -> None:
    template = LIMIT.replace("field > max", "field > max and tmp > 3")
    uses = "".join(f"  r{n}: {{use: limit, with: {{field: temp, max: {n}}}}}\n" for n in range(5))
    (problem,) = problems(f"{HEAD}rules:\n{template}{uses}")
    assert problem.line == AT + 3


def test_a_stream_that_is_given_may_not_have_a_field_called_like_a_parameter() -> None:
    template = "  t: {params: {source: {type: stream}, temp: {type: number}}, from: source, when: rpm > temp}\n"
    told = wrong("use: t, with: {source: env, temp: 3}", template)
    assert any("temp is a field of the stream env" in message for message, _, _ in told)


def test_a_quantity_is_not_sent_to_a_device() -> None:
    template = LIMIT + "    do: [{command: set, args: {limit: max}}]\n"
    ((message, hint, at),) = wrong("use: limit, with: {field: temp, max: 5 degF}", template)
    assert message == '"max" is sent to a device, and 5 degF is no plain number'
    assert (hint, at.startswith("5 degF")) == ("give a number without a unit", True)


def test_a_multiple_of_the_interval_stands_in_no_condition() -> None:
    template = "  t: {params: {span: {type: duration}}, from: env, when: 'avg(temp, span) > 3', for: span}\n"
    assert made("use: t, with: {span: 5s}", template).body == written(
        "from: env, when: 'avg(temp, 5s) > 3', for: 5s"
    ).body  # fmt: skip
    told = wrong("use: t, with: {span: 3 * interval}", template)
    assert any("a multiple of the interval and can't stand in a condition" in message for message, _, _ in told)


def test_meaning_is_that_of_the_rule_and_not_of_where_it_is_written() -> None:
    one = made("use: limit, with: {field: temp, max: 185 degF, hold: 60s}")
    assert one.meaning == written("from: env, when: temp > 85, for: 1m").meaning
    assert isinstance(one.body, Condition)
    assert one.body.hold == Hold(nanoseconds=60 * SECOND)


def test_many_rules_of_one_template_load_in_short_time() -> None:
    uses = "".join(f"  r{n}: {{use: limit, with: {{field: temp, max: {n}}}}}\n" for n in range(1500))
    assert len(load(LIMIT + uses).rules) == 1500


@pytest.mark.parametrize(
    ("keys", "message", "found"),
    [
        ("{sit: [a]}", '"sit" is no label of the rule: did you mean "site"?', "sit"),
        ("{}", "only_keys names at least one label", "only_keys"),
        ("{site: []}", "site lists no value", "site"),
        ("{site: [a, a]}", '"a" is here twice', "a]"),
        ("{site: [a/b]}", '"a/b" is never a label', "a/b"),
        ("{site: [1]}", "must be text, not the number 1", "1]"),
        ("{site: a}", "must be a list", "a}"),
        ("[a]", "must be a mapping", "only_keys"),
    ],
)
def test_wrong_keys_are_refused(keys: str, message: str, found: str) -> None:
    (problem,) = problems(f"{HEAD}rules:\n  r: {{from: env, when: door, only_keys: {keys}}}\n")
    assert message in problem.message
    assert problem.source[problem.column - 1 :].startswith(found)


def test_keys_are_part_of_the_meaning_and_their_order_is_not() -> None:
    every = written("from: env, when: door")
    one = written("from: env, when: door, only_keys: {site: [a, b], device: [x]}")
    same = written("from: env, when: door, only_keys: {device: [x], site: [b, a]}")
    less = written("from: env, when: door, only_keys: {site: [a]}")
    assert one.meaning == same.meaning
    assert len({every.meaning, one.meaning, less.meaning}) == 3
    assert one.meaning.startswith(every.meaning + ".")
