"""Parameters of rule templates: how they are declared, and what a rule may give for one.

House rule: what is given becomes a constant or a name of the syntax tree, never text that is read as a condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from iotrules.language.documents import ParameterDocument
from iotrules.language.durations import INTERVALS
from iotrules.language.parser import parse_syntax
from iotrules.language.syntax import ExpressionError, Literal, Name
from iotrules.language.words import BUILT_IN_SLOTS, KEYWORDS, NAME, NAMESPACES
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import Node, Scalar, check_node, describe, node_at, quoted

if TYPE_CHECKING:
    from iotrules.language.parts import Part

MAX_TEXT = 1000
MAX_PARAMETERS = 32

RESERVED = KEYWORDS | NAMESPACES | BUILT_IN_SLOTS | {"interval"}
"""What can't name a parameter. A function's name can: a function is told by its parenthesis."""

_SEVERITIES = frozenset({"info", "minor", "major", "critical"})


class ParameterType(Enum):
    """`value` is the word in a rule file."""

    FIELD = "field"
    NUMBER = "number"
    DURATION = "duration"
    TEXT = "text"
    FLAG = "flag"
    SEVERITY = "severity"
    STREAM = "stream"
    FUNCTION = "function"


WANTED: dict[ParameterType, tuple[str, str]] = {
    ParameterType.FIELD: ("the name of a field", "write it as it stands in fields: of the stream"),
    ParameterType.NUMBER: ("a number", "write 85, or with a unit: 185 degF"),
    ParameterType.DURATION: ("a duration", "write 90s, 2m30s or 3 * interval"),
    ParameterType.TEXT: ("a text", "write it in quotes"),
    ParameterType.FLAG: ("true or false", "write true or false without quotes"),
    ParameterType.SEVERITY: ("a severity", "write info, minor, major or critical"),
    ParameterType.STREAM: ("the name of a stream", "write it as it stands in streams:"),
    ParameterType.FUNCTION: ("the name of a function", "write it as the functions' template has it"),
}
"""What is expected, in words, and how to write it."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A value for a parameter. `syntax` is what stands for it in a condition; None if it can't stand in one."""

    type: ParameterType
    node: Scalar
    syntax: Literal | Name | None

    @property
    def quantity(self) -> bool:
        """A number that was given with a unit."""
        return self.type is ParameterType.NUMBER and isinstance(self.node.value, str)


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: ParameterType
    default: Argument | None


Arguments = Mapping[str, Argument]
"""By the parameter's name."""


def read_argument(type_: ParameterType, node: Node) -> Argument | None:
    """The value, or None if that is no value of the type."""
    if not isinstance(node, Scalar):
        return None
    match type_:
        case ParameterType.NUMBER:
            found = _number(node)
        case ParameterType.FLAG:
            found = Literal("flag", node.value, "", "", 0) if isinstance(node.value, bool) else None
        case _:
            return _worded(type_, node) if isinstance(node.value, str) else None
    return None if found is None else Argument(type_, node, found)


def _worded(type_: ParameterType, node: Scalar) -> Argument | None:
    """Of the types whose values are text to YAML."""
    text = node.text
    match type_:
        case ParameterType.DURATION:
            found = _constant(text)
            if found is not None and found.kind == "duration" and float(found.value) >= 0:
                return Argument(type_, node, found)
            return Argument(type_, node, None) if INTERVALS.fullmatch(text) else None
        case ParameterType.TEXT:
            fits = len(text) <= MAX_TEXT and text.isprintable()
            return (
                Argument(type_, node, Literal("text", text, "", quoted(text.replace("\\", "\\\\")), 0))
                if fits
                else None
            )
        case ParameterType.FIELD:
            return Argument(type_, node, Name(text, 0)) if NAME.fullmatch(text) else None
        case ParameterType.SEVERITY if text not in _SEVERITIES:
            return None
    return Argument(type_, node, None)


def _number(node: Scalar) -> Literal | None:
    """A plain number, or a text with a number and its unit."""
    found = _constant(node.text)
    if isinstance(node.value, str):
        return found if found is not None and found.kind in ("quantity", "share", "duration") else None
    if isinstance(node.value, bool) or node.value is None:
        return None
    text = node.text if found is not None else repr(float(node.value))  # YAML has numbers that conditions don't: +5
    return Literal("number", float(node.value), "", text, 0)


def _constant(text: str) -> Literal | None:
    try:
        found = parse_syntax(text)
    except ExpressionError:
        return None
    return found if isinstance(found, Literal) else None


def wrong_type(name: str, type_: ParameterType, node: Node) -> tuple[str, str]:
    """The message and the hint for a value that does not fit its parameter."""
    what, hint = WANTED[type_]
    if isinstance(node, Scalar) and isinstance(node.value, str) and len(node.text) > MAX_TEXT:
        return f"{quoted(name)} is longer than {MAX_TEXT} characters", ""
    return f"{quoted(name)} must be {what}, not {describe(node)}", hint


def read_parameters(part: Part) -> dict[str, Parameter] | None:
    """The parameters of a template; None if something is wrong with them, which is noted."""
    node, before = node_at(part.node, ["params"]), len(part.problems)
    if not isinstance(node, MappingNode):
        part.wrong("params is a mapping of names", "params", hint="write params: {max: {type: number}}")
        return None
    if len(node.entries) > MAX_PARAMETERS:
        part.wrong(f"a template has at most {MAX_PARAMETERS} parameters", "params")
        return None
    found = {key.text: _parameter(part, key, value) for key, value in node.entries}
    return {name: one for name, one in found.items() if one} if len(part.problems) == before else None


def _parameter(part: Part, key: Scalar, node: Node) -> Parameter | None:
    name = key.text
    if not NAME.fullmatch(name):
        message = f"{quoted(name)}: a parameter's name is letters, digits and _, and begins with a letter or _"
        part.wrong_key(message, "params", name)
    elif name in RESERVED:
        message = f"{name} is a word of the rule language and can't name a parameter"
        part.wrong_key(message, "params", name, hint="give it another name, such as limit or hold")
    if not isinstance(node, MappingNode):
        hint = f"write {{type: number}}; types: {', '.join(type_.value for type_ in ParameterType)}"
        part.wrong_key(f"the parameter {quoted(name)} says its type", "params", name, hint=hint)
        return None
    document, problems = check_node(node, ParameterDocument, part.source, at=key)
    part.problems.extend(problems)
    if document is None or problems:
        return None
    return _with_default(part, name, ParameterType(document.type))


def _with_default(part: Part, name: str, type_: ParameterType) -> Parameter | None:
    if not part.gives("params", name, "default"):
        return Parameter(name, type_, None)
    given = node_at(part.node, ["params", name, "default"])
    default = None if given is None else read_argument(type_, given)
    if given is not None and default is None:
        message, hint = wrong_type("default", type_, given)
        part.wrong(message, "params", name, "default", hint=hint)
    return Parameter(name, type_, default)
