"""The parts that a text is made of, wherever they stand: a condition's tree, how far a timer is."""

from __future__ import annotations

from collections.abc import Iterator

from iotrules.model.evidence import Node, Progress
from iotrules.model.times import duration_words, rough_words

_MARKS = {True: "✔", False: "✘", None: "?"}


def tree_lines(node: Node, depth: int) -> Iterator[str]:
    """Each part of a condition with what it was, deeper parts further in."""
    if node.kind == "value":
        return
    mark = _MARKS[node.value if isinstance(node.value, bool) else None]
    yield f"{'  ' * depth}{mark} {node.words or node.text}"
    for part in node.parts:
        yield from tree_lines(part, depth + 1)


def hold_words(hold: Progress) -> str:
    """How far it is, or that it does not run."""
    if not hold.held and hold.wanted:
        return f"not running, needs {duration_words(hold.wanted)}"
    return "needs no time" if hold.wanted == 0 else progress_words(hold)


def progress_words(progress: Progress) -> str:
    """`40s of 2m`."""
    wanted = "a time that is not known yet" if progress.wanted is None else duration_words(progress.wanted)
    return f"{rough_words(progress.held)} of {wanted}{', standing still' if progress.frozen else ''}"
