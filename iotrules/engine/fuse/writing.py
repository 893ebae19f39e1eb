"""Lines of generated code, with the objects that they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Writer:
    """Collects lines at the right depth; `bound` are the objects that the code finds under its own names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.bound: dict[str, Any] = {}
        self._depth = 0
        self._names = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Lines below `head`, one level deeper."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def name(self, start: str) -> str:
        """A new local name."""
        self._names += 1
        return f"{start}{self._names}"

    def bind(self, value: Any) -> str:
        """The name that the code knows an object by."""
        for name, known in self.bound.items():
            if known is value:
                return name
        name = f"k{len(self.bound)}"
        self.bound[name] = value
        return name

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"
