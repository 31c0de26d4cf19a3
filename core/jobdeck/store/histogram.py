"""Durations on a logarithmic scale, so that percentiles survive a restart in a few rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import log2

from ..jobs import Latency

_STEPS = 4
"""Buckets an octave: a bucket is 19 % wide, so a percentile is at most 9 % off."""
_UNIT = 1e-6
"""Seconds: everything below falls into bucket 0."""
_PER_UNIT = 1 / _UNIT


def bucket(seconds: float) -> int:
    """The bucket a duration falls into."""
    return int(_STEPS * log2(seconds * _PER_UNIT)) if seconds > _UNIT else 0


def middle(index: int) -> float:
    """The duration, in seconds, that stands for a bucket: its geometric middle."""
    return _UNIT * math.exp2((index + 0.5) / _STEPS)


def percentiles(histogram: Mapping[int, int]) -> Latency:
    """Percentiles of a histogram (bucket → how many), by the nearest-rank method."""
    total = sum(histogram.values())
    if not total:
        return Latency()
    found: list[float] = []
    wanted = [0.5, 0.95, 0.99]
    seen = 0
    for index in sorted(histogram):
        seen += histogram[index]
        while wanted and seen >= math.ceil(wanted[0] * total):
            found.append(middle(index))
            wanted.pop(0)
    return Latency(p50=found[0], p95=found[1], p99=found[2], count=total)
