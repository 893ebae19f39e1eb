"""What loads but can't be meant: findings over checked rule files, and what the rules keep in memory."""

from iotrules.language.linting.findings import KINDS, Finding, Kind
from iotrules.language.linting.run import lint
from iotrules.language.linting.state import (
    BYTES_OF_A_KEY,
    BYTES_WHILE_ACTIVE,
    StateEstimate,
    WindowEstimate,
    estimate_state,
)

__all__ = [
    "BYTES_OF_A_KEY",
    "BYTES_WHILE_ACTIVE",
    "KINDS",
    "Finding",
    "Kind",
    "StateEstimate",
    "WindowEstimate",
    "estimate_state",
    "lint",
]
