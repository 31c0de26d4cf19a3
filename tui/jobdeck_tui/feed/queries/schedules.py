"""Every schedule with its next ticks and what became of its newest jobs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache

from jobdeck import JobdeckError, PastJob, Queue, Schedule, next_ticks

TICKS = 5
"""Ticks that are told."""
MOST = 300
"""Schedules whose history is read; of the others only the newest job is told by its id."""
_PATIENCE = 0.1
"""Seconds for working out ticks that were not known before: the rest follows with the next look."""


@dataclass(frozen=True, slots=True)
class ScheduleSeen:
    """A schedule, its next ticks, and its newest jobs, the newest first."""

    schedule: Schedule
    ticks: tuple[float, ...] = ()
    history: tuple[PastJob, ...] = ()

    @property
    def last(self) -> PastJob | None:
        """The job that it enqueued last, if it is still there."""
        return self.history[0] if self.history else None


@dataclass(frozen=True, slots=True)
class SchedulesSeen:
    """All of them, at one moment."""

    at: float
    schedules: tuple[ScheduleSeen, ...]


@dataclass(frozen=True, slots=True)
class SchedulesLook:
    """Every schedule, by name."""

    jobs: int = 20
    every: float = 1.0

    def read(self, queue: Queue) -> SchedulesSeen:
        """Read them."""
        until = time.monotonic() + _PATIENCE
        seen = []
        for place, each in enumerate(queue.schedules.list()):
            ticks: tuple[float, ...] = (each.next_at,)
            if time.monotonic() < until:
                ticks = _ticks(each.cron, each.timezone, each.next_at)
            history = queue.schedules.history(each.name, self.jobs) if place < MOST else ()
            seen.append(ScheduleSeen(each, ticks, tuple(history)))
        return SchedulesSeen(queue.clock.now(), tuple(seen))


@lru_cache(maxsize=4096)
def _ticks(cron: str, timezone: str, first: float) -> tuple[float, ...]:
    try:
        return (first, *next_ticks(cron, timezone, after=first, n=TICKS - 1))
    except JobdeckError:  # its last tick of all, or a row that cannot be used
        return (first,)
