"""Names with a dot: attributes of the registry (`attr.max_temp`), and what functions persisted (`state.trips`)."""

from __future__ import annotations

from collections.abc import Sequence

from iotrules.language.quantities import Measure
from iotrules.language.syntax import Dotted
from iotrules.language.typed import Checker, Scope, Steps, Typed
from iotrules.language.words import NAMESPACES
from iotrules.model.expression import AttributeRef, Flag, StateRef
from iotrules.model.rules import FieldType
from iotrules.yamlfile import nearest, quoted

GIVE_ONE = "say --registry FILE, or put registry.csv or registry.yaml into the directory of the rules"


def check_attribute(checker: Checker, syntax: Dotted) -> Typed:
    """An attribute, typed and in its unit; what is wrong with it is noted."""
    fault = attribute_fault(checker.scope, syntax.name)
    if fault is not None:
        return checker.wrong(syntax.start, *fault)
    if checker.scope.registry is None:
        return Typed(Flag(False), None, Measure(), syntax.start, reads=True)
    found = checker.scope.registry.attributes[syntax.name]
    return Typed(AttributeRef(found.name), found.type, Measure(unit=found.unit), syntax.start, reads=True)


def attribute_fault(scope: Scope, name: str) -> tuple[str, str] | None:
    """Why a rule can't read the attribute, and the remedy. None as well where the registry itself is what is wrong."""
    if not scope.registry_given:
        return f"attr.{name}: there is no registry", GIVE_ONE
    if scope.registry is None:
        return None
    known, labels = scope.registry.attributes, scope.registry.labels
    if name not in known:
        hint = f"{scope.registry.file} has {', '.join(known) or 'no attributes'}"
        return f"unknown attribute {quoted(name)}{nearest(name, known)}", hint
    lacking = [label for label in labels if label not in scope.labels]
    if lacking:
        what = f"the topic of {scope.stream}" if scope.steps is not None else "the rule's by"
        message = f"attr.{name}: the registry has a row for each {', '.join(labels)}, and {what} has no "
        return message + ", ".join(lacking), _by_hint(scope, lacking)
    return None


def _by_hint(scope: Scope, lacking: Sequence[str]) -> str:
    if set(lacking) <= set(scope.other_labels):
        return f"add {', '.join(lacking)} to by"
    return f"the topic of {scope.stream} does not have it: give its devices rows of the same labels"


def check_state(checker: Checker, syntax: Dotted, wanted: FieldType | None) -> Typed:
    """Something persisted, of the type that its neighbours ask for."""
    if wanted is None:
        message = f"state.{syntax.name}: nothing here says whether it is a number, text or true or false"
        return checker.wrong(syntax.start, message, f"compare it with a constant, as in state.{syntax.name} >= 3")
    return Typed(StateRef(syntax.name, wanted.value), wanted, Measure(), syntax.start, reads=True)


def state_type(others: Sequence[Typed], by_equality: bool) -> FieldType | None:
    """What `state` names are in a comparison with these: sizes are numbers; equal is what the first one is."""
    if not by_equality:
        return FieldType.NUMBER
    return next((other.type for other in others if other.type is not None), None)


def refuse_dotted(checker: Checker, syntax: Dotted) -> Typed:
    """A name that stands behind a word which is not `attr` or `state`."""
    shown = f"{syntax.namespace[:60]}.{syntax.name[:60]}"
    if syntax.namespace in NAMESPACES:
        return checker.wrong(syntax.start, f"{shown}: the device's shadow is not supported by this version")
    scope = checker.scope
    if scope.steps is not None:
        return _refuse_step(checker, syntax, scope.steps)
    if scope.joined and syntax.namespace == scope.stream:
        return checker.wrong(syntax.start, f"{shown}: fields of the first stream stand alone", f"write {syntax.name}")
    if syntax.namespace in scope.joined:
        prefix = f"{syntax.namespace}."
        known = [name.removeprefix(prefix) for name in scope.fields if name.startswith(prefix)]
        hint = f"stream {syntax.namespace} has {', '.join(sorted(known)) or 'no fields'}"
        return checker.wrong(syntax.start, f"unknown field {quoted(shown)}{nearest(syntax.name, known)}", hint)
    message = f"{shown}: names with a dot are attr.NAME, state.NAME, and STREAM.FIELD of other streams in from"
    hint = "for a value inside nested JSON, declare a field with path: a.b in the stream"
    return checker.wrong(syntax.start, message + nearest(syntax.namespace, ("attr", "state", *scope.joined)), hint)


def _refuse_step(checker: Checker, syntax: Dotted, steps: Steps) -> Typed:
    """In a step of a sequence, a dotted name is something of an earlier step that has a name."""
    name, shown = syntax.namespace, f"{syntax.namespace[:60]}.{syntax.name[:60]}"
    if steps.nothing_because and name in (*steps.come, *steps.later):
        return checker.wrong(syntax.start, f"{shown}: {steps.nothing_because}")
    if name in steps.come:
        names = (*checker.scope.fields, *checker.scope.labels)
        known = [one.removeprefix(f"{name}.") for one in names if one.startswith(f"{name}.")]
        hint = f"the step {name} has {', '.join(sorted(known)) or 'no fields'}"
        return checker.wrong(syntax.start, f"unknown field {quoted(shown)}{nearest(syntax.name, known)}", hint)
    if name in steps.later:
        hint = f"steps that have come by then: {', '.join(steps.come) or 'none with a name'}"
        return checker.wrong(syntax.start, f"{shown}: the step {name} has not come yet here", hint)
    message = f"{shown}: names with a dot are attr.NAME, state.NAME, and STEP.FIELD of an earlier step with as: STEP"
    hint = f"steps that have come by then: {', '.join(steps.come) or 'none with a name'}; give one a name with as: NAME"
    return checker.wrong(syntax.start, message + nearest(name, ("attr", "state", *steps.come)), hint)


def text_by_slip(checker: Checker, left: Typed, right: Typed) -> str:
    """For an attribute that is text only because of some of its values: where the first of them is."""
    registry = checker.scope.registry
    for one in (left, right):
        found = registry.attributes.get(one.node.name) if registry and isinstance(one.node, AttributeRef) else None
        if found is not None and found.type is FieldType.TEXT and found.place:
            return f"attr.{found.name} is text because of {found.place}; leave a cell empty where nothing is known"
    return ""
