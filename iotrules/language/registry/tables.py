"""A registry file as a table, however it is written: columns, and rows of cells that know their places.

House rule: problems are noted and reading goes on, up to as many as anybody reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from iotrules.language import units
from iotrules.language.words import KEYWORDS, NAME
from iotrules.model.errors import Problem
from iotrules.model.expression import Value
from iotrules.model.rules import FieldType
from iotrules.yamlfile import Place, Source

MAX_DEVICES = 50_000
MAX_COLUMNS = 64
MAX_TEXT = 1000
"""Characters of a value."""

MAX_PROBLEMS = 100


class EnoughProblems(Exception):
    """So many are noted that it makes no sense to read on."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as it stands in the file; None: not known. `text` is what was written."""

    value: Value | None
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Column:
    """An attribute as it is declared. `type` None: as its values say."""

    name: str
    place: Place
    unit: str = ""
    type: FieldType | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A device: its labels in the order of the table's, and its values by attribute."""

    place: Place
    labels: tuple[Cell, ...]
    values: dict[str, Cell]


@dataclass(slots=True)
class Table:
    """`untyped`: cells are text that says itself what it is (CSV), so a column of several types is one of texts."""

    source: Source
    untyped: bool
    problems: list[Problem]
    labels: tuple[str, ...] = ()
    label_places: tuple[Place, ...] = ()
    columns: dict[str, Column] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def wrong(self, place: Place, message: str, hint: str = "") -> None:
        """Note a problem. EnoughProblems at the last one."""
        self.problems.append(self.source.problem(place, message, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            raise EnoughProblems

    def add(self, row: Row) -> bool:
        """Take in a row; False if the table is full, which is noted."""
        if len(self.rows) >= MAX_DEVICES:
            self.wrong(row.place, f"a registry has at most {MAX_DEVICES} devices")
            return False
        self.rows.append(row)
        return True

    def column(self, name: str, place: Place, unit: str = "", kind: FieldType | None = None) -> None:
        """Declare an attribute."""
        if reason := _name_fault(name):
            self.wrong(place, reason, _name_hint(name))
        elif name in self.columns:
            self.wrong(place, f"the attribute {name} is here twice")
        elif len(self.columns) >= MAX_COLUMNS:
            self.wrong(place, f"a registry has at most {MAX_COLUMNS} attributes")
        else:
            self.columns[name] = Column(name, place, self._unit(unit, place), kind)

    def _unit(self, unit: str, place: Place) -> str:
        try:
            if unit:
                units.check(unit)
        except units.UnitError as error:
            self.wrong(place, str(error))
            return ""
        return unit


def _name_fault(name: str) -> str:
    if not NAME.fullmatch(name) or name.startswith("_"):
        return "names of attributes are letters, digits and _, begin with a letter, and have at most 64 characters"
    return f"{name} is a word of the rule language and can't name an attribute" if name in KEYWORDS else ""


def _name_hint(name: str) -> str:
    """The nearest name that would do: `Max. Temp` could be `Max_Temp`."""
    words = "".join(character if character.isascii() and character.isalnum() else " " for character in name).split()
    usable = "_".join(words)[:64]
    return f"write {usable}" if usable and not _name_fault(usable) else ""
