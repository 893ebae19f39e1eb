"""Device registries: what loads, what is refused and where, and what conditions may say about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.language import load_files, read_directory, registry_file, registry_in, unparse
from iotrules.language.checking import check_condition
from iotrules.language.registry.tables import MAX_DEVICES, MAX_PROBLEMS
from iotrules.language.typed import Scope
from iotrules.model.errors import ConfigError, Problem, RuleError
from iotrules.model.expression import AttributeRef, Comparison, FieldRef, Number, StateRef, Value, attributes
from iotrules.model.inputs import RegistryFile
from iotrules.model.registry import Registry
from iotrules.model.rules import Absence, Condition, Field, FieldType, RuleSet, Slot
from tests.language.rule_files import HEAD

HOST = "  host:\n    topic: host/{device}/system\n    fields: {cpu: {}}\n"
FILES = HEAD.replace("commands:", HOST + "commands:")
CSV = """\
site,device,max_temp [degC],commissioned,critical,serial [text],note
A,b1,85,2019-04-01,true,0071,
A,b2,,2021-01-01,FALSE,12,"has a, comma"
B,7,-1.5e1,,,,
"""
YAML = """\
labels: [site, device]
attributes:
  max_temp: {unit: degC}
  commissioned: {type: text}
  critical: {type: flag}
  serial:   {type: text}
  note:
devices:
  - {site: A, device: b1, max_temp: 85, commissioned: "2019-04-01", critical: true, serial: "0071"}
  - {site: A, device: b2, max_temp: null, commissioned: "2021-01-01", critical: false, serial: "12",
     note: "has a, comma"}
  - {site: B, device: "7", max_temp: -15}
