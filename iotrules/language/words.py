"""The words of the language: what can't be a name, what is a function, and what will be one."""

from __future__ import annotations

import re

KEYWORDS = frozenset({"and", "or", "not", "in", "true", "false"})
FUNCTIONS = frozenset({
    "abs", "clamp", "round", "floor", "ceil", "sqrt", "log", "exp", "mod", "starts_with", "ends_with", "contains",
    "lower", "has", "distance", "min", "max", "matches", "inside",
})  # fmt: skip
"""Functions of present values. min and max with a duration are windows."""

WINDOWS = frozenset({
    "avg", "min", "max", "count", "slope", "sum", "stddev", "median", "p50", "p90", "p95", "p99", "quantile", "first",
    "last", "range", "changes", "rate", "increase", "share", "times", "zscore", "robust_zscore", "ewma", "stuck",
})  # fmt: skip
"""Functions of the samples of the last time: a value or condition, then a duration."""

NEWEST = frozenset({"prev", "lag", "delta", "changed", "age", "streak", "drift"})
"""Functions of a key's newest samples."""

CLOCKS = frozenset({"hour", "weekday"})
MEMBERS = frozenset({"count", "share", "any", "all", "avg", "min", "max", "sum", "stddev", "median"})
"""Functions over the members of a key, of a rule with across: a value or condition alone."""

OTHERS = frozenset({"firing"})
"""Functions of other rules."""

SUPPORTED = FUNCTIONS | WINDOWS | NEWEST | CLOCKS | MEMBERS | OTHERS | {"outlier"}
LATER = frozenset({"anomaly"})
NAMESPACES = frozenset({"attr", "state", "reported", "desired"})
"""What stands before a dot, beside the names of streams; no stream may be called so."""

BUILT_IN_SLOTS = frozenset({"rule", "severity", "held"})
"""What a template knows beside fields and captures."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


def refuse_name(name: str, kind: str) -> str:
    """Why `name` can't name a `kind` (field, stream, capture), or nothing."""
    if not NAME.fullmatch(name):
        return f"{kind} names are letters, digits and _, begin with a letter, and have at most 64 characters"
    if name in KEYWORDS | SUPPORTED | LATER:
        return f"{name} is a word of the rule language and can't name a {kind}"
    if kind == "stream" and name in NAMESPACES:
        return f"{name} is a word of the rule language and can't name a {kind}"
    if kind != "stream" and name in BUILT_IN_SLOTS:
        return f"{{{name}}} means something else in a summary, so {name} can't name a {kind}"
    return ""
