"""What other rules have to know of a rule before it is checked: the labels that it is kept by.

House rule: read from the nodes alone, so that rules may ask for one another in any order; what is wrong is told where
the rule itself is checked.
"""

from __future__ import annotations

from collections.abc import Mapping

from iotrules.language.parts import Part
from iotrules.language.typed import RuleLabels
from iotrules.model.rules import Stream
from iotrules.yamlfile import Node, Scalar, Sequence, node_at

_STREAMS = (("from",), ("absent",), ("sequence", 0, "first"))


def rule_labels(parts: Mapping[str, Part], streams: Mapping[str, Stream | None]) -> RuleLabels:
    """Every rule by name; None for a template, and where the rule is wrong."""
    return {name: None if part.gives("params") else _labels(part, parts, streams) for name, part in parts.items()}


def template_names(parts: Mapping[str, Part]) -> frozenset[str]:
    return frozenset(name for name, part in parts.items() if part.gives("params"))


def _labels(part: Part, parts: Mapping[str, Part], streams: Mapping[str, Stream | None]) -> tuple[str, ...] | None:
    used = node_at(part.node, ["use"])
    template = parts.get(used.text) if isinstance(used, Scalar) else None
    by = _said(part, template, ("by",))
    if by is not None:
        items = by.items if isinstance(by, Sequence) else ()
        names = tuple(item.text for item in items if isinstance(item, Scalar))
        return names if isinstance(by, Sequence) and len(names) == len(items) else None
    named = next((node for path in _STREAMS if (node := _said(part, template, path)) is not None), None)
    words = named.text.split() if isinstance(named, Scalar) else []
    stream = streams.get(words[0]) if words else None
    return stream.captures if stream else None


def _said(part: Part, template: Part | None, path: tuple[str | int, ...]) -> Node | None:
    """The value at a path: the rule's own, else its template's, with what is given or usual for a parameter."""
    own = node_at(part.node, path)
    if own is not None or template is None:
        return own
    node = node_at(template.node, path)
    if not isinstance(node, Scalar) or node_at(template.node, ["params", node.text]) is None:
        return node
    usual = node_at(template.node, ["params", node.text, "default"])
    return node_at(part.node, ["with", node.text]) or usual
