"""The JSON Schema of rule files: valid draft-07, with help for every key, and of one mind with the loader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator
from pydantic import BaseModel

from iotrules.cli.schema import command
from iotrules.language import documents, load_files, read_directory
from iotrules.language.documents import RuleDocument, StepDocument, StreamDocument, _Document
from iotrules.language.schema import KEYS, rule_file_schema
from iotrules.language.words import SUPPORTED
from iotrules.model.errors import RuleError
from iotrules.yamlfile import parse, to_plain

REPOSITORY = Path(__file__).parent.parent.parent
CORPUS = Path(__file__).parent / "corpus"
SCHEMA = rule_file_schema()
VALIDATOR = Draft7Validator(SCHEMA)
DRAFT_7 = {
    "$schema", "title", "description", "default", "type", "enum", "properties", "additionalProperties", "required",
    "propertyNames", "pattern", "items", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength",
    "minProperties", "maxProperties", "minimum", "maximum", "allOf", "anyOf", "oneOf", "if", "then", "else",
}  # fmt: skip
"""The words that the schema uses, all of them draft-07's: a language server leaves out what it does not know."""


def files(kind: str) -> list[Path]:
    return sorted((CORPUS / kind).glob("*.yaml"))


def accepts(text: str) -> bool:
    return VALIDATOR.is_valid(to_plain(parse(text, "r.yaml")))


def loads(text: str) -> bool:
    try:
        load_files({"r.yaml": text})
    except RuleError:
        return False
    return True


@pytest.mark.parametrize("file", files("good"), ids=lambda file: file.stem)
def test_what_loads_is_accepted(file: Path) -> None:
    text = file.read_text()
    assert loads(text)
    assert accepts(text)


@pytest.mark.parametrize("file", files("bad"), ids=lambda file: file.stem)
def test_a_wrong_structure_is_refused_by_both(file: Path) -> None:
    text = file.read_text()
    assert not loads(text)
    assert not accepts(text)


@pytest.mark.parametrize("file", files("semantic"), ids=lambda file: file.stem)
def test_what_needs_the_meaning_is_refused_by_the_loader_only(file: Path) -> None:
    text = file.read_text()
    assert not loads(text)
    assert accepts(text)


def test_the_corpus_is_there() -> None:
    assert [len(files(kind)) >= 20 for kind in ("good", "bad")] == [True, True]


def test_the_shipped_rules_are_accepted() -> None:
    for name, text in read_directory(REPOSITORY / "rules").items():
        assert list(VALIDATOR.iter_errors(to_plain(parse(text, name)))) == [], name


def test_every_rule_file_of_the_manual_is_accepted() -> None:
    text = (REPOSITORY / "docs" / "rules.md").read_text()
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        assert accepts(block)


def test_the_keys_are_the_loaders() -> None:
    assert set(KEYS) == set(_Document.__subclasses__())
    for document, keys in KEYS.items():
        assert set(keys) == {info.alias or name for name, info in document.model_fields.items()}, document


@pytest.mark.parametrize("document", [RuleDocument, StepDocument, StreamDocument])
def test_keys_of_later_versions_are_not_accepted(document: type[_Document]) -> None:
    assert document.later
    assert not document.later & set(KEYS[document])


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for word, value in schema.items():
            if word == "properties":
                for inner in value.values():
                    yield from _schemas(inner)
            elif word in ("allOf", "anyOf", "oneOf"):
                for inner in value:
                    yield from _schemas(inner)
            elif word in ("items", "additionalProperties", "if", "then", "else", "propertyNames"):
                yield from _schemas(value)


def test_it_is_draft_7_and_uses_no_other_words() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    for schema in _schemas(SCHEMA):
        assert set(schema) <= DRAFT_7


def test_every_key_has_help_and_every_object_is_closed() -> None:
    for keys in (*KEYS.values(), SCHEMA["properties"]):
        for name, schema in keys.items():
            assert len(schema["description"]) > 10, name
    for schema in _schemas(SCHEMA):
        if "object" in schema.get("type", ()) and "description" in schema:
            assert "additionalProperties" in schema
        if "properties" in schema and "type" in schema:
            assert schema["additionalProperties"] is False


def test_it_is_printed() -> None:
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 0
    assert json.loads(result.output) == SCHEMA
    assert CliRunner().invoke(command, ["fleets"]).exit_code == 2


def test_every_key_and_function_has_an_example_in_the_manual() -> None:
    text = (REPOSITORY / "docs" / "rules.md").read_text()
    examples = "\n".join(re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    models = [one for one in vars(documents).values() if isinstance(one, type) and issubclass(one, BaseModel)]
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}:", examples)] == []
    assert [name for name in sorted(SUPPORTED) if not re.search(rf"\b{name}\(", examples)] == []
