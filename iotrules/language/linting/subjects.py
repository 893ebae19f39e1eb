"""What is linted: the checked rules and streams, each with the nodes it was read from, so that findings have places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from iotrules.language.linting.findings import Finding
from iotrules.model.expression import Expression
from iotrules.model.rules import Clear, Condition, Hold, Ladder, Rule, RuleSet, Stream, joined_stream
from iotrules.model.sequences import Sequence
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import Node, Place, Scalar, Source, entry, node_at, parse, place_in

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """`key: node` of a rule file; `template` is the place of the template that the rule uses, if it does."""

    source: Source
    key: Scalar
    node: Node
    template: tuple[str, int] | None = None

    def finding(self, code: str, message: str, hint: str, *path: str | int, part: str = "") -> Finding:
        """At the value of `path`, and there at `part` of its text; at the entry's name if there is no such value."""
        if self.template and path and node_at(self.node, path) is None:
            message += f" (as its template says, {self.template[0]}:{self.template[1]})"
        problem = self.source.problem(self._place(path, part), message, hint)
        return Finding(code, problem, self.key.line, self.template)

    def _place(self, path: Path, part: str) -> Place:
        node = node_at(self.node, path) if path else None
        if node is None:
            return self.key.place
        if isinstance(node, Scalar):
            return place_in(node, max(0, node.text.find(part)))
        found = entry(node_at(self.node, path[:-1]), str(path[-1]))
        return found[0].place if found else node.place

    @property
    def place(self) -> str:
        return f"{self.source.file}:{self.key.line}"


@dataclass(frozen=True, slots=True)
class RuleSubject:
    """`streams` are all that are declared, for rules over several."""

    rule: Rule
    stream: Stream
    written: Written
    streams: Mapping[str, Stream]


@dataclass(frozen=True, slots=True)
class StreamSubject:
    stream: Stream
    written: Written


@dataclass(frozen=True, slots=True)
class Subjects:
    rules: tuple[RuleSubject, ...]
    streams: tuple[StreamSubject, ...]
    roots: tuple[tuple[Source, Node], ...]


def subjects(files: Mapping[str, str], checked: RuleSet) -> Subjects:
    """Rules and streams in reading order; `files` are those that `checked` was loaded from."""
    roots = tuple((Source.of(text, name), parse(text, name)) for name, text in files.items())
    rules = (
        RuleSubject(rule, _watched(rule, checked), written, checked.streams)
        for written in _with_templates(tuple(_entries(roots, "rules")))
        if (rule := checked.rules.get(written.key.text))
    )
    streams = (
        StreamSubject(stream, written)
        for written in _entries(roots, "streams")
        if (stream := checked.streams.get(written.key.text))
    )
    return Subjects(tuple(rules), tuple(streams), roots)


def _watched(rule: Rule, checked: RuleSet) -> Stream:
    return joined_stream([checked.streams[name] for name in rule.joined or (rule.stream,)])


def _entries(roots: tuple[tuple[Source, Node], ...], section: str) -> Iterator[Written]:
    for source, root in roots:
        node = node_at(root, [section])
        if isinstance(node, MappingNode):
            yield from (Written(source, key, value) for key, value in node.entries)


def _with_templates(rules: tuple[Written, ...]) -> Iterator[Written]:
    places = {written.key.text: (written.source.file, written.key.line) for written in rules}
    for written in rules:
        used = node_at(written.node, ["use"])
        yield replace(written, template=places.get(used.text)) if isinstance(used, Scalar) else written


@dataclass(frozen=True, slots=True)
class Ending:
    """A `clear`, with the places of its condition and its hold in the rule."""

    when: Expression | None
    hold: Hold
    when_path: Path
    hold_path: Path


@dataclass(frozen=True, slots=True)
class Awaited:
    """The condition of a step of a sequence, or of its `clear`, with its stream and its place in the rule."""

    when: Expression
    stream: Stream
    path: Path


def awaited(subject: RuleSubject) -> Iterator[Awaited]:
    """Every condition of a rule with `sequence`; none of another rule."""
    body = subject.rule.body
    if not isinstance(body, Sequence):
        return
    told = [*((one.pattern, one.index) for one in body.steps), *((one.pattern, one.index) for one in body.without)]
    for pattern, index in sorted(told, key=lambda one: one[1]):
        if pattern.when is not None:
            yield Awaited(pattern.when, subject.streams[pattern.stream], _step_path(subject, index))
    if body.clear is not None and body.clear.when is not None:
        yield Awaited(body.clear.when, subject.streams[body.clear.stream], ("clear",))


def _step_path(subject: RuleSubject, index: int) -> Path:
    """A step may be a text, or a mapping with the condition in `where`."""
    for kind in ("first", "then", "without"):
        path: Path = ("sequence", index, kind)
        if node_at(subject.written.node, path) is not None:
            return path if node_at(subject.written.node, (*path, "where")) is None else (*path, "where")
    return ("sequence", index)


@dataclass(frozen=True, slots=True)
class Raising:
    """What raises the alert, or one of its levels, and what ends that."""

    when: Expression
    hold: Hold
    when_path: Path
    hold_path: Path
    endings: tuple[Ending, ...]


def raisings(subject: RuleSubject) -> Iterator[Raising]:
    """One for a plain condition, one for each level, the lowest first; none for one about silence or a sequence.

    What ends all levels is told of the lowest.
    """
    body = subject.rule.body
    if isinstance(body, Condition):
        yield _raising(subject, body)
    elif isinstance(body, Ladder):
        for rung in body.rungs:
            last = body.clear if rung is body.rungs[0] else None
            more = () if last is None else (_ending(subject, last),)
            yield _raising(subject, rung.condition, "levels", rung.severity.word, more=more)


def _raising(subject: RuleSubject, condition: Condition, *at: str, more: tuple[Ending, ...] = ()) -> Raising:
    endings = (_ending(subject, condition.clear, *at), *more)
    return Raising(condition.when, condition.hold, (*at, "when"), (*at, "for"), endings)


def _ending(subject: RuleSubject, clear: Clear, *at: str) -> Ending:
    """`clear` may be a condition, or a mapping with `when` and `for`."""
    path: Path = (*at, "clear")
    nested = node_at(subject.written.node, [*path, "when"])
    return Ending(clear.when, clear.hold, path if nested is None else (*path, "when"), (*path, "for"))
