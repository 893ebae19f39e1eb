"""What happens to the engine in a case beside messages: `restart_at`, and what people decide about held commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from iotrules.language.parts import Part
from iotrules.model.rules import RuleSet
from iotrules.tools.testing.cases import Restart, Ruling
from iotrules.tools.testing.documents import CaseDocument, RestartDocument, RulingDocument
from iotrules.tools.testing.messages import check_key, instant
from iotrules.yamlfile import check_node, node_at

_ACTIONS: tuple[Literal["approve", "reject"], ...] = ("approve", "reject")


def read_restarts(part: Part, document: CaseDocument) -> tuple[Restart, ...]:
    """`restart_at`, in order; what is wrong with it is noted."""
    found: list[Restart] = []
    for index, given in enumerate(document.restart_at):
        node = node_at(part.node, ["restart_at", index])
        if isinstance(given, dict) and node is not None:
            one, problems = check_node(node, RestartDocument, part.source)
            part.problems.extend(problems)
            at = part.duration(one.at if one else None, 0, "restart_at", index, "at")
            restart = Restart(at, part.duration(one.down if one else None, 0, "restart_at", index, "down"))
        else:
            restart = Restart(instant(part, given, "restart_at", index), 0)
        if found and restart.at < found[-1].end:
            part.wrong("restarts are in order of time, each after the end of the one before", "restart_at", index)
        found.append(restart)
    return tuple(found)


def read_rulings(part: Part, document: CaseDocument, rules: RuleSet, restarts: Sequence[Restart]) -> tuple[Ruling, ...]:
    """`approve_at` and `reject_at`, in order of time; what is wrong with them is noted."""
    given = {"approve": document.approve_at, "reject": document.reject_at}
    found = [
        ruling
        for action in _ACTIONS
        for index in range(len(given[action]))
        if (ruling := _ruling(part, action, index, document, rules))
    ]
    for one in found:
        if any(restart.at < one.at < restart.end for restart in restarts):
            part.wrong(f"the engine is down then: nobody can {one.action} anything", f"{one.action}_at")
    return tuple(sorted(found, key=lambda one: one.at))


def _ruling(
    part: Part, action: Literal["approve", "reject"], index: int, document: CaseDocument, rules: RuleSet
) -> Ruling | None:
    path = (f"{action}_at", index)
    node = node_at(part.node, path)
    if node is None:
        return None
    one, problems = check_node(node, RulingDocument, part.source)
    part.problems.extend(problems)
    if one is None:
        return None
    check_key(part, one.key, rules, *path, "key")
    at = part.duration(one.at, 0, *path, "at")
    return Ruling(node.place, at, action, one.command, document.key | one.key, one.by, one.why)
