"""A module whose import fails: its author forgot a dependency."""

import a_module_that_nobody_wrote  # type: ignore[import-not-found]  # that is the case tested

__all__ = ["a_module_that_nobody_wrote"]
