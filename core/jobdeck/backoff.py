"""How long a failed job waits before its next attempt."""

from __future__ import annotations

from random import Random

FIRST = 2.0
"""Seconds: the upper end of the first delay."""
CAP = 3600.0
"""Seconds: no delay is longer."""


def delay(attempt: int, random: Random, *, first: float = FIRST, cap: float = CAP) -> float:
    """Seconds to wait after `attempt` (1 for the first) has failed.

    Exponential back-off with equal jitter: half of the doubling step is kept, the other half is drawn,
    so that jobs that failed together come back apart and none comes back at once. See "Exponential
    Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    # 2.0 ** 1024 overflows, and no cap is that far away.
    step = min(cap, first * 2.0 ** min(attempt - 1, 60))
    return step / 2 + random.random() * step / 2
