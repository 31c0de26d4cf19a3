"""How long a failed job waits before its next attempt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

FIRST = 2.0
"""Seconds: the longest that the first delay can be."""
CAP = 3600.0
"""Seconds: no delay is longer."""
FLOOR = 0.1
"""Seconds: no delay is shorter, unless its step is. A draw near 0 would be no pause at all."""
LONGEST = 1e10
"""Seconds: 300 years. Beyond lies a mistake."""

Bounds = tuple[float, float]
"""The first step and the cap, in seconds."""


def delay(attempt: int, random: Random, first: float = FIRST, cap: float = CAP) -> float:
    """Seconds to wait after `attempt` (1 for the first) has failed.

    Exponential back-off with full jitter: anything up to the doubling step, so that jobs that failed together come
    back spread as widely as can be; `FLOOR` keeps them from coming back at once. See "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015: of the ways compared there, the one with the least work in all.

    Args:
        attempt: how many attempts have begun.
        random: where the draw comes from.
        first: seconds, the step after the first attempt; each later step is twice the one before.
        cap: seconds, the largest step.
    """
    # 2.0 ** 1024 overflows, and no cap is that far away.
    step = min(cap, first * 2.0 ** min(attempt - 1, 60))
    low = min(FLOOR, step)
    return low + random.random() * (step - low)


def bounds_of(pair: Sequence[Any]) -> Bounds:
    """The pair as bounds.

    Raises:
        ValueError: it is not two numbers of seconds, the second one no less than the first.
    """
    try:
        first, cap = map(float, () if isinstance(pair, str) else pair)  # "12" has two parts too
    except (TypeError, ValueError):
        raise ValueError("must be two numbers of seconds: the first step, and the longest") from None
    if not 0 <= first <= cap < LONGEST:  # also refuses nan
        raise ValueError("must begin with 0 seconds or more, and not with more than its second number, the longest step")
    return first, cap


def write_bounds(bounds: Bounds) -> str:
    """The bounds as they are stored with a job."""
    return json.dumps(bounds)


def read_bounds(text: str) -> Bounds | None:
    """The bounds of their stored form; unreadable ones count as none, so that one bad row stops no other."""
    try:
        return bounds_of(json.loads(text))
    except (ValueError, RecursionError):
        return None
