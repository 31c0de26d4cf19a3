"""Durations on a logarithmic scale, so that percentiles survive a restart in a few rows.

Buckets grow by a constant factor, as in DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch
with relative-error guarantees", VLDB 2019) and in OpenTelemetry's exponential histograms of scale 2: histograms are added up by
adding their counts, and the relative error of a result is bounded, regardless of the values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import log2
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...model.overview import Latency

_STEPS = 4
"""Buckets an octave: a bucket is 2^(1/4) - 1 = 19 % wide, and its geometric middle at most 2^(1/8) - 1 = 9 % off."""
OCTAVE = _STEPS
"""The number of buckets that double a duration: `bucket // OCTAVE` is the whole power of two of microseconds below it."""
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
    """Percentiles of a histogram (bucket → how many), by the nearest-rank method.

    The q-quantile of n values is the one at rank ⌈q·n⌉ in ascending order: definition 1, the inverse of the empirical
    distribution, of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996).
    It is always a value that was measured, here to the width of its bucket.
    """
    from ...model.overview import Latency  # imported late: counting does not need it

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
