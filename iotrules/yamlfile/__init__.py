"""YAML files that people write: read with the place of everything, checked, refused with all reasons."""

from iotrules.yamlfile.nodes import (
    Mapping,
    Node,
    Place,
    Plain,
    Scalar,
    Sequence,
    entry,
    node_at,
    place_in,
    to_plain,
)
from iotrules.yamlfile.reader import MAX_BYTES, parse
from iotrules.yamlfile.source import Source, nearest, quoted
from iotrules.yamlfile.validation import check_node, describe, load_document

__all__ = [
    "MAX_BYTES",
    "Mapping",
    "Node",
    "Place",
    "Plain",
    "Scalar",
    "Sequence",
    "Source",
    "check_node",
    "describe",
    "entry",
    "load_document",
    "nearest",
    "node_at",
    "parse",
    "place_in",
    "quoted",
    "to_plain",
]
