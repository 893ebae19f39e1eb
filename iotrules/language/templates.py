"""Text for people with slots: `{name}` and `{name:.1f}`, and nothing else that Python's format knows."""

from __future__ import annotations

import re
from collections.abc import Callable

from iotrules.language.syntax import ExpressionError
from iotrules.model.rules import FieldType, Slot, Template
from iotrules.yamlfile import nearest, quoted

_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}:]*)(?::(?P<format>[^{}]*))?\}|[{}]")
_FORMAT = re.compile(r"\+?[0-9]{0,2},?(\.[0-9]{1,2})?[feg%]")


def template(
    text: str, names: dict[str, FieldType], fault: Callable[[str], tuple[str, str] | None] = lambda _: None
) -> Template:
    """The parts of a template over `names`. ExpressionError at the slot that is wrong; `{{` is a brace.

    `fault` may know more of a name that is not there: the message and its hint.
    """
    parts: list[str | Slot] = []
    literal, at = "", 0
    for found in _TOKEN.finditer(text):
        literal += text[at : found.start()]
        at = found.end()
        if found[0] in ("{{", "}}"):
            literal += found[0][0]
            continue
        if literal:
            parts.append(literal)
        literal = ""
        parts.append(_slot(found, names, fault))
    literal += text[at:]
    return Template((*parts, literal) if literal else tuple(parts))


def _slot(found: re.Match[str], names: dict[str, FieldType], fault: Callable[[str], tuple[str, str] | None]) -> Slot:
    name, form, at = found["name"], found["format"] or "", found.start()
    if name is None:
        hint = "write {{ or }} for a brace that is meant as one"
        raise ExpressionError(at, "a brace without its other half", hint)
    if name not in names and (told := fault(name)):
        raise ExpressionError(at, *told)
    if name not in names:
        hint = f"this text knows {', '.join(sorted(names))}"
        raise ExpressionError(at, f"unknown name {quoted(name)} in the text{nearest(name, names)}", hint)
    if form and names[name] is not FieldType.NUMBER:
        raise ExpressionError(at, f"{{{name}}} is no number and takes no format", f"write {{{name}}}")
    if form and not _FORMAT.fullmatch(form):
        raise ExpressionError(at, f"unknown format {quoted(form)}", "write .1f for one decimal, .3g for three digits")
    return Slot(name, form)
