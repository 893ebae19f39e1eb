"""The local Lambda service: handlers in processes of their own, spoken to over AWS's Runtime API."""

from iotrules.functions.local import LocalFunctions

__all__ = ["LocalFunctions"]
