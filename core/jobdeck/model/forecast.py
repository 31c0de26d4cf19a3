"""What waits in a queue, who works it off, how fast, and when it will be empty at that pace. The forecast is pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from .claim_conditions import could_serve, serves
from .overview import QueueInfo, Slot, WorkerInfo
from .states import State

Point = tuple[float, int]
"""A moment, and how many jobs were ready then."""

WINDOW = 120.0
"""Seconds: the last minutes, whose pace the forecast goes by."""
_SHORTEST = 15.0
"""Seconds that a pace must have been seen for."""
_MOMENTS = 10.0
"""Seconds: what is worked off sooner than this does not pile up."""
_OVERDUE = 30.0
"""Seconds: where the oldest job has waited longer, something is left lying, however fast the others go."""
_HEAP = 0.75
"""Share of all that came: what came between two looks and is more than this is a heap."""
_AT_ONCE = 20.0
"""Seconds: what came between two looks further apart may have come one by one."""
_JUST_COME = 5.0
"""Seconds: a job may be ready for so long before that nothing has started says anything."""


class Outlook(StrEnum):
    """What becomes of the ready jobs of a queue, if all goes on as in the last minutes."""

    EMPTY = "empty"
    KEEPS_UP = "keeps up"
    """What comes is started within moments."""
    DRAINING = "draining"
    STEADY = "steady"
    """As many come as are started, and others wait."""
    GROWING = "growing"
    PAUSED = "paused"
    STILL = "stands still"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """A queue as it stands, and its last minutes. All of one moment."""

    at: float
    info: QueueInfo
    slots: tuple[Slot, ...]
    """Oldest first, without gaps, the last one still filling. How long runs and waits took is told in `total` only."""
    total: Slot
    """All of them. Its `seconds` end now."""
    oldest: float | None = None
    """Seconds that the oldest ready job has waited."""
    kinds: Mapping[str, Mapping[State, int]] = field(default_factory=dict)
    """The kinds that have jobs in it, with their counts."""
    served_by: tuple[WorkerInfo, ...] = ()
    """The live workers that claim some of its jobs."""
    trail: tuple[Point, ...] = ()
    """How many jobs were ready at moments of the last minutes, oldest first, now included."""

    @property
    def running(self) -> int:
        """Jobs of it that run."""
        return self.info.counts.get(State.RUNNING, 0)

    @property
    def threads(self) -> int:
        """How many threads serve it, and perhaps other queues too."""
        return sum(worker.threads for worker in self.served_by)

    @property
    def room(self) -> int:
        """How many of its jobs can run at once: as its limit or the threads allow."""
        limit = self.info.limits.running
        return self.threads if limit is None else min(limit, self.threads) if self.threads else limit

    @property
    def unserved(self) -> Mapping[str, int]:
        """Ready jobs of kinds that no live worker serves here: kind → how many."""
        return {
            kind: counts[State.PENDING]
            for kind, counts in self.kinds.items()
            if counts.get(State.PENDING) and not any(serves(each, self.info.name, kind) for each in self.served_by)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a queue will be empty, at the pace of the last minutes."""

    outlook: Outlook
    empty_in: float | None = None
    """Seconds, where it drains."""
    growth: float | None = None
    """Ready jobs that are more, or fewer, each second; `None` where that was not seen."""
    why: str = ""
    """Why it stands still; what else the forecast rests on."""


def served_by(
    workers: Sequence[WorkerInfo], queue: str, kinds: Mapping[str, Mapping[State, int]], at: float
) -> list[WorkerInfo]:
    """The workers that claim some job of the queue: of what is ready there, or else of any kind that it holds."""
    ready = [kind for kind, counts in kinds.items() if counts.get(State.PENDING)]
    wanted = ready or [*kinds]
    takers = [each for each in workers if could_serve(each, at) and (not each.queues or queue in each.queues)]
    return [each for each in takers if not wanted or any(serves(each, queue, kind) for kind in wanted)]


