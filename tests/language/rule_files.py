"""Rule files for tests: one stream with a field of each kind, and what is wrong with a rule over it."""

from __future__ import annotations

import pytest

from iotrules.language import load_files
from iotrules.model.errors import Problem, RuleError
from iotrules.model.rules import Rule, RuleSet, Stream

HEAD = """\
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms, late: 0s, ahead: 10s}
    id: [boot, seq]
    interval: 10s
    fields:
      temp:      {unit: degC, range: [-40, 150]}
      inlet:     {unit: degC}
      pressure:  {unit: bar}
      vibration: {unit: mm/s}
      fan:       {one_of: [running, stopped]}
      rpm:       {unit: rpm, path: motor.rpm}
      humidity:  {unit: "%"}
      uptime:    {unit: h}
      energy:    {unit: kWh}
      power:     {unit: kW}
      label:     {type: text}
      door:      {type: flag}
      load:      {coerce: number}
      value:
commands:
  topic: site/{site}/dev/{device}/cmd
  ack: site/{site}/dev/{device}/cmd/ack
"""


def load(rules: str, head: str = HEAD) -> RuleSet:
    return load_files({"r.yaml": f"{head}rules:\n{rules}"})


def rule(body: str) -> Rule:
    """The rule `r` with this body in flow style."""
    return load(f"  r: {{{body}}}").rules["r"]


def stream() -> Stream:
    return load_files({"r.yaml": HEAD}).streams["env"]


def problems(files: dict[str, str] | str) -> list[Problem]:
    with pytest.raises(RuleError) as caught:
        load_files({"r.yaml": files} if isinstance(files, str) else files)
    return list(caught.value.problems)


def rule_problems(body: str) -> list[Problem]:
    return problems(f"{HEAD}rules:\n  r: {{{body}}}")
