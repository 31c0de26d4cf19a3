"""The totals since a queue exists, which only grow: records of `History.totals`. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from .record_class import record
from .states import State


@record(kw_only=True)
class DurationTotals:
    """A histogram of durations."""

    octaves: Mapping[int, int] = field(default_factory=dict)
    """The number of durations by power of two: at `n` those from 2^n to under 2^(n+1) microseconds; at 0 all under 2."""
    sum: float = 0.0

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.octaves.values())


@record(kw_only=True)
class KindTotals:
    """The totals of one kind in one queue."""

    queue: str
    kind: str
    finished: Mapping[State, int]
    """The number of jobs that became completed, failed or cancelled. A job that is retried and finishes again counts again."""
    run: DurationTotals = DurationTotals()
    """Run times of the attempts that ended, but for those that were released."""
    wait: DurationTotals = DurationTotals()
    """Wait times, from due to start, of all attempts that ended."""


@record(kw_only=True)
class Totals:
    """The totals of a queue since it exists, or since its database keeps them."""

    kinds: tuple[KindTotals, ...]
    """By queue and kind. If there are too many, those with the most jobs."""
    kinds_left_out: int = 0
    """The number of further pairs of a queue and a kind."""
    retries: int = 0
    """Failed and crashed attempts after which the job was retried, of all kinds."""
    crashes: int = 0
    """Attempts whose process died, of all kinds."""
    late_results: int = 0
    """Results that were refused because the lease of their attempt was lost, of all kinds."""
