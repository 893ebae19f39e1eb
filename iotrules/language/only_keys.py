"""`only_keys:` of a rule: the labels that a key must have for the rule to look at it."""

from __future__ import annotations

from collections.abc import Mapping

from iotrules.language.parts import Part
from iotrules.model.rules import OnlyKeys
from iotrules.yamlfile import nearest, quoted

_IN_NO_TOPIC = frozenset("/+#\0")


def read_only_keys(part: Part, given: Mapping[str, list[str]] | None, by: tuple[str, ...] | None) -> OnlyKeys:
    """The labels with their values, in order of the alphabet: what means the same is the same. `by` None is unknown."""
    if given is None:
        return ()
    if not given:
        part.wrong("only_keys names at least one label", "only_keys", hint="write only_keys: {site: [north, south]}")
    for label, values in given.items():
        if by is not None and label not in by:
            hint = f"the rule is kept by {', '.join(by) or 'nothing'}"
            part.wrong_key(
                f"{quoted(label)} is no label of the rule{nearest(label, by)}", "only_keys", label, hint=hint
            )
        _check_values(part, label, values)
    return tuple((label, tuple(sorted(given[label]))) for label in sorted(given))


def _check_values(part: Part, label: str, values: list[str]) -> None:
    if not values:
        part.wrong(f"{label} lists no value, so the rule would look at nothing", "only_keys", label)
    for index, value in enumerate(values):
        if value in values[:index]:
            part.wrong(f"{quoted(value)} is here twice", "only_keys", label, index)
        elif not value or not _IN_NO_TOPIC.isdisjoint(value):
            hint = "a label is one level of a topic: no / + #"
            part.wrong(f"{quoted(value)} is never a label", "only_keys", label, index, hint=hint)
