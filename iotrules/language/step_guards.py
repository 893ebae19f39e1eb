"""`guard` of a step: how many devices the commands that it causes may reach."""

from __future__ import annotations

import re

from iotrules.language.documents import GuardDocument
from iotrules.language.parts import Part
from iotrules.model.rules import Guard
from iotrules.model.times import MILLISECOND
from iotrules.yamlfile import Mapping, check_node, nearest, node_at, quoted

_SHARE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6})?%", re.ASCII)


def read_guard(part: Part, index: int, by: tuple[str, ...] | None) -> Guard | None:
    """The guard of step `index`, or None with its problems noted. `by` None is unknown."""
    node = node_at(part.node, ["do", index, "guard"])
    if not isinstance(node, Mapping):
        hint = "write guard: {max_share: 5%, of: site, per: 10m}"
        part.wrong("a guard is a mapping", "do", index, "guard", hint=hint)
        return None
    document, problems = check_node(node, GuardDocument, part.source)
    part.problems.extend(problems)
    if document is None:
        return None
    share = _share(part, index, document.max_share)
    per = part.duration(document.per, 0, "do", index, "guard", "per", least=MILLISECOND)
    if document.of is not None and by is not None and document.of not in by:
        message = f"{quoted(document.of)} is no label of the rule{nearest(document.of, by)}"
        hint = f"the rule is kept by {', '.join(by) or 'nothing'}; without of, the guard is over all devices"
        part.wrong(message, "do", index, "guard", "of", hint=hint)
    return Guard(share, document.of or "", per, document.else_)


def _share(part: Part, index: int, given: str | float) -> float:
    text = given if isinstance(given, str) else f"{given:g}"
    if _SHARE.fullmatch(text) and 0 < float(text[:-1]) <= 100:
        return float(text[:-1]) / 100
    message = f'"max_share": {quoted(text)} is no share of more than 0% and at most 100%'
    part.wrong(message, "do", index, "guard", "max_share", hint="write 5%")
    return 1.0
