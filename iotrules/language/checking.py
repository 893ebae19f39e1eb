"""Syntax trees against a stream: names, types and units, to the checked tree that the engine walks.

House rule: a problem is noted and the walk goes on, so that one condition shows all of its problems; what is
wrong has the type None, which fits everything.
"""

from __future__ import annotations

from typing import assert_never

from iotrules.language.arithmetic import added, multiplied
from iotrules.language.dotted import check_attribute, check_state, refuse_dotted, state_type, text_by_slip
from iotrules.language.firing import check_firing
from iotrules.language.functions import TEXTUAL, check_function
from iotrules.language.members import (
    bare_name,
    check_members,
    check_outlier,
    is_over_members,
    refuse_members,
    refuse_outside,
)
from iotrules.language.parser import parse_syntax
from iotrules.language.quantities import Measure, scaled
from iotrules.language.series import OF_CONDITIONS, check_clock, check_series, wrong_arguments
from iotrules.language.substitution import substitute
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
from iotrules.language.tokens import ESCAPE
from iotrules.language.typed import A, Checker, Scope, Typed, Voting, fit_pair, need, settled
from iotrules.language.words import CLOCKS, FUNCTIONS, LATER, MEMBERS, NEWEST, SUPPORTED, WINDOWS
from iotrules.model.expression import (
    And,
    Comparison,
    Expression,
    FieldRef,
    Flag,
    LabelRef,
    Membership,
    Negate,
    Not,
    Number,
    Or,
    StateRef,
    Text,
)
from iotrules.model.rules import Field, FieldType
from iotrules.yamlfile import nearest, quoted

_NUMBER, _TEXT, _FLAG = FieldType.NUMBER, FieldType.TEXT, FieldType.FLAG


def check_condition(text: str, scope: Scope) -> tuple[Expression | None, list[ExpressionError]]:
    """The checked tree of a condition's text, or None and all of its problems."""
    try:
        syntax = substitute(parse_syntax(text), scope.arguments)
    except ExpressionError as error:
        return None, [error]
    checker = Checker(scope)
    typed = _check(checker, syntax, _FLAG)
    _need_condition(checker, typed)
    return (None if checker.problems else typed.node), checker.problems


def _need_condition(checker: Checker, typed: Typed) -> None:
    if typed.type in (_NUMBER, _TEXT):
        hint = "compare it with something, such as temp > 85"
        checker.wrong(typed.start, f"expected a condition, got {A[typed.type]}", hint)
    elif not typed.reads:
        checker.wrong(typed.start, "the condition is always the same: it reads no field", "name a field of the stream")


def _check(checker: Checker, syntax: Syntax, wanted: FieldType | None = None) -> Typed:
    """`wanted` is what stands there, for what does not know itself what it is (`state.trips`)."""
    match syntax:
        case Literal():
            return _literal(checker, syntax)
        case Name():
            return _name(checker, syntax)
        case Dotted():
            return _dotted(checker, syntax, wanted)
        case Call():
            return _call(checker, syntax)
        case Unary(operator="not"):
            return _negation(checker, syntax)
        case Unary():
            return _sign(checker, syntax)
        case Binary():
            return _arithmetic(checker, syntax)
        case Chain():
            return _chain(checker, syntax)
        case In():
            return _membership(checker, syntax)
        case Listed():
            return checker.wrong(syntax.start, "a list stands behind `in` and `same=` only")
        case Logic():
            return _logic(checker, syntax)
    assert_never(syntax)


def _literal(checker: Checker, syntax: Literal) -> Typed:
    match syntax.kind:
        case "text":
            _check_escapes(checker, syntax)
            return _text(syntax)
        case "flag":
            return Typed(Flag(bool(syntax.value)), _FLAG, Measure(), syntax.start)
    value = float(syntax.value)
    measure = Measure() if syntax.kind == "number" else Measure(pending=syntax)
    return Typed(Number(value, syntax.text), _NUMBER, measure, syntax.start)


def _text(syntax: Literal) -> Typed:
    return Typed(Text(str(syntax.value)), _TEXT, Measure(), syntax.start)


def _check_escapes(checker: Checker, syntax: Literal) -> None:
    for escape in ESCAPE.finditer(syntax.text):
        if escape[1] not in "\\\"'":
            hint = "a backslash may stand before a quote or a backslash only"
            checker.wrong(syntax.start + escape.start(), "an unknown escape in a text", hint)


def _field(found: Field, start: int) -> Typed:
    measure = Measure(unit=found.unit, kind="point")
    return Typed(FieldRef(found.name), found.type, measure, start, reads=True, names=found.one_of)


