"""What YAML mangles silently or refuses in words that help nobody: told apart, with the way to write it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from iotrules.yamlfile.nodes import Mapping, Node, Scalar
from iotrules.yamlfile.source import quoted

QUOTE = "put the whole value in quotes"

_ENDS_OPEN = re.compile(r"""(?:[-+*/<>=(,]|\b(?:and|or|not|in))$|(?:^|[\s(=,\[])'[^']*$""")
_VALUE = re.compile(r"^\s*(?:-\s+)*(?:[^\s:#'\"]+:\s+)?(?P<value>\S.*)$")


def cut_by_comment(scalar: Scalar, rest_of_line: str) -> str:
    """A message if ` #` cut a plain scalar that is visibly unfinished, else nothing."""
    if scalar.style != "plain" or not re.match(r"\s+#", rest_of_line):
        return ""
    text = scalar.text
    unbalanced = text.count('"') % 2 == 1 or text.count("(") > text.count(")")
    if not unbalanced and not _ENDS_OPEN.search(text):
        return ""
    return f"{quoted(text)} is cut here: ` #` begins a comment in YAML"


def split_by_comma(parts: Sequence[tuple[Scalar, Scalar | None]]) -> tuple[Scalar, str] | None:
    """The scalar and the message where a comma inside braces or brackets cut `f(x, y)` in two.

    `parts` are neighbours in one flow collection: what comes last in one entry, what comes first in the next.
    """
    for index, (part, following) in enumerate(parts):
        opened = part.style == "plain" and part.text.count("(") > part.text.count(")")
        if opened and following is not None and any(_closes(behind) for _, behind in parts[index:]):
            return part, f"{quoted(part.text)} is cut here: inside {{}} and [] a comma ends the value"
    return None


def _closes(scalar: Scalar | None) -> bool:
    return scalar is not None and scalar.style == "plain" and ")" in scalar.text


def neighbours(entries: Sequence[tuple[Scalar, Node]]) -> list[tuple[Scalar, Scalar | None]]:
    """Of a flow mapping: each value (or key without a value) with the key behind it."""
    pairs: list[tuple[Scalar, Scalar | None]] = []
    for (key, value), (following, _) in pairwise(entries):
        if isinstance(value, Scalar):
            pairs.append((key if value.value is None else value, following))
    return pairs


def syntax_hint(line: str, column: int) -> str:
    """What probably is meant where YAML itself gave up, from the text of the line; column counts from 1."""
    character = line[column - 1 : column]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces: YAML allows no tabs there"
    if character in {"%", "@", "`"}:
        return f"a value can't begin with {character} in YAML: {QUOTE}"
    found = _VALUE.match(line)
    value = found["value"] if found else ""
    if re.match(r"\{[^}]*\}\s*\S", value):
        return f"a value that begins with {{ is a mapping in YAML: {QUOTE}"
    if re.match(r">[^-+]", value):
        return f"a value that begins with > is folded text in YAML: {QUOTE}"
    if value[:1] in {"*", "&", "!"}:
        return f"a value that begins with {value[0]} is something else in YAML: {QUOTE}"
    if re.search(r":\s", value):
        return f"if the value contains `: `, {QUOTE}"
    return ""


def mistaken_flow(node: Node) -> str:
    """The hint for `summary: {device}`, which is a mapping, where text was meant."""
    if isinstance(node, Mapping) and node.flow:
        return f"a value that begins with {{ is a mapping in YAML: {QUOTE}"
    return ""