def forecast(backlog: Backlog, trail: Sequence[Point] = ()) -> Forecast:
    """What becomes of the ready jobs.

    A worker that is alive and a rate that was seen are needed for anything better than *stands still*. What the depth
    does beyond chance decides between growing and draining; jobs that came in one heap are no pace, and count as what is
    there to be worked off.

    Args:
        backlog: the queue.
        trail: how deep it was, if somebody has watched it more closely than the samples of each minute.
    """
    ready = backlog.info.pending
    if backlog.info.paused:
        return Forecast(outlook=Outlook.PAUSED)
    if not ready:
        return Forecast(outlook=Outlook.EMPTY, empty_in=0.0)
    if not backlog.served_by:
        return Forecast(outlook=Outlook.STILL, why="no worker serves it")
    a_second = started_a_second(backlog)
    if not a_second:
        just_come = backlog.oldest is not None and backlog.oldest < _JUST_COME and backlog.running < backlog.room
        if just_come:
            return Forecast(outlook=Outlook.KEEPS_UP)
        return Forecast(outlook=Outlook.STILL, why=_held(backlog))
    if ready <= a_second * _MOMENTS and (backlog.oldest or 0.0) <= _OVERDUE:
        return Forecast(outlook=Outlook.KEEPS_UP)
    pace = pace_of(trail or backlog.trail)
    if pace is None:
        return Forecast(outlook=Outlook.DRAINING, empty_in=ready / a_second, why="if nothing more comes")
    change, seconds = pace
    growth = change / seconds
    came = max(0.0, a_second * seconds + change)
    # Jobs come by chance: of n that came, the n may as well have been 2 √n more or fewer.
    if abs(change) <= 2 * math.sqrt(came) or not change:
        return Forecast(outlook=Outlook.STEADY, growth=growth)
    if change > 0:
        return Forecast(outlook=Outlook.GROWING, growth=growth)
    return Forecast(outlook=Outlook.DRAINING, empty_in=ready / -growth, growth=growth)


def started_a_second(backlog: Backlog) -> float:
    """Jobs started each second in the last minutes; over a longer time where nothing was in those."""
    begun = min((each.started_at for each in backlog.served_by), default=backlog.at)
    for window in (WINDOW, math.inf):
        begin = max(backlog.at - window, min(begun, backlog.at - _JUST_COME))
        counted = [slot for slot in backlog.slots if slot.at + slot.seconds > begin]
        started = sum(slot.started for slot in counted)
        if started:
            return started / max(1.0, backlog.at - max(begin, counted[0].at))
    return 0.0


def pace_of(trail: Sequence[Point]) -> tuple[int, float] | None:
    """How the number of ready jobs changed over the last minutes, and in how many seconds; `None`: not seen long enough.

    A heap that came at once is left out: the pace is that since then.
    """
    points = [point for point in trail if point[0] >= trail[-1][0] - WINDOW]
    rises = [max(0, after[1] - before[1]) for before, after in pairwise(points)]
    if rises and max(rises) > _HEAP * sum(rises):
        at = rises.index(max(rises))
        if points[at + 1][0] - points[at][0] <= _AT_ONCE:
            points = points[at + 1 :]
    if len(points) < 2 or points[-1][0] - points[0][0] < _SHORTEST:
        return None
    return points[-1][1] - points[0][1], points[-1][0] - points[0][0]


def _held(backlog: Backlog) -> str:
    """Why nothing starts, although somebody serves it."""
    limits = backlog.info.limits
    if limits.running is not None and backlog.running >= limits.running:
        return f"{limits.running:,} at once are running"
    if not backlog.threads or sum(each.running for each in backlog.served_by) >= backlog.threads:
        return "every thread is busy" if backlog.threads else "no thread serves it"
    if sum(backlog.unserved.values()) >= backlog.info.pending:
        return "no worker knows its kinds"
    return "its rate is used up" if limits.rate is not None else "nothing has started"