"""


def load(text: str, rules: str = "", name: str = "registry.csv") -> RuleSet:
    section = f"rules:\n{rules}\n" if rules else ""
    return load_files({"r.yaml": FILES + section}, RegistryFile(name, text))


def registry(text: str, name: str = "registry.csv") -> Registry:
    found = load(text, name=name).registry
    assert found is not None
    return found


def problems(text: str, rules: str = "", name: str = "registry.csv") -> list[Problem]:
    with pytest.raises(RuleError) as caught:
        load(text, rules, name)
    return list(caught.value.problems)


def test_columns_have_types_and_units_and_what_is_empty_is_missing() -> None:
    found = registry(CSV)
    assert found.labels == ("site", "device")
    assert [(one.name, one.type.value, one.unit) for one in found.attributes.values()] == [
        ("max_temp", "number", "degC"), ("commissioned", "text", ""), ("critical", "flag", ""), ("serial", "text", ""),
        ("note", "text", ""),
    ]  # fmt: skip
    assert found.devices == {
        ("A", "b1"): {"max_temp": 85.0, "commissioned": "2019-04-01", "critical": True, "serial": "0071"},
        ("A", "b2"): {"commissioned": "2021-01-01", "critical": False, "serial": "12", "note": "has a, comma"},
        ("B", "7"): {"max_temp": -15.0},
    }


def test_yaml_and_csv_say_the_same() -> None:
    one, other = registry(CSV), registry(YAML, "registry.yaml")
    assert (one.labels, one.attributes, one.devices) == (other.labels, other.attributes, other.devices)


def test_without_declarations_yaml_is_what_its_values_are() -> None:
    found = registry("labels: [device]\ndevices:\n  - {device: a, x: 3, y: yes}\n  - {device: b, z: true}\n", "d.yml")
    assert {name: one.type.value for name, one in found.attributes.items()} == {
        "x": "number", "y": "text", "z": "flag"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "2.5", ""], "number", [1.0, 2.5, None]),
        (["1", "n/a", "-3"], "text", ["1", "n/a", "-3"]),
        (["true", "True", "FALSE"], "flag", [True, True, False]),
        (["true", "1", ""], "text", ["true", "1", None]),
        (["007", "008", "009"], "text", ["007", "008", "009"]),
        ([".5", "5.", "1e3"], "number", [0.5, 5.0, 1000.0]),
        (["1e999", "2", "3"], "text", ["1e999", "2", "3"]),
        (["nan", "inf", "1_000"], "text", ["nan", "inf", "1_000"]),
        (["", "", ""], "text", [None, None, None]),
    ],
)
def test_a_column_is_what_all_its_values_are(cells: list[str], kind: str, values: list[Value | None]) -> None:
    found = registry("device,x\n" + "".join(f"d{n},{cell}\n" for n, cell in enumerate(cells)))
    assert found.attributes["x"].type.value == kind
    assert [row.get("x") for row in found.devices.values()] == values


BAD_CSV = [
    ("", 1, 1, "the registry is empty"),
    ("name,max_temp\n", 1, 1, "not called like a capture"),
    ("devise,x\n", 1, 1, 'did you mean "device"?'),
    ("site;device;x\n", 1, 1, "not called like a capture"),
    ("site,max_temp,device\n", 1, 15, "labels come first"),
    ("site,site,x\n", 1, 6, "the label site is here twice"),
    ("device,x,x\n", 1, 10, "the attribute x is here twice"),
    ("device,Max Temp\n", 1, 8, "names of attributes are letters, digits and _"),
    ("device,_x\n", 1, 8, "names of attributes"),
    ("device,in\n", 1, 8, "in is a word of the rule language"),
    ("device,x [dgeC]\n", 1, 8, 'did you mean "degC"?'),
    ("device,x []\n", 1, 8, "nothing in the brackets"),
    ("device [text],x\n", 1, 1, "labels are text"),
    ("device,x\na,1,2\n", 2, 1, "the line has 3 values, and the header 2 columns"),
    ("device,x\na\n", 2, 1, "the line has 1 values"),
    ("device,x\na,1\n\na,2\n", 4, 1, "device=a is already in line 2"),
    ("device,x\n,1\n", 2, 1, "the device has no device"),
    ("device,x\na/b,1\n", 2, 1, "a / in a topic level"),
    ("device,x\n+,1\n", 2, 1, "wildcard"),
    ('device,x\na,"1\nb,2\n', 2, 1, "not valid CSV"),
    ("device,x [degC]\na,hot\n", 2, 3, '"hot" is text, and x is in degC'),
    ("device,x [degC]\na,1e999\n", 2, 3, '"1e999" is text'),
    ("device,x [flag]\na,1\n", 2, 3, '"1" is a number, and x is true or false'),
    ("device,x\na,\udce4\n", 2, 3, "the byte 0xe4 is not UTF-8"),
    ("device,x\na,\u202e\n", 2, 3, "the character U+202E is not allowed"),
    ("device,x\na," + "x" * 1001, 2, 3, "at most 1000 characters"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), BAD_CSV)
def test_a_wrong_csv_is_refused_at_its_place(text: str, line: int, column: int, message: str) -> None:
    (problem, *_) = problems(text)
    assert (problem.file, problem.line, problem.column) == ("registry.csv", line, column)
    assert message in str(problem)


BAD_YAML = [
    ("- a\n", 1, 1, "a registry is a mapping"),
    ("labels: []\n", 1, 1, '"labels" names what tells devices apart'),
    ("labels: [device]\ndevises: []\n", 2, 1, 'did you mean "devices"?'),
    ("labels: [devise]\n", 1, 10, 'the label "devise" is no capture of a topic: did you mean "device"?'),
    ("labels: [device, device]\n", 1, 18, "the label device is here twice"),
    ("labels: [device]\ndevices: [b1]\n", 2, 11, "a device is a mapping"),
    ("labels: [device]\ndevices: [{x: 3}]\n", 2, 11, "the device has no device"),
    ("labels: [device]\ndevices: [{device: 7}]\n", 2, 20, 'put it in quotes: "7"'),
    ("labels: [device]\ndevices: [{device: a, x: 3}, {device: b, x: hot}]\n", 2, 45, "x is text here and a number"),
    ("labels: [device]\ndevices: [{device: a, x: [3]}]\n", 2, 23, '"x" must be text'),
    ("labels: [device]\nattributes: {max: {}}\ndevices: [{device: a, mx: 3}]\n", 3, 23, 'did you mean "max"?'),
    ("labels: [device]\nattributes: {x: {unit: bra}}\n", 2, 14, "unknown unit"),
    ("labels: [device]\nattributes: {x: {unit: bar, type: text}}\n", 2, 14, "a unit is for numbers"),
    ("labels: [device]\nattributes: {x: {type: flag}}\ndevices: [{device: a, x: 1}]\n", 3, 26, "x is true or false"),
    ("labels: [device]\ndevices:\n  - {device: a}\n  - {device: a}\n", 4, 5, "device=a is already in line 3"),
    ("labels: [device\n", 2, 1, "not valid YAML"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), BAD_YAML)
def test_a_wrong_yaml_is_refused_at_its_place(text: str, line: int, column: int, message: str) -> None:
    (problem, *_) = problems(text, name="registry.yaml")
    assert (problem.line, problem.column) == (line, column)
    assert message in str(problem)


def test_all_problems_of_rules_and_registry_are_told_at_once() -> None:
    found = problems("device,x [degC]\na,hot\na,1\nb/,2\n", "  r: {from: env, when: tmp > 3}")
    assert [(one.file, one.line) for one in found][-3:] == [
        ("registry.csv", 2),
        ("registry.csv", 3),
        ("registry.csv", 4),
    ]
    assert found[0].file == "r.yaml"


def test_rules_over_a_broken_registry_are_not_blamed_for_it() -> None:
    rules = '  r: {from: env, when: "temp > attr.max and attr.x", summary: "{attr.max:.1f}"}'
    assert {one.file for one in problems("device,x [degC]\na,hot\n", rules)} == {"registry.csv"}


def test_a_registry_is_bounded_in_rows_columns_and_problems() -> None:
    rows = "device,x\n" + "".join(f"d{n},1\n" for n in range(MAX_DEVICES + 2))
    assert [one.message for one in problems(rows)] == [f"a registry has at most {MAX_DEVICES} devices"]
    assert "at most 64 attributes" in problems("device," + ",".join(f"a{n}" for n in range(65)))[0].message
    assert len(problems("device,x [degC]\n" + "".join(f"d{n},hot\n" for n in range(500)))) == MAX_PROBLEMS
    assert "larger than 4096 KiB" in problems("device,x\n" + "a" * 5_000_000)[0].message


def test_labels_that_no_topic_has_together_are_refused() -> None:
    files = {"r.yaml": "streams:\n  a: {topic: 'a/{x}'}\n  b: {topic: 'b/{y}'}\n"}
    with pytest.raises(RuleError, match="no stream's topic has x and y together"):
        load_files(files, RegistryFile("registry.csv", "x,y\n1,2\n"))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["registry.csv", "registry.yaml"]), st.sampled_from(["", "device,x\n"]))
def test_no_text_ends_in_anything_but_a_registry_or_located_problems(text: str, name: str, head: str) -> None:
    found: list[Problem] = []
    try:
        load(head + text, name=name)
    except RuleError as error:
        found = list(error.problems)
    assert all(one.line >= 1 and one.column >= 1 for one in found)


# Conditions


def scope(text: str = CSV) -> Scope:
    rules = load(text)
    env = rules.streams["env"]
    fields: dict[str, Field] = {one.name: one for one in env.fields}
    return Scope("env", fields, env.captures, registry=rules.registry, registry_given=True)


CONDITIONS = [
    "temp > attr.max_temp", "attr.critical", "not attr.critical and temp > 3",
    'attr.commissioned == "2019-04-01"', 'attr.serial in ["0071", "12"]', "has(attr.max_temp)",
    "temp - attr.max_temp > 5 degC", "avg(temp - attr.max_temp, 10m) > 3", "state.trips >= 3", "not state.locked",
    'state.mode == "auto"', 'state.mode in ["auto", "off"]', "has(state.anything)", "state.a + state.b > temp",
    'starts_with(state.mode, "a")', "state.locked == door", "abs(state.drift) > 3", "1 < state.trips < attr.max_temp",
]  # fmt: skip


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition_reads_back_to_the_same_tree(text: str) -> None:
    tree, found = check_condition(text, scope())
    assert found == []
    assert tree is not None
    assert unparse(tree) == text
    assert check_condition(unparse(tree), scope()) == (tree, [])


def test_quantities_are_converted_to_the_units_of_attributes() -> None:
    tree, _ = check_condition("attr.max_temp > 185 degF", scope())
    assert isinstance(tree, Comparison)
    assert isinstance(tree.operands[1], Number)
    assert round(tree.operands[1].value, 6) == 85


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("state.x > 3", "number"), ("3 <= state.x", "number"), ("state.x == temp", "number"),
        ("-state.x > 1", "number"),
        ("state.x == 'a'", "text"), ("fan != state.x", "text"), ("lower(state.x) == 'a'", "text"),
        ("state.x", "flag"), ("not state.x", "flag"), ("state.x or door", "flag"), ("state.x == true", "flag"),
        ("has(state.x)", None),
    ],
)  # fmt: skip
def test_state_is_what_it_is_compared_with(text: str, kind: str | None) -> None:
    tree, found = check_condition(text, scope())
    assert found == []

    def refs(node: object) -> list[StateRef]:
        if isinstance(node, StateRef):
            return [node]
        inner = [getattr(node, name, ()) for name in ("operand", "operands", "arguments", "left", "right")]
        flat = [one for part in inner for one in (part if isinstance(part, tuple) else (part,))]
        return [ref for one in flat for ref in refs(one)]

    assert refs(tree) == [StateRef("x", kind)]  # type: ignore[arg-type]  # the parameter's words are those of the node


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("temp > attr.max_tmp", 8, 'unknown attribute "max_tmp": did you mean "max_temp"?'),
        ("temp > attr.serial", 8, "a number compared with text"),
        ("attr.max_temp > 5 bar", 17, "bar (pressure) does not fit degC"),
        ("pressure > attr.max_temp", 12, "one side is in bar, the other in degC"),
        ("temp > attr.critical", 8, "a number compared with true or false"),
        ("attr.critical > 3", 17, "true or false compared with a number"),
        ("attr.max_temp", 1, "expected a condition, got a number"),
        ("attr.max_temp(3) > 4", 6, "behind a dot is a name, not a function"),
        ("attr.max_temp.x > 4", 14, "nothing has attributes"),
        ("attr . max_temp > 4", 6, "nothing has attributes"),
        ("attr._x > 4", 5, "nothing has attributes"),
        ("attr > 4", 1, 'unknown name "attr"'),
        ("state.a == tmp", 12, "unknown name"),
        ("state.a > 3 degC", 11, "has no unit"),
        ("state.__class__ == 3", 6, "nothing has attributes"),
        ("reported.mode == 'a'", 1, "the device's shadow is not supported by this version"),
        ("desired.mode == 'a'", 1, "the device's shadow is not supported by this version"),
        ("door.open", 1, "STREAM.FIELD of other streams in from"),
        ("atr.max_temp > 3", 1, 'did you mean "attr"?'),
        ("prev(attr.max_temp) > 3", 6, "reads no field"),
        ("count(state.x, 1m) > 3", 7, "reads no field"),
    ],
)
def test_a_wrong_name_with_a_dot_is_refused_at_its_place(text: str, column: int, message: str) -> None:
    tree, found = check_condition(text, scope())
    assert tree is None
    assert [(one.offset + 1, message in one.message) for one in found] == [(column, True)], found


def test_state_beside_state_is_of_no_type() -> None:
    tree, found = check_condition("state.a == state.b", scope())
    assert tree is None
    assert [one.offset for one in found] == [0, 11]
    assert found[0].message == "state.a: nothing here says whether it is a number, text or true or false"
    assert found[0].hint == "compare it with a constant, as in state.a >= 3"


def test_without_a_registry_an_attribute_says_how_to_give_one() -> None:
    with pytest.raises(RuleError) as caught:
        load_files(
            {
                "r.yaml": HEAD
                + 'rules:\n  r: {from: env, when: temp > attr.x}\n  s: {from: env, when: door, summary: "{attr.y}"}\n'
            }
        )
    first, second = caught.value.problems
    assert first.message == "attr.x: there is no registry"
    assert "--registry FILE" in first.hint
    assert second.message == "attr.y: there is no registry"


@pytest.mark.parametrize(
    ("rule", "message", "hint"),
    [
        ("from: env, by: [site], when: temp > attr.max_temp", "the rule's by has no device", "add device to by"),
        ('from: env, by: [site], when: door, summary: "{attr.max_temp}"', "the rule's by has no device", "add device"),
        ("from: host, when: cpu > attr.max_temp", "the rule's by has no site", "the topic of host does not have it"),
    ],
)
def test_a_rule_that_is_not_kept_by_the_registrys_labels_is_refused(rule: str, message: str, hint: str) -> None:
    (problem,) = problems(CSV, f"  r: {{{rule}}}")
    assert message in problem.message
    assert hint in problem.hint


def test_text_because_of_one_value_names_that_value() -> None:
    (problem,) = problems("site,device,max\nA,b1,85\nA,b2,n/a\n", "  r: {from: env, when: temp > attr.max}")
    assert problem.hint.startswith('attr.max is text because of "n/a" in registry.csv:3')


def test_another_unit_is_refused_with_the_columns_remedy() -> None:
    (problem,) = problems("site,device,max [degF]\nA,b1,185\n", "  r: {from: env, when: temp > attr.max}")
    assert problem.message == "one side is in degC, the other in degF"
    assert "in degC" in problem.hint


def test_summaries_take_attributes_with_formats_of_their_types() -> None:
    rules = load(CSV, '  r: {from: env, when: door, summary: "{attr.max_temp:.1f} {attr.serial}"}\n')
    assert rules.rules["r"].summary.parts == (Slot("attr.max_temp", ".1f"), " ", Slot("attr.serial", ""))
    (problem,) = problems(CSV, '  r: {from: env, when: door, summary: "{attr.serial:.1f}"}')
    assert "takes no format" in problem.message
    (problem,) = problems(CSV, '  r: {from: env, when: door, summary: "{attr.max_tmp}"}')
    assert 'did you mean "max_temp"?' in problem.message


def test_meaning_is_of_types_and_units_and_not_of_values() -> None:
    def meaning(text: str) -> str:
        return load(text, "  r: {from: env, when: attr.x > 3}").rules["r"].meaning

    base = meaning("site,device,x\nA,b1,1\n")
    assert base == meaning("site,device,x,y\nA,b1,2,3\nA,b2,,\n")
    assert base != meaning("site,device,x [bar]\nA,b1,1\n")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("absent: env, for: 1m", True),
        ("absent: env, for: 1m, by: [site]", True),
        ("absent: env, for: 1m, by: []", False),
        ("absent: env, for: 1m, expect: seen_within 7d", False),
        ("absent: host, for: 1m", False),
    ],
)
def test_silence_is_of_the_registrys_devices_where_the_topic_tells_them_apart(rule: str, expected: bool) -> None:
    body = load(CSV, f"  r: {{{rule}}}").rules["r"].body
    assert isinstance(body, Absence)
    assert body.registered is expected


def test_attributes_of_a_tree_are_those_that_it_reads() -> None:
    body = load(CSV, "  r: {from: env, when: temp > attr.max_temp and not attr.critical}").rules["r"].body
    assert isinstance(body, Condition)
    assert attributes(body.when) == {"max_temp", "critical"}
    assert attributes(Comparison((FieldRef("a"), AttributeRef("b")), (">",))) == {"b"}


# Files


def test_a_directorys_own_registry_is_no_rule_file(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(HEAD)
    assert registry_in(tmp_path) is None
    (tmp_path / "registry.yaml").write_text(YAML)
    assert [Path(name).name for name in read_directory(tmp_path)] == ["r.yaml"]
    found = registry_in(tmp_path)
    assert found == RegistryFile(str(tmp_path / "registry.yaml"), YAML)
    assert load_files(read_directory(tmp_path), found).registry is not None
    (tmp_path / "registry.csv").write_text(CSV)
    with pytest.raises(ConfigError, match="which is the registry"):
        registry_in(tmp_path)


def test_a_registry_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        registry_file(tmp_path / "registry.csv")
    (tmp_path / "devices.xlsx").write_bytes(b"PK")
    with pytest.raises(ConfigError, match="no registry by its name"):
        registry_file(tmp_path / "devices.xlsx")


def test_the_registries_of_the_reference_load() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    (as_csv,) = re.findall(r"```text\n(site,.*?)```", manual, flags=re.DOTALL)
    (as_yaml,) = re.findall(r"```text\n(labels:.*?)```", manual, flags=re.DOTALL)
    one, other = registry(as_csv), registry(as_yaml, "registry.yaml")
    assert one.attributes == other.attributes
    assert one.devices["A", "b1"] == other.devices["A", "b1"]
    assert f"{MAX_DEVICES:,} devices" in manual


def test_field_types_have_the_words_that_the_nodes_use() -> None:
    assert {kind.value for kind in FieldType} == {"number", "text", "flag"}
