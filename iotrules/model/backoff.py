"""How long to wait before trying again: doubling from the first pause to the last."""

from __future__ import annotations


def backoff(attempts: int, first: float, last: float) -> float:
    """Seconds to wait after `attempts` failed tries (0: the first pause), without jitter."""
    return float(min(first * 2 ** min(attempts, 30), last))
