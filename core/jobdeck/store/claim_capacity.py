"""The capacity for claims: which lanes a worker may claim from, and how many jobs, under pauses, limits and rates.

A lane is a queue and a kind. A store reads the limits in the transaction of the claim, and the jobs that are selected here
are claimed in that same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from math import inf
from typing import Any, TypeVar

from ..model.errors import RowDamaged
from ..model.kind_names import handler_kind
from ..model.record_class import record
from ..model.states import State
from .records import COLUMN_INDEX

LIMIT_POLL = 0.1
"""Seconds between two polls while a limit withholds jobs: the end of another process's job notifies no worker."""

_KIND, _QUEUE, _CRASHES = COLUMN_INDEX["kind"], COLUMN_INDEX["queue"], COLUMN_INDEX["crashes"]
_ATTEMPT, _MAX_ATTEMPTS = COLUMN_INDEX["attempt"], COLUMN_INDEX["max_attempts"]

Picked = TypeVar("Picked", bound=Sequence[Any])
"""A row of `JOB_COLUMNS`, with its attempt already counted."""


@record
class ClaimRequest:
    """The jobs that a worker asks for."""

    worker: str
    idle: int
    """The number of jobs at most: a thread waits for each."""
    kinds: Collection[str]
    """The kinds that the worker runs."""
    queues: Collection[str]
    """The queues that it serves; all if empty."""
    lease: float
    """Seconds."""
    ahead: int = 0
    """The number of jobs to prefetch beyond those, to be started within moments. A crash could interrupt them before they have
    started, so no job is prefetched on its last attempt, or after a crash."""
    suspects: bool = True
    """`True` if one job that a crash has interrupted may be among them."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Kind → the number of its jobs that may run at once, in all processes together."""
    ageing: float = 0.0
    """Seconds of being due that count as one step of priority; 0 if priorities do not age."""


def select_claimable(rows: Sequence[Picked], idle: int, capacity: ClaimCapacity, *, suspects: bool) -> list[Picked]:
    """Return the ready rows, in order, that may be claimed for the idle threads and prefetched beyond them.

    If the process dies, prefetched jobs lose an attempt even though they have not started. So a job is not prefetched on its
    last attempt, nor after a crash, nor from a queue with a rate limit, which counts starts. The jobs after it wait too, so
    that the order is kept. A suspect, which a crash has interrupted, never runs alongside another suspect in the same process:
    one of them may be what kills it, and the others must not use up their attempts for that.
    """
    chosen: list[Picked] = []
    limited = capacity.limited
    for row in rows:
        crashed = row[_CRASHES] > 0
        if len(chosen) >= idle and (crashed or row[_ATTEMPT] >= row[_MAX_ATTEMPTS] or capacity.is_rate_limited(row[_QUEUE])):
            break
        if (crashed and not suspects) or (limited and not capacity.reserve(row[_QUEUE], row[_KIND])):
            continue
        if crashed:
            suspects = False
        chosen.append(row)
    return chosen


class ClaimCapacity:
    """The lanes that are open to a worker, and the number of jobs that each may start."""

    def __init__(
        self,
        request: ClaimRequest,
        lanes: Sequence[tuple[str, str, str, int]],
        queues: Iterable[tuple[str, float | None, int | None, int | None, float | None]],
        started_within: Callable[[str, float], tuple[int, float]],
    ) -> None:
        """Compute the capacity.

        Args:
            request: the worker's request.
            lanes: queue, kind, state and number of the pending and running jobs.
            queues: name, time of the pause, jobs at once, rate and period of the queues that have one of them.
            started_within: queue and period → the number of jobs started within the period up to now, and the seconds until
                the first of them leaves the period (the whole period if there is none).
        """
        self.retry_after = inf
        """Seconds after which a limit may have capacity that it does not have now."""
        self.started: Counter[str] = Counter()
        """The starts of the queues that have a rate, to be recorded."""
        self.periods: dict[str, float] = {}
        """The periods of these rates."""
        running: Counter[str] = Counter()
        by_kind: Counter[str] = Counter()
        for queue, kind, state, n in lanes:
            if type(queue) is not str or type(kind) is not str:
                raise RowDamaged("a counter of jobs")
            if state == State.RUNNING:
                running[queue] += n
                by_kind[handler_kind(kind)] += n
        paused = set[str]()
        # The number of jobs that may still run at once, by queue and by kind, and that may still start now, by queue.
        self._queues: dict[str, int] = {}
        self._kinds = {kind: max(0, most - by_kind[kind]) for kind, most in request.limits.items()}
        self._rates: dict[str, int] = {}
        self._free_in: dict[str, float] = {}
        for queue, paused_at, most, rate, period in queues:
            if paused_at is not None:
                paused.add(queue)
                continue
            if most is not None:
                self._queues[queue] = max(0, most - running[queue])
            if rate is not None and period is not None:
                started, free_in = started_within(queue, period)
                self._rates[queue] = max(0, rate - started)
                self.periods[queue] = period
                self._free_in[queue] = max(0.001, free_in)
        self._lanes = [
            (queue, kind)
            for queue, kind, state, _ in lanes
            if state == State.PENDING
            and (kind in request.kinds or handler_kind(kind) in request.kinds)
            and (not request.queues or queue in request.queues)
            and queue not in paused
        ]
        self.limited = bool(self._queues or self._kinds or self._rates)
        """`True` if any lane may have less capacity than jobs."""

    def open_lanes(self) -> list[tuple[str, str]]:
        """Return the lanes with capacity."""
        return [lane for lane in self._lanes if self._has_capacity(*lane)] if self.limited else self._lanes

    def is_rate_limited(self, queue: str) -> bool:
        """Return whether the queue has a rate, so that its starts are counted."""
        return queue in self._rates

    def _has_capacity(self, queue: str, kind: str) -> bool:
        if self._rates.get(queue, 1) <= 0:
            self.retry_after = min(self.retry_after, self._free_in[queue])
            return False
        if self._queues.get(queue, 1) <= 0 or self._kinds.get(handler_kind(kind), 1) <= 0:
            self.retry_after = min(self.retry_after, LIMIT_POLL)
            return False
        return True

    def reserve(self, queue: str, kind: str) -> bool:
        """Count one more start, and return whether it is allowed."""
        if not self._has_capacity(queue, kind):
            return False
        self._count(queue, kind, 1)
        return True

    def release(self, queue: str, kind: str) -> None:
        """Return the capacity of a reserved job that was not claimed after all."""
        self._count(queue, kind, -1)

    def _count(self, queue: str, kind: str, n: int) -> None:
        for capacity, name in ((self._queues, queue), (self._kinds, handler_kind(kind)), (self._rates, queue)):
            if name in capacity:
                capacity[name] -= n
        if queue in self._rates:
            self.started[queue] += n
