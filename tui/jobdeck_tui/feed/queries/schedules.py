"""Every schedule with its next ticks and its newest jobs."""

from __future__ import annotations

import time
from functools import lru_cache

from jobdeck import JobdeckError, Queue, Schedule, ScheduledRun, next_ticks, record

TICKS = 5
"""The number of next ticks shown."""
MOST = 300
"""The maximum number of schedules whose history is read."""
_PATIENCE = 0.1
"""Seconds for computing ticks that are not cached yet; the rest follows with the next read."""


@record
class ScheduleData:
    """A schedule, its next ticks, and its newest jobs, newest first."""

    schedule: Schedule
    ticks: tuple[float, ...] = ()
    history: tuple[ScheduledRun, ...] = ()

    @property
    def last(self) -> ScheduledRun | None:
        """The last job that it enqueued, if that still exists."""
        return self.history[0] if self.history else None


@record
class SchedulesData:
    """All schedules, at one moment."""

    at: float
    schedules: tuple[ScheduleData, ...]


@record
class SchedulesQuery:
    """Reads every schedule, by name."""

    jobs: int = 20
    interval: float = 1.0

    def read(self, queue: Queue) -> SchedulesData:
        """Read the schedules."""
        until = time.monotonic() + _PATIENCE
        seen = []
        for place, each in enumerate(queue.schedules.list()):
            ticks: tuple[float, ...] = (each.next_at,)
            if time.monotonic() < until:
                ticks = _ticks(each.cron, each.timezone, each.next_at)
            history = queue.schedules.history(each.name, self.jobs) if place < MOST else ()
            seen.append(ScheduleData(each, ticks, tuple(history)))
        return SchedulesData(queue.clock.now(), tuple(seen))


@lru_cache(maxsize=4096)
def _ticks(cron: str, timezone: str, first: float) -> tuple[float, ...]:
    try:
        return (first, *next_ticks(cron, timezone, after=first, n=TICKS - 1))
    except JobdeckError:  # its very last tick, or an unusable row
        return (first,)