def _name(checker: Checker, syntax: Name) -> Typed:
    scope, name = checker.scope, syntax.name
    if found := scope.fields.get(name):
        return _field(found, syntax.start)
    if name in scope.labels:
        return Typed(LabelRef(name), _TEXT, Measure(), syntax.start, reads=True)
    if scope.voting is not None and (told := bare_name(scope.voting, name)):
        return checker.wrong(syntax.start, *told)
    if name in scope.other_labels:
        hint = f"add {name} to by"
        return checker.wrong(syntax.start, f"{name} is a capture that the rule's by leaves out", hint)
    if name in SUPPORTED | LATER:
        return checker.wrong(syntax.start, f"{name} is a function", f"write {name}(…)")
    valid = [*scope.fields, *scope.labels]
    message = f"unknown name {quoted(name)}{nearest(name, valid)}"
    return checker.wrong(syntax.start, message, f"stream {scope.stream} has {', '.join(sorted(valid)) or 'no fields'}")


def _dotted(checker: Checker, syntax: Dotted, wanted: FieldType | None) -> Typed:
    name = f"{syntax.namespace}.{syntax.name}"
    if found := checker.scope.fields.get(name):
        return _field(found, syntax.start)
    if name in checker.scope.labels:
        return Typed(LabelRef(name), _TEXT, Measure(), syntax.start, reads=True)
    match syntax.namespace:
        case "attr":
            return check_attribute(checker, syntax)
        case "state":
            return check_state(checker, syntax, wanted)
    return refuse_dotted(checker, syntax)


def _call(checker: Checker, syntax: Call) -> Typed:
    name, voting = syntax.function, checker.scope.voting
    if voting is not None and is_over_members(checker, syntax):
        return _over_members(checker, syntax, voting)
    if name in FUNCTIONS and not _over_time(syntax):
        arguments = [_argument(checker, syntax, index) for index in range(len(syntax.arguments))]
        return check_function(checker, syntax, arguments)
    if voting is not None and name in WINDOWS | NEWEST | {"outlier"}:
        return refuse_outside(checker, syntax)
    if name in WINDOWS | NEWEST | CLOCKS | {"outlier"}:
        return _series(checker, syntax)
    if name in MEMBERS:
        return refuse_members(checker, syntax)
    if name == "firing":
        return check_firing(checker, syntax)
    if name in LATER:
        message = f"{name}() is part of the rule language but not supported by this version"
        return checker.wrong(syntax.start, message)
    return checker.wrong(syntax.start, f"unknown function {quoted(name)}{nearest(name, SUPPORTED | LATER)}")


def _over_members(checker: Checker, syntax: Call, voting: Voting) -> Typed:
    """What is asked of the members is checked as they see it."""
    around, before = checker.scope, len(checker.problems)
    checker.scope = voting.member
    inner = settled(checker, _check(checker, syntax.arguments[0]))
    checker.scope = around
    return check_members(checker, syntax, voting, inner, before)


def _argument(checker: Checker, syntax: Call, index: int) -> Typed:
    """A pattern keeps its backslashes: `\\d` and `\\\\d` are both a digit."""
    argument, function = syntax.arguments[index], syntax.function
    if function == "has" and isinstance(argument, Dotted) and argument.namespace == "state":
        return Typed(StateRef(argument.name, None), _FLAG, Measure(), argument.start, reads=True)
    pattern = function == "matches" and index == 1
    if pattern and isinstance(argument, Literal) and argument.kind == "text":
        return _text(argument)
    return _check(checker, argument, _TEXT if function in TEXTUAL else _NUMBER)


def _over_time(syntax: Call) -> bool:
    """`min(x, 10m)` is a window, `min(a, b)` is not."""
    second = syntax.arguments[1] if len(syntax.arguments) == 2 else None
    timed = isinstance(second, Literal) and second.kind == "duration"
    return syntax.function in WINDOWS and (timed or bool(syntax.options))


def _series(checker: Checker, syntax: Call) -> Typed:
    name, before = syntax.function, len(checker.problems)
    if checker.in_window:
        return checker.wrong(syntax.start, f"{name}() inside another window", "windows can't be nested")
    if name in CLOCKS:
        return check_clock(checker, syntax)
    wrong = wrong_arguments(checker, syntax)
    if wrong is not None:
        return wrong
    checker.in_window = True
    inner = _check(checker, syntax.arguments[0], _FLAG if name in OF_CONDITIONS else _NUMBER)
    checker.in_window = False
    if name == "outlier":
        return check_outlier(checker, syntax, settled(checker, inner), before)
    return check_series(checker, syntax, settled(checker, inner), before)


def _negation(checker: Checker, syntax: Unary) -> Typed:
    inner = _check(checker, syntax.operand, _FLAG)
    need(checker, inner, _FLAG, "not takes a condition")
    _need_reading(checker, inner)
    return Typed(Not(inner.node), _FLAG, Measure(), syntax.start, reads=True)


def _need_reading(checker: Checker, typed: Typed) -> None:
    if typed.type is _FLAG and not typed.reads:
        checker.wrong(typed.start, "this part of the condition is always the same", "leave it out")


def _logic(checker: Checker, syntax: Logic) -> Typed:
    operands = [_check(checker, operand, _FLAG) for operand in syntax.operands]
    for operand in operands:
        need(checker, operand, _FLAG, f"{syntax.operator} joins conditions")
        _need_reading(checker, operand)
    nodes = tuple(operand.node for operand in operands)
    node: Expression = And(nodes) if syntax.operator == "and" else Or(nodes)
    return Typed(node, _FLAG, Measure(), syntax.start, reads=True)


