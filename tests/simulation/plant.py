"""The rules of the simulated plant: each kind of state that an engine keeps, and commands that last and that don't."""

from __future__ import annotations

from iotrules.model.inputs import Reload

STREAM = "site/A/dev/{device}/env"
COMMANDS = "site/A/dev/{device}/cmd"
ANSWERS = "site/A/dev/{device}/cmd/ack"
NOTES = "notes/#"

FIRES_ABOVE, ENDS_BELOW = 85, 70
"""Of the rule `hot`, which the judge works out by itself."""

LASTING = ("shutdown", "lock")
"""Commands that expire long after a run is over: those must arrive."""

_RULES = """
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms, ahead: 7d}
    id: [boot, seq]
    interval: 10s
    every: 30s
    fields:
      temp: {unit: degC, range: [-40, 150]}
commands:
  topic: site/{site}/dev/{device}/cmd
  ack: site/{site}/dev/{device}/cmd/ack
rules:
  hot:
    from: env
    when: temp > 85
    clear: temp < 70
    severity: critical
    summary: "{device} is at {temp:.1f}"
    do:
      - {command: shutdown, expires: 24h, ack_within: 15s, retry: 2}
  brief:
    from: env
    when: temp > 90
    do:
      - {command: vent, expires: 20s, ack_within: 10s}
  trips:
    from: env
    when: temp > 90
    for: 10s
    do:
      - invoke: trip
  lasting:
    from: env
    when: temp > LIMIT
    for: 20s
    clear: {when: temp < 75, for: 10s}
    do:
      - publish: {topic: "notes/{device}", payload: {warm: "{device}"}}
  mean:
    from: env
    when: avg(temp, 1m, min_samples=3) > 80
  silent:
    absent: env
    for: 40s
  site-warm:
    from: env
    by: [site]
    across: device
    fresh: 1m
    when: count(temp > 80) >= 2
  twice:
    by: [site, device]
    sequence:
      - first: env where temp > 90
      - then: env where temp < 75
    within: 2m
"""


def rules(version: int) -> Reload:
    """The rule files of a version; 0 is what the engine begins with. They differ in one limit."""
    return Reload({"plant.yaml": _RULES.replace("LIMIT", str(80 + version))})
