"""Which SAM templates run here, and where the others are told to be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from iotrules.functions.template import FunctionSettings, read_template
from iotrules.model.errors import ConfigError, FileError

GOOD = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: python3.12
    MemorySize: 256
    Environment: {Variables: {REGION_NAME: north, SHARED: 1.5}}
Resources:
  Stop:
    Type: AWS::Serverless::Function
    Metadata: {Owner: us}
    Properties:
      FunctionName: stop_it
      Handler: stop.handler
      Timeout: 7
      ReservedConcurrentExecutions: 2
      Environment: {Variables: {SHARED: "2", FLAG: true}}
  Start:
    Type: AWS::Serverless::Function
    Properties: {Handler: deep/start.run, CodeUri: code, MemorySize: 512, Runtime: python3.11}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "code").mkdir()
    path = folder / "template.yaml"
    path.write_text(text)
    return path


def test_functions_with_what_globals_give_them(tmp_path: Path) -> None:
    variables = {"REGION_NAME": "north", "SHARED": "2", "FLAG": "true"}
    assert read_template(write(tmp_path, GOOD)) == {
        "stop_it": FunctionSettings("stop_it", tmp_path.resolve(), "stop.handler", 256, 7, 2, variables),
        "Start": FunctionSettings(
            "Start",
            tmp_path.resolve() / "code",
            "deep/start.run",
            512,
            3,
            None,
            {"REGION_NAME": "north", "SHARED": "1.5"},
        ),
    }


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("      Timeout: 7", "      Timeout: 901", 15, "less than or equal to 900"),
        ("MemorySize: 256", "MemorySize: 64", 6, "greater than or equal to 128"),
        ("      Timeout: 7", "      Layers: [a]", 15, 'unknown key "Layers"'),
        ("      Timeout: 7", "      Policies: []", 15, 'unknown key "Policies"'),
        ("stop.handler", "stop", 14, "write it as module.function"),
        ("    Runtime: python3.12", "    Runtime: nodejs20.x", 5, "only those run here"),
        ("    Runtime: python3.12", "    Timeout: 3", 9, '"Runtime" is missing'),
        ("      Handler: stop.handler", "      Timeout: 3", 9, '"Handler" is missing'),
        ("CodeUri: code", "CodeUri: s3", 20, "only folders beside the template run here"),
        ("CodeUri: code", "FunctionName: stop_it", 20, "is called \"stop_it\" already"),
        ("FLAG: true", "AWS_REGION: x", 17, "is set by Lambda itself"),
        ("FLAG: true", "1A: x", 17, "is not a name for a variable"),
        ("FLAG: true", "FLAG: [1]", 17, "FLAG"),
        ("  Start:\n    Type: AWS::Serverless::Function", "  Start:\n    Type: AWS::S3::Bucket", 19, "AWS::S3::Bucket"),
        ("Transform: AWS::Serverless-2016-10-31\n", "", 1, '"Transform" is missing'),
        ("Transform:", "Outputs: {}\nTransform:", 2, 'unknown key "Outputs"'),
        ("stop_it", "!Ref Name", 13, "tag"),
    ],
)  # fmt: skip
def test_what_does_not_run_here_is_refused_at_its_line(
    tmp_path: Path, before: str, after: str, line: int, words: str
) -> None:
    assert GOOD.count(before) == 1
    handlerless = before.strip().startswith("Handler")
    text = GOOD.replace(before, after).replace("      Timeout: 7\n", "" if handlerless else "      Timeout: 7\n")
    with pytest.raises(FileError) as caught:
        read_template(write(tmp_path, text))
    assert words in str(caught.value)
    assert [problem.line for problem in caught.value.problems] == [line]


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't read the SAM template .*; give the path"):
        read_template(tmp_path / "template.yaml")


def test_the_shipped_template(tmp_path: Path) -> None:
    functions = read_template(Path(__file__).parents[2] / "lambdas" / "template.yaml")
    assert set(functions) == {"open_ticket", "shutdown_machine"}
