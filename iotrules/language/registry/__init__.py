"""Device registries: a CSV or YAML file to devices with typed attributes, refused with every problem at its place."""

from iotrules.language.registry.reading import MAX_CSV_BYTES, read_registry

__all__ = ["MAX_CSV_BYTES", "read_registry"]
