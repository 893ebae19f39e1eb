"""docs/authoring.md says what is true: its codes, its JSON, its example."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner

from iotrules.cli import main
from iotrules.cli.init import editor_lines
from iotrules.cli.reports import FORMATS
from iotrules.language import load_files
from iotrules.language.linting import KINDS, lint

TEXT = (Path(__file__).parent.parent.parent / "docs" / "authoring.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_every_finding_is_described() -> None:
    rows = re.findall(r"^\| (L[0-9]{3}) \| ([a-z-]+) \|", TEXT, re.MULTILINE)
    assert rows == [(kind.code, kind.name) for kind in KINDS.values()]


def test_every_format_is_described() -> None:
    assert re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE) == list(FORMATS)


def test_the_json_is_the_one_that_is_printed(tmp_path: Path) -> None:
    (example,) = (json.loads(block) for language, block in BLOCKS if language == "json")
    (tmp_path / "r.yaml").write_text("rules: {r: {from: env}}\n")
    printed = json.loads(CliRunner().invoke(main, ["check", str(tmp_path), "--format", "json"]).stdout)
    assert list(printed) == list(example)
    assert list(printed["problems"][0]) == list(example["problems"][0])


def test_the_lines_for_editors_are_those_that_are_written() -> None:
    assert ("yaml", editor_lines(Path("plant/rules/a.yaml"), Path("plant/.iotrules/schema.json"))) in BLOCKS


def test_the_allowance_allows() -> None:
    (example,) = (block for language, block in BLOCKS if language == "yaml" and "# lint:" in block)
    assert lint({"r.yaml": example}, load_files({"r.yaml": example})) == []
    bare = example.replace("# lint:", "#")
    assert [found.code for found in lint({"r.yaml": bare}, load_files({"r.yaml": bare}))] == ["L003"]
