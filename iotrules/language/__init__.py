"""Rule files to checked rules: grammar, names, types and units, refused with every problem at its place."""

from iotrules.language.files import REGISTRY_NAMES, read_directory, registry_file, registry_in
from iotrules.language.loading import check_expression, load_files
from iotrules.language.thresholds import thresholds
from iotrules.language.unparse import unparse

__all__ = [
    "REGISTRY_NAMES",
    "check_expression",
    "load_files",
    "read_directory",
    "registry_file",
    "registry_in",
    "thresholds",
    "unparse",
]
