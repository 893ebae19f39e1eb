"""Rules with `use:`: a template, what they give it in `with:`, and what they say otherwise, put together to a rule.

House rule: a template's nodes keep their places, moved to lines behind the end of the rule's own file. So a problem
shows by its line where it is from, and is told at the rule, with the place in the template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from iotrules.language.blanks import without_blanks
from iotrules.language.parameters import Argument, Parameter, ParameterType, read_argument, wrong_type
from iotrules.language.parts import Part
from iotrules.language.rule_templates import (
    RuleTemplate,
    Templates,
    clashes,
    entries_of,
    is_template,
    read_templates,
    without,
)
from iotrules.language.rules import build_rule
from iotrules.language.substitution import spliced
from iotrules.language.surroundings import Surroundings
from iotrules.language.words import NAME
from iotrules.model.errors import Problem
from iotrules.model.rules import Rule
from iotrules.yamlfile import Mapping as MappingNode
from iotrules.yamlfile import Node, Place, Scalar, Sequence, Source, describe, entry, nearest, node_at, quoted

__all__ = ["build_named", "read_templates"]


@dataclass(frozen=True, slots=True)
class _Use:
    """A rule that uses a template. `given` is what stands in its `with`."""

    part: Part
    template: RuleTemplate
    parameters: dict[str, Parameter]
    given: dict[str, Node]

    @property
    def behind(self) -> int:
        """How many lines the rule's own file has: the template's lines follow."""
        return len(self.part.source.lines)

    @property
    def name(self) -> str:
        return self.template.part.name


def build_named(part: Part, templates: Templates, around: Surroundings) -> Rule | None:
    """The rule; None for a template, which is none, and for one with problems, which are noted."""
    if is_template(part):
        return None
    if part.gives("use"):
        use = _use(part, templates)
        return _build(use, around) if use else None
    if node_at(part.node, ["with"]) is not None:
        part.wrong_key("with belongs to a rule with use", "with", hint="say which template: use: NAME")
    return build_rule(replace(part, node=without(part.node, "params", "use", "with")), around)


def _use(part: Part, templates: Templates) -> _Use | None:
    template, given = _template(part, templates), node_at(part.node, ["with"])
    if template is None or template.parameters is None:
        return None
    if given is None:
        return _Use(part, template, template.parameters, {})
    if not isinstance(given, MappingNode):
        hint = f"the parameters: {_listed(template.parameters)}"
        part.wrong(f'"with" must be a mapping of parameters, not {describe(given)}', "with", hint=hint)
        return None
    return _Use(part, template, template.parameters, {key.text: value for key, value in given.entries})


def _template(part: Part, templates: Templates) -> RuleTemplate | None:
    node = node_at(part.node, ["use"])
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        part.wrong(f'"use" must be the name of a template, not {describe(node) if node else "nothing"}', "use")
        return None
    name = node.text
    if name not in templates.found:
        hint = f"templates (rules with params): {', '.join(sorted(templates.found)) or 'there is none'}"
        part.wrong(_no_template(part, name, templates), "use", hint=hint)
    return templates.found.get(name)


def _no_template(part: Part, name: str, templates: Templates) -> str:
    other = templates.rules.get(name)
    if name == part.name:
        return "a rule can't use itself"
    if other is None:
        return f"unknown template {quoted(name)}{nearest(name, templates.found)}"
    what = f"uses {_used(other)} itself" if other.gives("use") else "is no template: it has no params"
    return f"the rule {quoted(name)} ({other.source.file}:{other.key.line}) {what}"


def _used(part: Part) -> str:
    node = node_at(part.node, ["use"])
    return quoted(node.text) if isinstance(node, Scalar) else "another one"


def _build(use: _Use, around: Surroundings) -> Rule | None:
    arguments = _arguments(use)
    if arguments is None:
        return None
    merged = _merged(use)
    if not _names_fit(use, merged, arguments, around):
        return None
    _refuse_quantities_sent(use, merged, arguments)
    met: list[Problem] = []
    source = Source(use.part.source.file, use.part.source.lines + use.template.part.source.lines)
    whole = Part(source, use.part.key, spliced(merged, arguments), met, arguments)
    rule = build_rule(whole, around)
    use.part.problems.extend(_told(use, met))
    return rule


def _merged(use: _Use) -> MappingNode:
    """What the template says, but for the keys that the rule says itself, or takes away by saying nothing."""
    own = entries_of(without(use.part.node, "use", "with"))
    said = {key.text for key, _ in own}
    theirs = entries_of(moved(use.template.part.node, use.behind))
    taken = tuple((key, value) for key, value in theirs if key.text not in said)
    return without_blanks(MappingNode((*taken, *own), *use.part.node.place))


def moved(node: Node, lines: int) -> Node:
    """The node with all of its places some lines further down."""
    match node:
        case Scalar():
            return replace(node, line=node.line + lines)
        case Sequence(items=items):
            return replace(node, items=tuple(moved(item, lines) for item in items), line=node.line + lines)
        case MappingNode(entries=entries):
            pairs = tuple((replace(key, line=key.line + lines), moved(value, lines)) for key, value in entries)
            return replace(node, entries=pairs, line=node.line + lines)


def _arguments(use: _Use) -> dict[str, Argument] | None:
    """A value for each parameter; None, with the problems noted, if one is missing, unknown or wrong."""
    before = len(use.part.problems)
    for name in use.given:
        if name not in use.parameters:
            message = f"the template {quoted(use.name)} has no parameter {quoted(name)}"
            hint = f"it has {_listed(use.parameters)}"
            use.part.wrong_key(message + nearest(name, use.parameters), "with", name, hint=hint)
    found = {name: _argument(use, parameter) for name, parameter in use.parameters.items()}
    missing = [name for name, argument in found.items() if argument is None and not use.part.gives("with", name)]
    if missing:
        hint = f"it has {_listed(use.parameters)}"
        needed = ", ".join(map(quoted, missing))
        use.part.wrong(f"the template {quoted(use.name)} needs {needed} in with", "use", hint=hint)
    arguments = {name: argument for name, argument in found.items() if argument is not None}
    return arguments if len(use.part.problems) == before else None


def _argument(use: _Use, parameter: Parameter) -> Argument | None:
    """What is given, else the default, else None."""
    name, node = parameter.name, use.given.get(parameter.name)
    if node is None or not use.part.gives("with", name):
        default = parameter.default
        return None if default is None else replace(default, node=_down(default.node, use.behind))
    argument = read_argument(parameter.type, node)
    if argument is None:
        message, hint = wrong_type(name, parameter.type, node)
        use.part.wrong(message, "with", name, hint=hint)
    return argument


def _down(node: Scalar, lines: int) -> Scalar:
    return replace(node, line=node.line + lines)


def _listed(parameters: Mapping[str, Parameter]) -> str:
    """`field (field), hold (duration, default 1m)`."""
    words = [
        f"{one.name} ({one.type.value}{f', default {one.default.node.text}' if one.default else ''})"
        for one in parameters.values()
    ]
    return ", ".join(words) or "no parameters"


def _names_fit(use: _Use, merged: MappingNode, arguments: Mapping[str, Argument], around: Surroundings) -> bool:
    """Are fields that are given those of the stream, and is no parameter called like one?"""
    before = len(use.part.problems)
    name = _stream_name(merged, arguments)
    stream = around.streams.get(name)
    for message in clashes(name, use.parameters, around).values() if use.template.sound else ():
        use.part.wrong(f"{message} of the template {quoted(use.name)}", "use", hint="use it for another stream")
    fields = {field.name for field in stream.fields} if stream else set()
    for given, argument in arguments.items():
        wanted = argument.type is ParameterType.FIELD and use.part.gives("with", given)
        if stream is not None and wanted and argument.node.text not in fields:
            message = f"stream {name} has no field {quoted(argument.node.text)}{nearest(argument.node.text, fields)}"
            hint = f"stream {name} has {', '.join(sorted(fields)) or 'no fields'}"
            use.part.wrong(message, "with", given, hint=hint)
    return len(use.part.problems) == before


def _stream_name(merged: MappingNode, arguments: Mapping[str, Argument]) -> str:
    found = entry(merged, "absent") or entry(merged, "from")
    if found is None or not isinstance(found[1], Scalar):
        return ""
    argument = arguments.get(found[1].text)
    return found[1].text if argument is None else argument.node.text


def _refuse_quantities_sent(use: _Use, merged: MappingNode, arguments: Mapping[str, Argument]) -> None:
    """A unit has a meaning where there is something to compare with: a device would be sent a text."""
    steps = node_at(merged, ["do"])
    for step in steps.items if isinstance(steps, Sequence) else ():
        for _, value in entries_of(node_at(step, ["args"])):
            name = value.text if isinstance(value, Scalar) and value.style == "plain" else ""
            if name in arguments and arguments[name].quantity:
                message = f"{quoted(name)} is sent to a device, and {arguments[name].node.text} is no plain number"
                path = ("with", name) if name in use.given else ("use",)
                use.part.wrong(message, *path, hint="give a number without a unit")


def _told(use: _Use, met: list[Problem]) -> Iterator[Problem]:
    """The problems of the whole rule, each at a place of the rule's own; those the template has by itself were told."""
    for problem in met:
        if problem.line <= use.behind:
            yield problem
        elif use.template.sound:
            place = f"{use.template.part.source.file}:{problem.line - use.behind}:{problem.column}"
            message = f"{problem.message} (the template {quoted(use.name)}, {place})"
            yield use.part.source.problem(_place(use, problem), message, problem.hint)


def _place(use: _Use, problem: Problem) -> Place:
    """Where the problem is a parameter, at what was given for it; else at the template's name."""
    lines = use.template.part.source.lines
    found = NAME.match(lines[problem.line - use.behind - 1], problem.column - 1)
    given = use.given.get(found[0]) if found else None
    named = given or node_at(use.part.node, ["use"])
    return named.place if named else use.part.key.place
