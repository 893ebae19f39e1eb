"""A module that raises while it is imported."""

raise LookupError("no settings")
