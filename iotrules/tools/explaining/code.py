"""The generated functions that decide on a rule, with a legend of the objects that they are bound to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from iotrules.engine.firings import Firings
from iotrules.engine.plan import Plan, StreamPlan, compile_rules
from iotrules.model.expression import Function
from iotrules.model.rules import RuleSet
from iotrules.model.sequences import Sequence

_NUMBERED = re.compile(r"\bk\d+\b")


def code_of(rules: RuleSet, name: str) -> str:
    """The function of every stream that the rule looks at; for one without, why. KeyError for an unknown rule."""
    plan, rule = compile_rules(rules), rules.rules[name]
    patterns = rule.body.patterns if isinstance(rule.body, Sequence) else ()
    streams = dict.fromkeys([pattern.stream for pattern in patterns] or [rule.stream])
    return "\n".join(_of_stream(plan, plan.streams[stream]) for stream in streams)


def _of_stream(plan: Plan, stream: StreamPlan) -> str:
    names = [compiled.rule.name for track in stream.tracks for compiled in track.rules]
    head = f"# stream {stream.stream.name}: {', '.join([*names, *stream.sequenced])}\n"
    if stream.taker(stream.tracks) is None:
        return f"{head}# no generated function: its messages are read by hand, and decided by the plain interpreter\n"
    fused = stream.made[stream.tracks]
    return head + "".join(_legend(fused.code, fused.bound, plan.firings)) + fused.code


def _legend(code: str, bound: Mapping[str, Any], firings: Firings) -> Iterator[str]:
    """A line of comment for each object, in the order of their numbers."""
    used = sorted(set(_NUMBERED.findall(code)), key=lambda name: int(name[1:]))
    for name in used:
        yield f"# {name}: {_described(bound[name], firings)}\n"


def _described(value: Any, firings: Firings) -> str:
    for asked, table in firings.tables.items():
        if table is value:
            same = f" by {', '.join(asked.same)}" if asked.same else ""
            return f"how many alerts of {asked.rule} fire{same}"
    if isinstance(value, Firings):
        return "rules that ask for alerts of others"
    if isinstance(value, Function):
        return f"the call of {value.name}()"
    if isinstance(value, str):
        return repr(value)
    return getattr(value, "__qualname__", type(value).__qualname__)
