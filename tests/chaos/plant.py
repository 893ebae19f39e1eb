"""The plant of the chaos runs: streams, twenty rules and functions, written as the engine's user would write them.

House rule: each rule is a value of its own here, from which its YAML is made and from which the oracle judges; the
rules in use are written into the file as a comment, so that the journal says which ones a message was to meet.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SPEC = "# chaos: "
BAD_RULES = "rules:\n  broken:\n    from: env\n    when: tmp >> 85\n"
LATE_MS = 3_000
EXPIRES_MS = 20_000
A_FILE_HOLDS = 2_500
"""Rules; a file has at most 30,000 values."""

_STREAMS = """\
streams:
  env:
    topic: site/{site}/dev/{device}/env
    time: {field: ts, format: unix_ms, ahead: 1h}
    id: [boot, seq]
    interval: 60s
    fields:
      temp: {unit: degC, range: [-40, 200]}
      vib: {range: [0, 100]}
  slow:
    topic: site/{site}/dev/{device}/slow
    time: {field: ts, format: unix_ms, late: 3s, ahead: 1h}
    id: [boot, seq]
    interval: 60s
    fields:
      load: {range: [0, 100]}
  open:
    topic: site/{site}/dev/{device}/open
    time: {field: ts, format: unix_ms}
    id: [boot, seq]
    fields:
      temp: {unit: degC, range: [-40, 200]}
commands:
  topic: site/{site}/dev/{device}/cmd
  ack: site/{site}/dev/{device}/cmd/ack
rules:
"""


@dataclass(frozen=True, slots=True)
class Threshold:
    """`field > above` for `hold_ms`, until `field < below`, or `<= above` where that is None."""

    name: str
    stream: str
    field: str
    above: float
    below: float | None = None
    hold_ms: int = 0
    does: tuple[str, ...] = ()
    """Of "command", "publish", or the name of a function."""
    expires_ms: int = EXPIRES_MS
    """Of its command."""


def standard_rules() -> tuple[Threshold, ...]:
    """Twenty: levels, hysteresis, holds, a late stream; commands, messages and functions."""
    levels = tuple(Threshold(f"level-{above}", "env", "temp", above) for above in (75, 80, 85, 90, 95))
    vibration = tuple(Threshold(f"vib-{above}", "env", "vib", above) for above in (20, 30, 40, 50))
    return (
        *levels,
        *vibration,
        Threshold("hyst-85", "env", "temp", 85, 60),
        Threshold("hyst-90", "env", "temp", 90, 50),
        Threshold("hold-1s", "env", "temp", 80, None, 1000),
        Threshold("hold-500ms", "env", "temp", 90, 60, 500),
        Threshold("slow-50", "slow", "load", 50),
        Threshold("slow-80", "slow", "load", 80, 20),
        Threshold("trip", "env", "temp", 92, 60, does=("command",)),
        Threshold("count", "env", "temp", 85, 60, does=("chaos_count",)),
        Threshold("tell", "env", "temp", 88, 60, does=("publish",)),
        Threshold("edited", "env", "temp", 82),
        Threshold("strangers", "open", "temp", 85),
    )


def edited(rules: Sequence[Threshold], above: float) -> tuple[Threshold, ...]:
    """The same rules, of which one has another threshold."""
    return tuple(
        Threshold(rule.name, rule.stream, rule.field, above) if rule.name == "edited" else rule for rule in rules
    )


def write_rules(directory: Path, rules: Sequence[Threshold], *, fillers: int = 0) -> None:
    """The rule files, each replaced as a whole; `fillers` more look at strangers only."""
    text = f"{SPEC}{json.dumps([asdict(rule) for rule in rules])}\n{_STREAMS}"
    text += "".join(_rule(rule) for rule in rules)
    for old in directory.glob("fillers-*.yaml"):
        old.unlink()
    for first in range(0, fillers, A_FILE_HOLDS):
        names = range(first, min(fillers, first + A_FILE_HOLDS))
        lines = [f"  filler-{n}: {{from: open, when: temp > {150 + n / 1000:g}}}\n" for n in names]
        _replace(directory / f"fillers-{first}.yaml", f"rules:\n{''.join(lines)}")
    _replace(directory / "rules.yaml", text)


def write_bad_rules(directory: Path) -> None:
    """A rule file that can't be used, among those that can."""
    _replace(directory / "rules.yaml", f"{_STREAMS}{BAD_RULES.removeprefix('rules:')}")


def read_rules(text: str) -> tuple[Threshold, ...]:
    """The rules that a rule file says it has."""
    head = text.splitlines()[0]
    if not head.startswith(SPEC):
        return ()
    return tuple(Threshold(**{**one, "does": tuple(one["does"])}) for one in json.loads(head.removeprefix(SPEC)))


def write_functions(directory: Path, history: Path, *, hostile: bool) -> Path:
    """The template; each handler writes to `history` what it is asked to do. `hostile`: the others misbehave."""
    (directory / "chaos_handlers.py").write_text((Path(__file__).parent / "handlers.py").read_text())
    names = ("count", *(HOSTILE if hostile else ()))
    functions = "".join(
        f"""
  {"".join(word.title() for word in name.split("_"))}:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: chaos_{name}
      CodeUri: .
      Handler: chaos_handlers.{name}
      Runtime: python3.12
      Timeout: {10 if name in ("count", "slow") else 1}
      Environment: {{Variables: {{CHAOS_HISTORY: "{history}"}}}}"""
        for name in names
    )
    template = directory / "template.yaml"
    template.write_text(f"Transform: AWS::Serverless-2016-10-31\nResources:{functions}\n")
    return template


HOSTILE = ("slow", "raises", "exits", "aborts", "sleeps", "spins", "grows", "shouts", "hoards", "junk", "orphans")


def hostile_rules() -> tuple[Threshold, ...]:
    """A rule for each handler that misbehaves."""
    return tuple(Threshold(f"h-{name}", "env", "temp", 94, 60, does=(f"chaos_{name}",)) for name in HOSTILE)


def _rule(rule: Threshold) -> str:
    lines = [f"  {rule.name}:", f"    from: {rule.stream}", f"    when: {rule.field} > {rule.above:g}"]
    if rule.hold_ms:
        lines.append(f"    for: {rule.hold_ms}ms")
    if rule.below is not None:
        lines.append(f"    clear: {rule.field} < {rule.below:g}")
    if rule.does:
        lines.append("    do:")
    for what in rule.does:
        match what:
            case "command":
                lines.append(f"      - {{command: shutdown, expires: {rule.expires_ms}ms, ack_within: 1s, retry: 3}}")
            case "publish":
                lines.append('      - publish: {topic: "chaos/sink/{device}", payload: {device: "{device}"}}')
            case _:
                lines.append(f"      - invoke: {what}")
    return "\n".join(lines) + "\n"


def _replace(path: Path, text: str) -> None:
    aside = path.with_suffix(".new")
    aside.write_text(text)
    aside.replace(path)
