"""Comments that allow a finding: `# lint: allow L003 because one message is enough here`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from iotrules.language.linting.findings import KINDS, Finding
from iotrules.yamlfile import Mapping, Node, Place, Scalar, Source
from iotrules.yamlfile import Sequence as SequenceNode

_COMMENT = re.compile(r"(?:^|(?<=\s))#\s*lint:\s*(?P<rest>.*)$")
_ALLOW = re.compile(r"allow\s+(?P<codes>L[0-9]{3}(?:\s*,\s*L[0-9]{3})*)(?P<because>\s+because\s+\S.*)?\s*")
_SPELLING = "write # lint: allow L003 because …"


@dataclass(frozen=True, slots=True)
class Allowance:
    """`lines` are those that it speaks of: its own, and the next if it has its line for itself."""

    source: Source
    place: Place
    codes: tuple[str, ...]
    lines: frozenset[int]

    def covers(self, finding: Finding) -> bool:
        """By the line of the rule's name, or of its template's, or of the finding itself."""
        file, lines = self.source.file, set[int]()
        if finding.problem.file == file:
            lines |= {finding.anchor, finding.problem.line}
        if finding.template is not None and finding.template[0] == file:
            lines.add(finding.template[1])
        return finding.code in self.codes and not self.lines.isdisjoint(lines)


def read_allowances(source: Source, root: Node) -> tuple[list[Allowance], list[Finding]]:
    """What a file allows, and findings (L010) where a comment can't be understood or gives no reason."""
    allowed: list[Allowance] = []
    wrong: list[Finding] = []
    texts = list(_texts(root))
    for line, text in enumerate(source.lines, 1):
        found = _COMMENT.search(text)
        if found and not any(_inside(scalar, (line, found.start() + 1)) for scalar in texts):
            _read(source, line, found, allowed, wrong)
    return allowed, wrong


def _read(source: Source, line: int, found: re.Match[str], allowed: list[Allowance], wrong: list[Finding]) -> None:
    place = line, found.start() + 1
    allow = _ALLOW.fullmatch(found["rest"])
    codes = tuple(re.split(r"\s*,\s*", allow["codes"])) if allow else ()
    unknown = [code for code in codes if code not in KINDS]
    if allow is None or unknown:
        what = f"there is no finding {unknown[0]}" if unknown else "this comment is not understood"
        wrong.append(Finding("L010", source.problem(place, what, _SPELLING), line))
    elif allow["because"] is None:
        message = f"{allow['codes']} is allowed without a reason, and told nonetheless"
        wrong.append(Finding("L010", source.problem(place, message, f"say why: {_SPELLING}"), line))
    else:
        alone = not source.lines[line - 1][: found.start()].strip()
        allowed.append(Allowance(source, place, codes, frozenset({line, line + 1} if alone else {line})))


def unused(allowances: Iterable[Allowance], findings: Sequence[Finding]) -> Iterator[Finding]:
    """L010 for every code that is allowed where it is not found."""
    for allowance in allowances:
        found = {finding.code for finding in findings if allowance.covers(finding)}
        for code in allowance.codes:
            if code not in found:
                problem = allowance.source.problem(
                    allowance.place, f"{code} is allowed, but not found here", "remove it"
                )
                yield Finding("L010", problem, allowance.place[0])


def _texts(node: Node) -> Iterator[Scalar]:
    """The scalars that hold what looks like such a comment."""
    match node:
        case Scalar():
            if "lint:" in node.raw:
                yield node
        case SequenceNode(items=items):
            for item in items:
                yield from _texts(item)
        case Mapping(entries=entries):
            for key, value in entries:
                yield from _texts(key)
                yield from _texts(value)


def _inside(scalar: Scalar, place: Place) -> bool:
    lines = scalar.raw.split("\n")
    last = scalar.line + len(lines) - 1
    end = len(lines[-1]) + (scalar.column if len(lines) == 1 else 1)
    return scalar.place <= place < (last, end)
