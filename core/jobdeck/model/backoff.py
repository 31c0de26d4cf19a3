"""Compute how long a failed job waits before its next attempt."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from ..json_functions import json

FIRST = 2.0
"""The maximum of the first delay, in seconds."""
CAP = 3600.0
"""The maximum of every delay, in seconds."""
FLOOR = 0.1
"""The minimum of every delay, in seconds, unless its step is shorter: a random delay near 0 would not be a pause."""
LONGEST = 1e10
"""Seconds: 300 years. A longer time is a mistake."""

Bounds = tuple[float, float]
"""The first step and the maximum, in seconds."""


def compute_delay(attempt: int, random: Random, first: float = FIRST, cap: float = CAP) -> float:
    """Return the seconds to wait after `attempt` (1 for the first) has failed.

    Exponential backoff with full jitter: a random delay up to the step, which doubles each time, so that jobs that
    failed together are retried as far apart as possible; `FLOOR` prevents an immediate retry. See "Exponential Backoff
    And Jitter", AWS Architecture Blog, 2015: of the methods compared there, full jitter causes the least total work.

    Args:
        attempt: the number of attempts started so far.
        random: the source of randomness.
        first: the step after the first attempt, in seconds; each later step is twice the previous one.
        cap: the largest step, in seconds.
    """
    # 2.0 ** 1024 overflows, and no maximum is that large.
    step = min(cap, first * 2.0 ** min(attempt - 1, 60))
    low = min(FLOOR, step)
    return low + random.random() * (step - low)


def parse_bounds(pair: Sequence[Any]) -> Bounds:
    """Return the pair as bounds.

    Raises:
        ValueError: it is not a pair of seconds of which the second is at least as large as the first.
    """
    try:
        first, cap = map(float, () if isinstance(pair, str) else pair)  # "12" would unpack into two parts, too
    except (TypeError, ValueError):
        raise ValueError("must be two numbers of seconds: the first step and the maximum") from None
    if not 0 <= first <= cap < LONGEST:  # also refuses nan
        raise ValueError("must have a first step from 0 seconds to the second number, the maximum")
    return first, cap


def write_bounds(bounds: Bounds) -> str:
    """Return the bounds in the form that is stored with a job."""
    return json.dumps(bounds)


def read_bounds(text: str) -> Bounds | None:
    """Parse stored bounds; return `None` if they are invalid, so that one bad row does not block others."""
    try:
        return parse_bounds(json.loads(text))
    except (ValueError, RecursionError):
        return None
