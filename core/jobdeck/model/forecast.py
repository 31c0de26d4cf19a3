"""Statistics of a queue, and a forecast of when it will be empty at its recent rate. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from itertools import pairwise

from .claim_conditions import is_available, matches
from .overview import QueueInfo, TimeSlice, WorkerInfo
from .record_class import record
from .states import State

Point = tuple[float, int]
"""A time, and the number of jobs that were ready then."""

WINDOW = 120.0
"""Seconds of the recent past on which the forecast is based."""
_SHORTEST = 15.0
"""Minimum length in seconds of the observation of a rate."""
_KEEPS_UP = 10.0
"""Seconds: if the ready jobs can be started sooner than this, they do not pile up."""
_OVERDUE = 30.0
"""Seconds: if the oldest job has waited longer, some jobs are not served, however fast the others start."""
_BURST = 0.75
"""Share of all arrivals: if more than this arrived between two samples, it is a burst."""
_BURST_SECONDS = 20.0
"""Seconds: arrivals between two samples further apart may not have been simultaneous."""
_RECENT = 5.0
"""Seconds that a job can be ready before the lack of starts means anything."""


class Trend(StrEnum):
    """The trend of the number of ready jobs in a queue, based on the last minutes."""

    EMPTY = "empty"
    KEEPS_UP = "keeps up"
    """New jobs start within seconds."""
    DRAINING = "draining"
    STEADY = "steady"
    """Jobs arrive as fast as they start, and others wait."""
    GROWING = "growing"
    PAUSED = "paused"
    STALLED = "stalled"


@record(kw_only=True)
class QueueStats:
    """A queue and its last minutes, read in one transaction."""

    at: float
    info: QueueInfo
    slices: tuple[TimeSlice, ...]
    """Oldest first, without gaps; the last one is incomplete. Only `total` has the percentiles of run and wait times."""
    total: TimeSlice
    """The sum of all slices. Its `seconds` end now."""
    oldest_wait: float | None = None
    """Seconds that the oldest ready job has waited."""
    kinds: Mapping[str, Mapping[State, int]] = field(default_factory=dict)
    """The kinds that have jobs in the queue, with their counts by state."""
    served_by: tuple[WorkerInfo, ...] = ()
    """The live workers that claim jobs from it."""
    depth_history: tuple[Point, ...] = ()
    """Samples of the number of ready jobs in the last minutes, oldest first, including now."""

    @property
    def running(self) -> int:
        """The number of its running jobs."""
        return self.info.counts.get(State.RUNNING, 0)

    @property
    def threads(self) -> int:
        """The number of threads that serve it, and possibly other queues, too."""
        return sum(worker.threads for worker in self.served_by)

    @property
    def capacity(self) -> int:
        """The number of its jobs that can run at once, as limited by its limit and the threads."""
        limit = self.info.limits.running
        return self.threads if limit is None else min(limit, self.threads) if self.threads else limit

    @property
    def unserved(self) -> Mapping[str, int]:
        """The ready jobs of kinds that no live worker serves in this queue: kind → number."""
        return {
            kind: counts[State.PENDING]
            for kind, counts in self.kinds.items()
            if counts.get(State.PENDING) and not any(matches(each, self.info.name, kind) for each in self.served_by)
        }


@record(kw_only=True)
class Forecast:
    """When a queue will be empty, at the rate of the last minutes."""

    trend: Trend
    empty_in: float | None = None
    """Seconds until it is empty, if it is draining."""
    growth: float | None = None
    """Change of the number of ready jobs per second; `None` if it was not observed."""
    reason: str = ""
    """Why it is stalled, or the assumption that the forecast makes."""


def find_serving_workers(
    workers: Sequence[WorkerInfo], queue: str, kinds: Mapping[str, Mapping[State, int]], at: float
) -> list[WorkerInfo]:
    """Return the workers that claim jobs from the queue: of its ready kinds or, if no job is ready, of any of its kinds."""
    ready = [kind for kind, counts in kinds.items() if counts.get(State.PENDING)]
    wanted = ready or [*kinds]
    available = [each for each in workers if is_available(each, at) and (not each.queues or queue in each.queues)]
    return [each for each in available if not wanted or any(matches(each, queue, kind) for kind in wanted)]


def forecast(stats: QueueStats, trail: Sequence[Point] = ()) -> Forecast:
    """Forecast the number of ready jobs in a queue.

    Without a live worker, or without an observed rate, the queue is stalled. A change of its depth beyond random
    fluctuation means that it grows or drains. Jobs that arrived in one burst are not part of the rate; they are part of
    the jobs to run.

    Args:
        stats: the state of the queue.
        trail: samples of its depth, if taken more often than those of each minute in `backlog`.
    """
    ready = stats.info.pending
    if stats.info.paused:
        return Forecast(trend=Trend.PAUSED)
    if not ready:
        return Forecast(trend=Trend.EMPTY, empty_in=0.0)
    if not stats.served_by:
        return Forecast(trend=Trend.STALLED, reason="no worker serves it")
    a_second = start_rate(stats)
    if not a_second:
        is_recent = stats.oldest_wait is not None and stats.oldest_wait < _RECENT and stats.running < stats.capacity
        if is_recent:
            return Forecast(trend=Trend.KEEPS_UP)
        return Forecast(trend=Trend.STALLED, reason=_stall_reason(stats))
    if ready <= a_second * _KEEPS_UP and (stats.oldest_wait or 0.0) <= _OVERDUE:
        return Forecast(trend=Trend.KEEPS_UP)
    pace = depth_change(trail or stats.depth_history)
    if pace is None:
        return Forecast(trend=Trend.DRAINING, empty_in=ready / a_second, reason="if no more jobs arrive")
    change, seconds = pace
    growth = change / seconds
    arrived = max(0.0, a_second * seconds + change)
    # Jobs arrive at random: if n arrived, n may as well have been 2 √n larger or smaller.
    if abs(change) <= 2 * math.sqrt(arrived) or not change:
        return Forecast(trend=Trend.STEADY, growth=growth)
    if change > 0:
        return Forecast(trend=Trend.GROWING, growth=growth)
    return Forecast(trend=Trend.DRAINING, empty_in=ready / -growth, growth=growth)


def start_rate(stats: QueueStats) -> float:
    """Return the jobs started per second in the last minutes, or over all slices if none started in those."""
    workers_since = min((each.started_at for each in stats.served_by), default=stats.at)
    for window in (WINDOW, math.inf):
        start = max(stats.at - window, min(workers_since, stats.at - _RECENT))
        counted = [slot for slot in stats.slices if slot.at + slot.seconds > start]
        started = sum(slot.started for slot in counted)
        if started:
            # Before the first start, the queue was idle unless a job was waiting.
            busy_since = next(slot.at for slot in counted if slot.started)
            if stats.oldest_wait is not None:
                busy_since = min(busy_since, stats.at - stats.oldest_wait)
            return started / max(1.0, stats.at - max(start, counted[0].at, busy_since))
    return 0.0


def depth_change(trail: Sequence[Point]) -> tuple[int, float] | None:
    """Return the change of the number of ready jobs over the last minutes, and the seconds in which it happened.

    Return `None` if the samples cover too short a time. A burst is excluded: only the samples after it count.
    """
    points = [point for point in trail if point[0] >= trail[-1][0] - WINDOW]
    rises = [max(0, after[1] - before[1]) for before, after in pairwise(points)]
    if rises and max(rises) > _BURST * sum(rises):
        at = rises.index(max(rises))
        if points[at + 1][0] - points[at][0] <= _BURST_SECONDS:
            points = points[at + 1 :]
    if len(points) < 2 or points[-1][0] - points[0][0] < _SHORTEST:
        return None
    return points[-1][1] - points[0][1], points[-1][0] - points[0][0]


def _stall_reason(stats: QueueStats) -> str:
    """Return why no jobs start, although workers serve the queue."""
    limits = stats.info.limits
    if limits.running is not None and stats.running >= limits.running:
        return f"its limit of {limits.running:,} at once is reached"
    if not stats.threads or sum(each.running for each in stats.served_by) >= stats.threads:
        return "all threads are busy" if stats.threads else "no thread serves it"
    if sum(stats.unserved.values()) >= stats.info.pending:
        return "no worker knows its kinds"
    return "its rate limit is reached" if limits.rate is not None else "no job has started"
