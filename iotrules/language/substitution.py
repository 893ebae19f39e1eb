"""Parameters in what a template says: in syntax trees, in values of YAML, and in text for people.

House rule: trees and values are exchanged, text is never put into a condition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeGuard

from iotrules.language.parameters import Argument, Arguments, ParameterType
from iotrules.language.syntax import (
    Binary,
    Call,
    Chain,
    Dotted,
    ExpressionError,
    In,
    Listed,
    Literal,
    Logic,
    Name,
    Syntax,
    Unary,
)
from iotrules.model.rules import Field, FieldType, Slot, Template
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import Node, Scalar, Sequence

CONDITIONS = frozenset({"when", "clear", "where", "first", "then", "without"})
"""Keys whose text is a condition."""

WORDS = frozenset({"description", "runbook", "labels"})
"""Keys whose text is for people, and the same for all that happens."""

_SLOT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


def substitute(node: Syntax, arguments: Arguments) -> Syntax:
    """The tree with constants and fields in the place of parameters. ExpressionError for one that can't stand there."""
    return _substitute(node, arguments) if arguments else node


def _substitute(node: Syntax, arguments: Arguments) -> Syntax:
    match node:
        case Name():
            return _value(node, arguments)
        case Literal() | Dotted():
            return node
        case Unary():
            return _unary(replace(node, operand=_substitute(node.operand, arguments)))
        case Logic():
            return _logic(replace(node, operands=_each(node.operands, arguments)))
        case Binary(left=left, right=right):
            return replace(node, left=_substitute(left, arguments), right=_substitute(right, arguments))
        case Chain(operands=operands):
            return replace(node, operands=_each(operands, arguments))
        case In(operand=operand, choices=choices):
            return replace(node, operand=_substitute(operand, arguments), choices=_each(choices, arguments))
        case Listed(items=items):
            return replace(node, items=_each(items, arguments))
        case Call(arguments=given, options=options):
            named = tuple((name, _substitute(value, arguments)) for name, value in options)
            return replace(node, arguments=_each(given, arguments), options=named)


def _each(nodes: tuple[Syntax, ...], arguments: Arguments) -> tuple[Syntax, ...]:
    return tuple(_substitute(node, arguments) for node in nodes)


def _value(node: Name, arguments: Arguments) -> Syntax:
    argument = arguments.get(node.name)
    if argument is None:
        return node
    if argument.syntax is None:
        what = "a multiple of the interval" if argument.type is ParameterType.DURATION else f"a {argument.type.value}"
        raise ExpressionError(node.start, f"{node.name} is {what} and can't stand in a condition")
    return replace(argument.syntax, start=node.start)


def _unary(node: Unary) -> Syntax:
    """A sign belongs to the constant behind it, as it does where no parameter is used."""
    inner = node.operand
    if node.operator == "-" and isinstance(inner, Literal) and inner.kind not in ("text", "flag"):
        text = inner.text[1:] if inner.text.startswith("-") else f"-{inner.text}"
        return Literal(inner.kind, -float(inner.value), inner.unit, text, node.start)
    if node.operator == "not" and _is_switch(inner):
        return replace(inner, value=not inner.value, start=node.start)
    return node


def _logic(node: Logic) -> Syntax:
    """`(not strict or fan == "running") and temp > 3`: a flag that was given switches its part on or off."""
    ends = node.operator == "or"
    switches = [operand for operand in node.operands if _is_switch(operand)]
    if any(operand.value is ends for operand in switches):
        return Literal("flag", ends, "", "", node.start)
    rest = tuple(operand for operand in node.operands if not _is_switch(operand))
    if not rest:
        return Literal("flag", not ends, "", "", node.start)
    return rest[0] if len(rest) == 1 else replace(node, operands=rest)


def _is_switch(node: Syntax) -> TypeGuard[Literal]:
    """A flag that came from a parameter: one that stands in the condition itself has a text."""
    return isinstance(node, Literal) and node.kind == "flag" and not node.text


def spliced(node: Node, arguments: Arguments) -> Node:
    """The values of a rule with arguments in the place of parameters: of a plain value that is a parameter's name."""
    match node:
        case Scalar():
            argument = arguments.get(node.text) if node.style == "plain" else None
            return node if argument is None else _put(argument, node)
        case Sequence(items=items):
            return replace(node, items=tuple(spliced(item, arguments) for item in items))
        case MappingNode(entries=entries):
            return replace(node, entries=tuple((key, _entry(key.text, value, arguments)) for key, value in entries))


def _put(argument: Argument, node: Scalar) -> Scalar:
    """The argument's value, at its own place; one that nobody wrote (line 0) takes the place of the parameter."""
    here = argument.node
    return here if here.line else replace(here, line=node.line, column=node.column)


def _entry(key: str, value: Node, arguments: Arguments) -> Node:
    if key in WORDS:
        return _said(value, arguments)
    told = key == "summary" or key in CONDITIONS
    return value if told and isinstance(value, Scalar) else spliced(value, arguments)


def _said(node: Node, arguments: Arguments) -> Node:
    match node:
        case Scalar(value=str()):
            text = _SLOT.sub(lambda found: _shown_in(found, arguments), node.text)
            return node if text == node.text else replace(node, value=text, text=text, raw="")
        case MappingNode(entries=entries):
            return replace(node, entries=tuple((key, _said(value, arguments)) for key, value in entries))
    return node


def _shown_in(found: re.Match[str], arguments: Arguments) -> str:
    argument = arguments.get(found[1])
    return found[0] if argument is None else shown(argument)


def shown(argument: Argument, form: str = "") -> str:
    """The argument for people: as it was written, or its number in a format with its unit."""
    syntax = argument.syntax
    if not form or not isinstance(syntax, Literal) or syntax.kind == "duration":
        return argument.node.text
    unit = "%" if syntax.kind == "share" else f" {syntax.unit}" if syntax.unit else ""
    return format(float(syntax.value), form) + unit


def slot_types(arguments: Arguments, fields: Mapping[str, Field]) -> dict[str, FieldType]:
    """What a summary may name beside fields: parameters. A field that is given stands for its value."""
    found: dict[str, FieldType] = {}
    for name, argument in arguments.items():
        if argument.type is not ParameterType.FIELD:
            found[name] = FieldType.NUMBER if argument.type is ParameterType.NUMBER else FieldType.TEXT
        elif argument.node.text in fields:
            found[name] = fields[argument.node.text].type
    return found


def filled(template: Template, arguments: Arguments) -> Template:
    """The summary with its parameters filled in: fields as slots, all else as text."""
    parts: list[str | Slot] = []
    for part in template.parts:
        argument = arguments.get(part.name) if isinstance(part, Slot) else None
        if argument is not None and isinstance(part, Slot):
            part = Slot(argument.node.text, part.format) if _is_field(argument) else shown(argument, part.format)
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return Template(tuple(parts))


def _is_field(argument: Argument) -> bool:
    return argument.type is ParameterType.FIELD
