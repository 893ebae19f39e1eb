"""Reading YAML: core types, places, limits, and what is refused."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iotrules.model.errors import FileError, Problem
from iotrules.yamlfile import Mapping, Scalar, node_at, parse, place_in, reader, to_plain

CORPUS = Path(__file__).parent.parent / "data" / "security" / "yaml_hostile.jsonl"
ENTRIES = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
BIG = [
    {"id": "brackets", "cls": "depth", "text": "[" * 20_000},
    {"id": "brackets closed", "cls": "depth", "text": "[" * 10_000 + "]" * 10_000},
    {"id": "braces", "cls": "depth", "text": "{a: " * 20_000},
    {"id": "3 MB", "cls": "size", "text": "rules: '" + "A" * 3_000_000 + "'\n"},
]
READ_AS = {
    "norway": {"rules": [{"id": "no", "when": "value > 1", "on": "yes"}]},
    "bom": {"rules": []},
    "unknown_key": {"rules": [{"id": "a", "when": "value>1", "wehn": "value>2"}]},
    "empty": None,
    "scalar_root": 42,
    "null_root": None,
}


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(FileError) as caught:
        parse(text, "f.yaml")
    return caught.value.problems


@pytest.mark.parametrize("entry", ENTRIES + BIG, ids=lambda entry: f"{entry['id']}-{entry['cls']}")
def test_hostile_files_are_refused_at_a_place_or_read_as_yaml_1_2_says(entry: dict[str, str]) -> None:
    begun = time.perf_counter()
    if entry["cls"] in READ_AS:
        assert to_plain(parse(entry["text"], "f.yaml")) == READ_AS[entry["cls"]]
    else:
        found = problems_of(entry["text"])
        assert all(p.file == "f.yaml" and p.line >= 1 and p.column >= 1 and p.message for p in found)
    assert time.perf_counter() - begun < 2
    assert not Path("/tmp/iotre_canary").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("~", None), ("null", None), ("", None),
        ("no", "no"), ("on", "on"), ("Yes", "Yes"), ("12:30", "12:30"), ("1_000", "1_000"),
        ("12", 12), ("-3", -3), ("+3", 3), ("0", 0), ("0o17", 15), ("0xff", 255),
        ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("-1.5E-2", -0.015), ("2026-01-01", "2026-01-01"),
        ("'12'", "12"), ('"true"', "true"), ("0o8", "0o8"), ("1.2.3", "1.2.3"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    read = to_plain(parse(f"a: {text}", "f.yaml"))
    assert read == {"a": value}
    assert isinstance(read, dict)
    assert type(read["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a: 012", "leading zero", "0o"),
        ("a: .inf", "not a number", ""),
        ("a: -.INF", "not a number", ""),
        ("a: .nan", "not a number", ""),
        ("a: 1e999", "too large", ""),
        ("a: 99999999999999999999", "beyond 64 bit", "quotes"),
        ("a: " + "9" * 5000, "beyond 64 bit", "quotes"),
        ("{<<: {a: 1}}", "merge keys", "write the keys out"),
        ("a: !x 1", "the tag", "remove it"),
        ("a: ! 1", "the tag", "remove it"),
        ("%YAML 1.1\n---\na: 1", "YAML 1.2", "%YAML"),
        ("a: 1\n---\nb: 2", "second document", "file of its own"),
        ("? [a]\n: 1", "a key must be", "quotes"),
        ("a: 1\na: 2", 'the key "a" is here twice, first in line 1', ""),
        ('1: x\n"1": y', "twice", ""),
        ("a: b\u2028c", "U+2028", ""),
        ("a: b\u202ec", "U+202E", ""),
        ("a: \ufeff", "U+FEFF", ""),
        ('a: "x\\0"', "U+0000", "remove it"),
        ("a:\n\t- b", "cannot start any token", "no tabs"),
        ('{when: avg(temp, 10m) > 3, for: 2m}', '"avg(temp" is cut here', "quotes"),
        ("{when: avg(temp, 10m, min_samples=5) > 3}", '"avg(temp" is cut here', "quotes"),
        ("[max(a, b) > 3]", '"max(a" is cut here', "quotes"),
        ("summary: {device} is hot", "not valid YAML", "begins with { is a mapping"),
        ("when: > 85", "not valid YAML", "begins with > is folded text"),
        ("when: >5", '">5" begins folded text', "quotes"),
        ("share: %5", "not valid YAML", "begin with %"),
        ("when: *x", "has no anchor", "quotes"),
        ('when: name == "a #1"', '"name == "a" is cut here', "quotes"),
        ("when: name == 'a #1'", "is cut here", "quotes"),
        ("when: temp > # 85", '"temp >" is cut here', "quotes"),
        ("when: max(a # b)", "is cut here", "quotes"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why_and_what_to_write(text: str, message: str, hint: str) -> None:
    found = problems_of(text)
    assert any(message in p.message and hint in p.hint for p in found), [str(p) for p in found]


def test_an_honest_comment_is_no_cut() -> None:
    text = "when: temp > 85 # hot\nname: it's # fine\nother: {a: f(x), b: (y)}"
    assert to_plain(parse(text, "f.yaml")) == {
        "when": "temp > 85",
        "name": "it's",
        "other": {"a": "f(x)", "b": "(y)"},
    }


def test_all_problems_of_a_file_are_told_at_once() -> None:
    found = problems_of("a: 012\nb: !x 1\nc: .nan\na: 1\n")
    assert [(p.line, p.column) for p in found] == [(1, 4), (2, 4), (3, 4), (4, 1)]
    assert found[0].source == "a: 012"


def test_keys_and_values_know_their_place() -> None:
    root = parse("\ufeffa:\r\n  b: [1, {c: x}]\r\n", "f.yaml")
    assert isinstance(root, Mapping)
    (key, value), *_ = root.entries
    assert (key.place, value.place) == ((1, 1), (2, 3))
    item = node_at(root, ["a", "b", 1, "c"])
    assert isinstance(item, Scalar)
    assert (item.place, item.value) == ((2, 14), "x")
    assert node_at(root, ["a", "b", 7]) is None
    assert node_at(root, ["a", 0]) is None


@pytest.mark.parametrize(
    "text",
    [
        "k: temp > xyz",
        'k: "temp > xyz"',
        "k: 'it''s xyz'",
        'k: "\\u00b0C \\" xyz"',
        "k: >-\n  temp > 3\n  and xyz",
        "k: |\n  temp\n    xyz\n",
        "k: temp\n  and\n\n  xyz",
        'k: "temp \\\n  xyz"',
        "{k: temp > xyz, b: 1}",
    ],
)
def test_a_place_inside_a_text_is_found_in_the_file(text: str) -> None:
    scalar = node_at(parse(text, "f.yaml"), ["k"])
    assert isinstance(scalar, Scalar)
    line, column = place_in(scalar, scalar.text.index("xyz"))
    assert text.split("\n")[line - 1][column - 1 :].startswith("xyz")


def test_aliases_are_read_and_bounded() -> None:
    text = "a: &x [1, 2]\nb: *x\nc: {d: *x}"
    assert to_plain(parse(text, "f.yaml")) == {"a": [1, 2], "b": [1, 2], "c": {"d": [1, 2]}}
    deep = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 80))
    assert "levels deep" in problems_of(deep)[0].message
    assert "inside of what it stands for" in problems_of("a: &a {b: *a}")[0].message


def test_depth_64_is_read_and_65_is_not() -> None:
    assert parse("[" * 63 + "1" + "]" * 63, "f.yaml")
    assert "64 levels" in problems_of("[" * 64 + "1" + "]" * 64)[0].message


def test_too_many_values_are_refused() -> None:
    assert "values in one file" in problems_of("[" + "1," * 200_000 + "1]")[0].message


def test_the_pure_python_loader_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, {b: \"x y\", c: 'z'}]\nd: >-\n  one\n  two\ne: &q f # g\nh: *q\n"
    fast = parse(text, "f.yaml")
    monkeypatch.setattr(reader, "_LOADER", yaml.SafeLoader)
    assert to_plain(parse(text, "f.yaml")) == to_plain(fast)
    b = node_at(parse(text, "f.yaml"), ["a", 1, "b"])
    assert isinstance(b, Scalar)
    assert b == node_at(fast, ["a", 1, "b"])


@given(st.text(alphabet=st.sampled_from("ab:-[]{},#&*!|>'\"%@ \n\t0.1~<?"), max_size=60))
def test_whatever_the_text_only_file_errors_come_out(text: str) -> None:
    with suppress(FileError):
        parse(text, "f.yaml")


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\ufeff"), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz", max_size=4), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(plain)
def test_json_is_read_as_it_is(value: object) -> None:
    assert to_plain(parse(json.dumps(value, ensure_ascii=False), "f.yaml")) == value
