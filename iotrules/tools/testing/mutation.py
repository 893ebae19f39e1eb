"""Is every small change to a rule noticed by some case?

House rule: what people read (`because`, `summary`) is not compared: a change must be noticed by what happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as AnySequence
from dataclasses import dataclass, replace

from iotrules.model.rules import Rule
from iotrules.model.sequences import Sequence
from iotrules.tools.testing.cases import Case, Equivalent, Suite
from iotrules.tools.testing.focus import focused, narrowed
from iotrules.tools.testing.functions import LocalHandlers
from iotrules.tools.testing.judging import judge
from iotrules.tools.testing.mutants import Mutant, mutants_of
from iotrules.tools.testing.world import play
from iotrules.yamlfile import Node, entry, node_at, parse


@dataclass(frozen=True, slots=True)
class Survivor:
    """A change that no case noticed, with the line of what was changed."""

    file: str
    line: int
    change: str


@dataclass(frozen=True, slots=True)
class MutationReport:
    """`excused` of `made` changes are declared equivalent; `wrong` are declarations that are not so."""

    made: int
    excused: int
    survivors: tuple[Survivor, ...]
    wrong: tuple[tuple[Equivalent, str], ...]


def mutate(suite: Suite, handlers: LocalHandlers) -> MutationReport:
    """Play the suite's cases on every mutant of its own rules."""
    own = [suite.rules.rules[name] for name in suite.own_rules]
    mutants = [(mutant, cases) for rule in own for cases in [_cases_for(rule, suite)] for mutant in mutants_of(rule)]
    made = [mutant for mutant, _ in mutants]
    unnoticed = [mutant for mutant, cases in mutants if not _is_noticed(mutant, cases, suite, handlers)]
    declared = {one.change: one for one in suite.equivalent}
    root = parse(suite.texts[suite.rule_file], suite.rule_file)
    survivors = tuple(
        Survivor(suite.rule_file, _line(root, mutant), mutant.name)
        for mutant in unnoticed
        if mutant.name not in declared
    )
    wrong = tuple(_wrong(suite.equivalent, {one.name for one in made}, {one.name for one in unnoticed}))
    return MutationReport(len(made), len(unnoticed) - len(survivors), survivors, wrong)


def _wrong(declared: AnySequence[Equivalent], made: set[str], unnoticed: set[str]) -> Iterator[tuple[Equivalent, str]]:
    for one in declared:
        if one.change not in made:
            yield one, "no such change is made: copy the line that --mutate prints"
        elif one.change not in unnoticed:
            yield one, "this change is noticed by a case: it is not equivalent, remove the entry"


def _cases_for(rule: Rule, suite: Suite) -> list[Case]:
    """The cases in which something comes for the rule to judge; those that expect something of it by name first."""
    streams = {one.stream for one in rule.body.patterns} if isinstance(rule.body, Sequence) else {rule.stream}
    topics = [suite.rules.streams[name].topic for name in streams]

    def is_named(case: Case) -> bool:
        return any(getattr(one, "rule", None) == rule.name for one in case.expected)

    def reaches(case: Case) -> bool:
        return any(topic.match(sent.topic) is not None for sent in case.sent for topic in topics)

    return sorted((case for case in suite.cases if is_named(case) or reaches(case)), key=is_named, reverse=True)


def _is_noticed(mutant: Mutant, cases: AnySequence[Case], suite: Suite, handlers: LocalHandlers) -> bool:
    rules = replace(suite.rules, rules=suite.rules.rules | {mutant.rule.name: mutant.rule})
    narrow = (narrowed(case, rules, mutant.rule.name) for case in cases)
    return any(judge(case, play(case, focused(rules, case), {}, handlers), words=False) for case in narrow)


def _line(root: Node, mutant: Mutant) -> int:
    """Where the change is in the rule file: the line of the innermost key that stands there."""
    node, line = node_at(root, ["rules", mutant.rule.name]), mutant.rule.location.line
    for step in mutant.path:
        found = entry(node, step)
        item = node_at(node, [int(step)]) if node and step.isdigit() else None
        if item is not None:
            line, node = item.place[0], item
        elif found is not None:
            line, node = found[0].line, found[1]
        else:
            break
    return line
