"""Engines with one faulty part each, `parts()` of each module: what the checker must notice."""
