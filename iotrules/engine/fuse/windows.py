"""Windows in generated code: taking in a sample and reading what is asked of it, written out for the common cases.

House rule: what stands here does what `SampleWindow.add`, `Newest.add`, `fold` and the readers do, to the same floats;
whatever is not common is left to them. A read follows the sample it is for at once, so that nothing is looked up twice.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from iotrules.engine.buffers import Buffer
from iotrules.engine.folds import fold
from iotrules.engine.fuse.emit import Operand
from iotrules.engine.fuse.writing import Writer
from iotrules.engine.readers import highest, lowest, slope, taker, total
from iotrules.engine.samples import FOREVER
from iotrules.model.expression import (
    Aggregate,
    And,
    Arithmetic,
    Comparison,
    Expression,
    FieldRef,
    Firing,
    Lag,
    Membership,
    Negate,
    Not,
    Or,
    Outlier,
    Statistic,
    Window,
    WindowKind,
)
from iotrules.model.rules import FieldType, Stream

_FINITE = f"-{sys.float_info.max!r} <= {{0}} <= {sys.float_info.max!r}"
_SUMMED = frozenset({WindowKind.AVG, Statistic.SUM, Statistic.TIMES})
_EXTREMES = {WindowKind.MIN: ("lows", lowest, ""), WindowKind.MAX: ("highs", highest, "-")}
_PAIR = 2
"""As many of the newest samples stand alone."""


class Windows:
    """Writes what the windows of one track need. `window` and `at` are the names of a window and of the time."""

    def __init__(self, writer: Writer, stream: Stream, at: str) -> None:
        self._writer = writer
        self._stream = stream
        self._at = at
        self._begins: dict[int, str] = {}
        self.read: dict[Window, Operand] = {}
        """Where what was asked of a window is found."""

    def begin(self, buffers: tuple[Buffer, ...]) -> None:
        """Where the windows begin, once for each duration."""
        for duration in dict.fromkeys(one.duration for one in buffers if one.keep and one.duration != FOREVER):
            self._begins[duration] = self._writer.name("b")
            self._writer.line(f"{self._begins[duration]} = {self._at} - {duration}")

    def ask(self, window: str, asked: list[Window]) -> None:
        """Read, where no sample has come."""
        for one in asked:
            kind = self._writer.bind(one.kind)
            self._writer.line(f"{self._name(one)} = {window}.value({kind}, {self._at}, {one.min_samples})")

    def take(self, window: str, buffer: Buffer, value: Operand, asked: list[Window]) -> None:
        """Take in the sample, if there is one, and read."""
        for one in asked:
            self.read[one] = Operand(self._writer.name("x"), unknown=True)
        if not value.unknown:
            self._taken(window, buffer, value.text, asked)
            return
        with self._writer.block(f"if {value.text} is None:"):
            self._writer.line(f"{window}.skip()")
            self.ask(window, asked)
        with self._writer.block("else:"):
            self._taken(window, buffer, value.text, asked)

    def _name(self, one: Window) -> str:
        if one not in self.read:
            self.read[one] = Operand(self._writer.name("x"), unknown=True)
        return self.read[one].text

    def _taken(self, window: str, buffer: Buffer, value: str, asked: list[Window]) -> None:
        type_ = type_of(buffer.argument, self._stream)
        if buffer.duration == FOREVER and buffer.keep <= _PAIR and buffer.fold is not Statistic.DRIFT:
            self._newest(window, buffer, value, asked, text=type_ not in (FieldType.NUMBER, FieldType.FLAG))
        elif buffer.duration != FOREVER and type_ in (FieldType.NUMBER, FieldType.FLAG):
            self._sample(window, buffer, value)
            with self._writer.block(f"if {self._at} < {window}.incomplete_until:"):
                self._writer.line(f"{' = '.join([self._name(one) for one in asked] + ['None'])}")
            with self._writer.block("else:"):
                self._aggregates(window, value, asked, exact=type_ is FieldType.NUMBER)
        else:
            self._added(window, buffer, value)
            self.ask(window, asked)

    def _added(self, window: str, buffer: Buffer, value: str) -> None:
        if buffer.fold is not None:
            fold_, kind = self._writer.bind(fold), self._writer.bind(buffer.fold)
            value = f"{fold_}({kind}, {window}.newest, {self._at}, {value}, {buffer.span})"
        with self._writer.block(f"if not {window}.add({self._at}, {value}, {buffer.keep}):"):
            self._writer.line(f"moment.decision.count('window_overflow', {self._writer.bind(buffer.name)})")

    def _sample(self, window: str, buffer: Buffer, value: str) -> None:
        """As `SampleWindow.add`; leaves `times`, `head` and `count` behind."""
        line, block, begin = self._writer.line, self._writer.block, self._begins[buffer.duration]
        line(f"times = {window}.times")
        line(f"times.append({self._at})")
        line(f"{window}.values.append({value})")
        line(f"head = {window}.head")
        with block(f"if times[head] <= {begin}:"):
            line("head += 1")
            with block(f"while times[head] <= {begin}:"):
                line("head += 1")
            line(f"{window}.head = head")
            with block(f"if head > {window}.stacked:"):
                line(f"{window}.turn()")
                line(f"head = {window}.head")
        line("count = len(times) - head")
        with block(f"if count > {buffer.keep}:"):
            line(f"{window}.cut({buffer.keep})")
            line(f"moment.decision.count('window_overflow', {self._writer.bind(buffer.name)})")

    def _aggregates(self, window: str, value: str, asked: list[Window], *, exact: bool) -> None:
        """What is asked of a window that is whole, with the sample `value` as its newest."""
        if any(one.kind in _SUMMED for one in asked):
            self._total(window, value)
        for one in asked:
            name = self._name(one)
            if one.min_samples > 1:
                with self._writer.block(f"if count < {one.min_samples}:"):
                    self._writer.line(f"{name} = None")
                with self._writer.block("else:"):
                    self._aggregate(name, window, one.kind, value, exact=exact)
            else:
                self._aggregate(name, window, one.kind, value, exact=exact)

    def _aggregate(self, name: str, window: str, kind: Aggregate, value: str, *, exact: bool) -> None:
        if kind in _SUMMED:
            self._writer.line(f"{name} = total" + (" / count" if kind is WindowKind.AVG else ""))
            if kind is not Statistic.TIMES:
                self._only_finite(name)
        elif isinstance(kind, WindowKind) and kind in _EXTREMES and exact:
            self._extreme(name, window, kind, value)
        elif kind is WindowKind.SLOPE:
            self._slope(name, window, value)
        else:
            self._writer.line(f"{name} = {self._writer.bind(taker(kind))}({window}, head, {self._at})")

    def _total(self, window: str, value: str) -> None:
        """As `Sums.total`."""
        self._kept_up(window, "sums", f"total = {self._writer.bind(total)}({window}, head)")
        with self._writer.block("else:"):
            self._writer.line("kept.seen += 1")
            self._writer.line(f"kept.newer += {value}")
            self._writer.line(f"total = kept.below[{window}.stacked - head] + kept.newer")

    def _extreme(self, name: str, window: str, kind: WindowKind, value: str) -> None:
        """As `Extremes.extreme`."""
        aspect, read, sign = _EXTREMES[kind]
        self._kept_up(window, aspect, f"{name} = {self._writer.bind(read)}({window}, head)")
        with self._writer.block("else:"):
            self._writer.line("kept.seen += 1")
            with self._writer.block(f"if {sign}{value} < kept.newer:"):
                self._writer.line(f"kept.newer = {sign}{value}")
            self._writer.line(f"{name} = kept.below[{window}.stacked - head]")
            with self._writer.block(f"if not {name} < kept.newer:"):
                self._writer.line(f"{name} = kept.newer")
            if sign:
                self._writer.line(f"{name} = -{name}")

    def _slope(self, name: str, window: str, value: str) -> None:
        """As `Trend.slope`."""
        self._kept_up(window, "trend", f"{name} = {self._writer.bind(slope)}({window}, head)")
        with self._writer.block("else:"):
            self._writer.line(f"kept.step({self._at}, {value})")
            self._writer.line(f"{name} = kept.of({window}.stacked - head, count)")
        self._only_finite(name, missing=True)

    def _kept_up(self, window: str, aspect: str, otherwise: str) -> None:
        """`otherwise` where the aspect has not seen every sample but the newest; an `else` follows."""
        self._writer.line(f"kept = {window}.{aspect}")
        with self._writer.block("if kept is None or kept.seen + 1 != count + head:"):
            self._writer.line(otherwise)

    def _newest(self, window: str, buffer: Buffer, value: str, asked: list[Window], *, text: bool) -> None:
        """As `fold` and `Newest.add`, then what is asked of the sample and the one before it."""
        line = self._writer.line
        kept = self._folded(window, buffer, value)
        if buffer.keep == _PAIR:
            line(f"before = {window}.before = {window}.last")
            line(f"{window}.before_at = {window}.at")
        line(f"{window}.last = {kept}")
        line(f"{window}.at = {self._at}")
        line(f"{window}.absent = False")
        for one in asked:
            found = None if text or one.min_samples > _PAIR else _of_newest(one.kind, kept)
            if found is None:
                self.ask(window, [one])
                continue
            line(f"{self._name(one)} = {found}")
            if one.kind in (Statistic.DELTA, Statistic.EWMA):
                self._only_finite(self._name(one), missing=one.kind is Statistic.DELTA)

    def _folded(self, window: str, buffer: Buffer, value: str) -> str:
        """As `fold`."""
        if buffer.fold is None:
            return value
        line, name = self._writer.line, self._writer.name("y")
        line(f"last = {window}.last")
        if buffer.fold is Statistic.STREAK:
            line(f"{name} = 0.0 if not {value} else 1.0 if last is None else last + 1.0")
            return name
        with self._writer.block("if last is None:"):
            line(f"{name} = {value}")
        with self._writer.block("else:"):
            line(f"weight = -{self._writer.bind(math.expm1)}(({window}.at - {self._at}) / {buffer.span})")
            line(f"{name} = last * (1 - weight) + {value} * weight")
        return name

    def _only_finite(self, name: str, *, missing: bool = False) -> None:
        """As `finite`."""
        known = f"{name} is not None and " if missing else ""
        with self._writer.block(f"if {known}not {_FINITE.format(name)}:"):
            self._writer.line(f"{name} = None")


def _of_newest(kind: Aggregate, kept: str) -> str | None:
    """What is asked of the newest samples, of which `kept` is the last and `before` the one before; None: not here."""
    match kind:
        case Statistic.STREAK | Statistic.EWMA | Outlier():
            return kept
        case Statistic.AGE:
            return "0.0"
        case Statistic.DELTA:
            return f"None if before is None else {kept} - before"
        case Statistic.CHANGED:
            return f"None if before is None else {kept} != before"
        case Lag(steps=1):
            return "before"
    return None


def type_of(argument: Expression, stream: Stream) -> FieldType | None:
    """The type of what goes into a window, as far as it can be told from the text; None for what it can't."""
    match argument:
        case FieldRef(name):
            return next((one.type for one in stream.fields if one.name == name), None)
        case Comparison() | Membership() | And() | Or() | Not() | Firing():
            return FieldType.FLAG
        case Arithmetic() | Negate():
            return FieldType.NUMBER
    return None


def windows_of(places: dict[Window, int], buffers: tuple[Buffer, ...]) -> list[list[Window]]:
    """What is asked of each buffer."""
    found: list[list[Any]] = [[] for _ in buffers]
    for window, place in places.items():
        if place < len(found):
            found[place].append(window)
    return found
