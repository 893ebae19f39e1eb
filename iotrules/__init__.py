"""Telemetry in, a deterministic core decides, one transaction makes it durable, effects leave from a ledger."""

__version__ = "0.1.0"
