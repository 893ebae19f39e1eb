"""YAML against pydantic models: located problems with near names."""

from __future__ import annotations

from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from iotrules.model.errors import FileError
from iotrules.yamlfile import Source, check_node, load_document, parse


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    later: ClassVar[frozenset[str]] = frozenset({"levels"})
    severity: Literal["minor", "major"] = "minor"
    hold: str | float = Field("0s", alias="for")
    count: int = 1
    dry_run: bool = False
    summary: str = ""
    tags: list[str] = Field(default_factory=list)

    @field_validator("count")
    @classmethod
    def _not_negative(cls, count: int) -> int:
        if count < 0:
            raise ValueError("must not be negative")
        return count


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    rules: dict[str, Inner] = Field(default_factory=dict)
    extra: Inner | None = None


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("{}", (1, 1), 'the key "name" is missing', ""),
        ("name: 12", (1, 7), '"name" must be text, not the number 12', 'put it in quotes: "12"'),
        ("name: {device}", (1, 1), '"name" must be text, not a mapping', "begins with { is a mapping"),
        ("name: x\nnaem: y", (2, 1), 'unknown key "naem": did you mean "name"?', ""),
        ("name: x\nqqq: y", (2, 1), 'unknown key "qqq"', ""),
        (
            "name: x\nrules:\n  a: {severty: major}",
            (3, 7),
            'unknown key "severty": did you mean "severity"?',
            "",
        ),
        ("name: x\nextra: {fro: 3}", (2, 9), 'unknown key "fro": did you mean "for"?', ""),
        (
            "name: x\nrules:\n  a: {levels: 3}",
            (3, 7),
            '"levels" is part of the rule language but not supported by this version',
            "",
        ),
        (
            "name: x\nrules:\n  a: {severity: majr}",
            (3, 17),
            '"severity" must be one of minor, major, not the text "majr": did you mean "major"?',
            "",
        ),
        (
            "name: x\nrules:\n  a: {for: true}",
            (3, 12),
            '"for" must be text or a number, not true',
            'put it in quotes: "true"',
        ),
        (
            "name: x\nrules:\n  a: {dry_run: on}",
            (3, 16),
            '"dry_run" must be true or false, not the text "on"',
            "write true",
        ),
        ("name: x\nrules:\n  a: {tags: [a, 1]}", (3, 17), 'item 2 of "tags" must be text, not the number 1', ""),
        ("name: x\nrules: []", (2, 1), '"rules" must be a mapping of keys, not a list', ""),
        ("name: x\nrules:\n  a: {count: -1}", (3, 14), '"count": must not be negative', ""),
        ("[]", (1, 1), "the file must be a mapping of keys, not a list", ""),
        ("", (1, 1), "the file must be a mapping of keys, not nothing", ""),
    ],
)
def test_a_wrong_value_is_told_where_it_stands(text: str, place: tuple[int, int], message: str, hint: str) -> None:
    with pytest.raises(FileError) as caught:
        load_document(text, "f.yaml", Outer)
    (problem,) = caught.value.problems
    assert ((problem.line, problem.column), problem.message) == (place, message)
    assert hint in problem.hint


def test_a_right_file_becomes_a_document() -> None:
    document = load_document("name: x\nrules: {a: {for: 3, tags: [b]}}", "f.yaml", Outer)
    assert document.rules["a"].hold == 3
    assert document.rules["a"].tags == ["b"]


def test_every_problem_is_told_at_once_and_the_rest_can_be_used() -> None:
    text = "name: x\nrules: {a: {count: x, dry_run: 3}, b: {sevrity: y}}\nnme: 3"
    document, problems = check_node(parse(text, "f.yaml"), Outer, Source.of(text, "f.yaml"))
    assert len(problems) == 4
    assert document == Outer(name="x")
