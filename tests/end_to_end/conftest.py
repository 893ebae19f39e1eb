"""What the end-to-end tests share."""

from tests.browser import browser

__all__ = ["browser"]
