"""Rule and test files for the tests of `iotrules test`."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from iotrules.cli.test import command

RULES = """\
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms}
    id: [boot, seq]
    interval: 10s
    fields:
      temp: {unit: degC, range: [-40, 150]}
      fan: {one_of: [running, stopped, "on hold"]}
      open: {type: flag}
      rpm: {path: motor.rpm}
commands:
  topic: site/{site}/dev/{device}/cmd
  ack: site/{site}/dev/{device}/cmd/ack
rules:
  hot:
    from: env
    when: temp > 85
    for: 1m
    clear: {when: temp < 70, for: 20s}
    severity: critical
    summary: "{device} is at {temp:.1f}"
    do:
      - {command: fan_on}
      - {invoke: decide}
"""

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Decide:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: decide
      CodeUri: .
      Handler: handlers.decide
      Runtime: python3.12
      Environment: {Variables: {LIMIT: "2"}}
"""

HANDLERS = """\
import os

calls = []


def decide(event, context):
    calls.append(event)
    assert len(calls) == 1, "a case began with what another one left behind"
    trips = event["state"].get("trips", 0) + 1
    print("not for the report")
    name = "stop" if trips < int(os.environ["LIMIT"]) else "lock"
    return {"state": {"trips": trips}, "commands": [{"name": name, "args": {"trips": trips}}]}
"""

HOT = """\
cases:
  - name: it gets hot
    key: {site: A, device: b1}
    send: {env.temp: "80x2 90x8 60x3", every: 10s}
    answers: {decide: {}}
    expect:
"""
"""Pending from 20s, firing at 1m20s, resolved at 2m."""


def write(folder: Path, cases: str, rules: str = RULES) -> Path:
    """`plant.yaml` and `plant.test.yaml` in the folder; the path of the test file."""
    (folder / "plant.yaml").write_text(rules)
    file = folder / "plant.test.yaml"
    file.write_text(cases)
    return file


def write_functions(folder: Path, handlers: str) -> Path:
    """A template with the function `decide` and its code, beside the folder; the path of the template."""
    code = folder.with_name(folder.name + "-functions")
    code.mkdir()
    (code / "handlers.py").write_text(handlers)
    template = code / "template.yaml"
    template.write_text(TEMPLATE)
    return template


def run(*arguments: object) -> Result:
    """`iotrules test`, as a person runs it."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
