"""How keys hang together: members answer the questions of their groups, and streams are joined.

House rule: a group and a joined key are tracks like any other, under a name that no stream can have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from iotrules.engine.ballots import Question
from iotrules.engine.buffers import buffer_of
from iotrules.model.expression import Expression, Members, Outlier, Window, over_members, windows
from iotrules.model.rules import Rule, RuleSet, Stream

By = tuple[str, ...]
Place = tuple[str, By]
"""What tracks are kept under, and by which labels."""


@dataclass(frozen=True, slots=True)
class Link:
    """To a group of a member: where it is kept, and which of the member's votes answer its questions."""

    name: str
    by: By
    votes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """One of the streams that are joined: what its fields are called, and for how many ns its values count."""

    stream: str
    prefix: str
    names: frozenset[str]
    fresh: int | None
    partial: bool
    """Do fields that a message lacks keep their values?"""


@dataclass(frozen=True, slots=True)
class Ties:
    """Of one way of keying. All are empty for most."""

    votes: tuple[Expression, ...] = ()
    """Of members: what they work out at each message, for all of their groups."""
    links: tuple[Link, ...] = ()
    apart: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of members: by buffer, the link to the group that its outliers are told by, and the question there."""
    questions: tuple[Question, ...] = ()
    """Of groups."""
    joined: tuple[Joined, ...] = ()


NO_TIES = Ties()


def kept_under(rule: Rule, stream: Stream) -> str:
    """The name that a rule's tracks are kept under."""
    if rule.joined:
        return "+".join(rule.joined)
    return _group_name(stream.name, members_by(rule, stream)) if rule.across else stream.name


def streams_under(name: str) -> tuple[str, ...]:
    """The streams whose messages reach tracks of that name."""
    return tuple(name.partition("@")[0].split("+"))


def members_under(name: str) -> By:
    """The labels that tell apart the members of the groups of that name."""
    return tuple(name.partition("@")[2].split(","))


def members_by(rule: Rule, stream: Stream) -> By:
    """The labels of what a rule's condition works out for each member, or for each key if it has no members."""
    if not rule.across:
        return rule.by
    return tuple(name for name in stream.captures if name in (*rule.by, rule.across))


def _group_name(stream: str, by: By) -> str:
    return f"{stream}@{','.join(by)}"


def weave(rules: RuleSet, conditions: Mapping[str, tuple[Expression, ...]]) -> dict[Place, Ties]:
    """The ties of every way of keying that has some. `conditions` are those of each rule."""
    asked: dict[Place, dict[tuple[Expression, int], set[str]]] = defaultdict(dict)
    voters: dict[Place, dict[Place, None]] = defaultdict(dict)
    outliers: list[tuple[Place, Place, Window]] = []
    found: dict[Place, Ties] = {}
    for rule in (rules.rules[name] for name in conditions):
        stream = rules.streams[rule.stream]
        if rule.joined:
            joined = tuple(_joined(rules.streams[name], index) for index, name in enumerate(rule.joined))
            found[kept_under(rule, stream), rule.by] = Ties(joined=joined)
            continue
        by = members_by(rule, stream)
        for window in (window for node in conditions[rule.name] for window in windows(node)):
            if not isinstance(window.kind, Members | Outlier):
                continue
            group = (_group_name(stream.name, by), window.kind.by if isinstance(window.kind, Outlier) else rule.by)
            asked[group].setdefault((window.argument, window.duration), set()).add(window.kind.value)
            voters[stream.name, by][group] = None
            if isinstance(window.kind, Outlier):
                outliers.append(((stream.name, by), group, window))
    questions = {
        group: tuple(Question(argument, fresh, frozenset(kinds)) for (argument, fresh), kinds in told.items())
        for group, told in asked.items()
    }
    found |= {group: Ties(questions=told) for group, told in questions.items()}
    for place, groups in voters.items():
        found[place] = _of_members(groups, questions, [one for one in outliers if one[0] == place])
    return found


def _joined(stream: Stream, index: int) -> Joined:
    prefix = f"{stream.name}." if index else ""
    return Joined(
        stream.name, prefix, frozenset(prefix + one.name for one in stream.fields), stream.freshness, stream.partial
    )


def _of_members(
    groups: Iterable[Place],
    questions: Mapping[Place, tuple[Question, ...]],
    outliers: Iterable[tuple[Place, Place, Window]],
) -> Ties:
    groups = list(groups)
    votes = list(dict.fromkeys(question.argument for group in groups for question in questions[group]))
    links = tuple(
        Link(*group, tuple(votes.index(question.argument) for question in questions[group])) for group in groups
    )
    apart = {
        buffer_of(window).name: (groups.index(group), _place(questions[group], window)) for _, group, window in outliers
    }
    return Ties(tuple(votes), links, apart)


def _place(questions: tuple[Question, ...], window: Window) -> int:
    return [(question.argument, question.fresh) for question in questions].index((window.argument, window.duration))


def places_of(conditions: Iterable[Expression], questions: tuple[Question, ...]) -> dict[Window, int]:
    """For every aggregate over members, the place of its question."""
    found = (window for node in conditions for window in over_members(node))
    return {window: _place(questions, window) for window in found}