def _sign(checker: Checker, syntax: Unary) -> Typed:
    inner = _check(checker, syntax.operand, _NUMBER)
    if not need(checker, inner, _NUMBER, "- takes a number"):
        return Typed(inner.node, None, Measure(), syntax.start, reads=True)
    inner = settled(checker, inner)
    return Typed(Negate(inner.node), inner.type, scaled(inner.measure), syntax.start, inner.reads)


def _arithmetic(checker: Checker, syntax: Binary) -> Typed:
    left, right = _check(checker, syntax.left, _NUMBER), _check(checker, syntax.right, _NUMBER)
    why = f"{syntax.operator} takes numbers"
    fine = [need(checker, operand, _NUMBER, why) for operand in (left, right)]
    if not all(fine):
        return Typed(left.node, None, Measure(), syntax.start, reads=True)
    if syntax.operator == "/" and isinstance(right.node, Number) and right.node.value == 0:
        return checker.wrong(right.start, "division by zero")
    joined = added if syntax.operator in ("+", "-") else multiplied
    return joined(checker, syntax, left, right)


def _chain(checker: Checker, syntax: Chain) -> Typed:
    operands = _side_by_side(checker, syntax.operands, set(syntax.operators) <= {"==", "!="})
    for index, operator in enumerate(syntax.operators):
        _comparable(checker, operands, index, operator)
    node = Comparison(tuple(operand.node for operand in operands), syntax.operators)
    return Typed(node, _FLAG, Measure(), syntax.start, reads=True)


def _side_by_side(checker: Checker, syntaxes: tuple[Syntax, ...], by_equality: bool) -> list[Typed]:
    """Operands of a comparison; those of `state` are what the others are."""
    open_ones = [isinstance(one, Dotted) and one.namespace == "state" for one in syntaxes]
    known = [None if is_open else _check(checker, one) for one, is_open in zip(syntaxes, open_ones, strict=True)]
    others = [one for one in known if one is not None]
    wanted = state_type(others, by_equality)
    if wanted is None and any(one.type is None for one in others):
        wanted = _FLAG  # anything: what is beside it is wrong, and has been told
    return [
        _check(checker, syntax, wanted) if one is None else one for one, syntax in zip(known, syntaxes, strict=True)
    ]


def _comparable(checker: Checker, operands: list[Typed], index: int, operator: str) -> None:
    """Check the neighbours at `index` and put them into one unit."""
    left, right = operands[index], operands[index + 1]
    if left.type is None or right.type is None:
        return
    if left.type is not right.type:
        message = f"{A[left.type]} compared with {A[right.type]}"
        hint = text_by_slip(checker, left, right) or _type_hint(left, right)
        operands[index + 1] = checker.wrong(right.start, message, hint)
    elif not left.reads and not right.reads:
        operands[index + 1] = checker.wrong(left.start, "a comparison of constants is always the same", "leave it out")
    elif left.type is not _NUMBER and operator not in ("==", "!="):
        checker.wrong(right.start, f"{operator} compares numbers, not {A[left.type]}", "use == or !=")
    elif left.type is _NUMBER:
        operands[index], operands[index + 1] = fit_pair(checker, left, right)
    else:
        _known_choice(checker, left, right)


def _type_hint(left: Typed, right: Typed) -> str:
    kinds = {left.type, right.type}
    if kinds == {_NUMBER, _TEXT}:
        return "numbers stand without quotes; a field that arrives as text can say coerce: number"
    return "a flag stands alone: write seen, or not seen" if _FLAG in kinds else ""


def _known_choice(checker: Checker, left: Typed, right: Typed) -> None:
    for one, other in ((left, right), (right, left)):
        if one.names and isinstance(other.node, Text) and other.node.value not in one.names:
            message = f"the value is never {quoted(other.node.value)}{nearest(other.node.value, one.names)}"
            checker.wrong(other.start, message, f"one_of says {', '.join(one.names)}")


def _membership(checker: Checker, syntax: In) -> Typed:
    operand, *choices = _side_by_side(checker, (syntax.operand, *syntax.choices), True)
    if operand.type is not None and not operand.reads:
        checker.wrong(operand.start, "in takes a field on its left")
    fitted = [_choice(checker, operand, choice) for choice in choices]
    node = Membership(operand.node, tuple(choice.node for choice in fitted))
    return Typed(node, _FLAG, Measure(), syntax.start, reads=True)


def _choice(checker: Checker, operand: Typed, choice: Typed) -> Typed:
    if choice.type is None or operand.type is None:
        return choice
    if choice.reads:
        return checker.wrong(choice.start, "the list of in holds constants only", "compare with == and join with or")
    if choice.type is not operand.type:
        message = f"{A[operand.type]} compared with {A[choice.type]}"
        return checker.wrong(choice.start, message, _type_hint(operand, choice))
    if choice.type is _NUMBER:
        return fit_pair(checker, operand, choice)[1]
    _known_choice(checker, operand, choice)
    return choice
