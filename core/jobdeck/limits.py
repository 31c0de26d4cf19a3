"""The limits of queues: how many jobs may run at once, and how many may start in a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from .kinds.job_options import check_name
from .model.jobs import Limits
from .model.journal import Actor
from .store.base import Store
from .store.operations.queue_operations import make_limits


class QueueLimits:
    """`Queue.limits`: reads and sets the limits of queues, which hold for all processes together."""

    def __init__(self, store: Store, actor: Callable[[str | None], Actor]) -> None:
        self._store = store
        self._actor = actor

    def get(self, queue: str) -> Limits:
        """Return the limits of a queue; all are `None` if it has none."""
        return next((each.limits for each in self._store.queries.queues() if each.name == queue), Limits())

    def set(
        self,
        queue: str,
        *,
        running: int | None = None,
        rate: int | None = None,
        period: float | None = None,
        keep: bool = False,
        actor: str | None = None,
    ) -> None:
        """Replace the limits of a queue. An omitted limit is removed.

        Args:
            queue: the queue.
            running: the number of jobs that may run at once.
            rate: the number of jobs that may start within any `period` seconds.
            period: seconds; 1 if a rate is given without it.
            keep: an omitted limit is unchanged instead.
            actor: the actor.

        Raises:
            InvalidOption: a limit is out of range.
        """
        check_name(queue)
        with self._store.transaction() if keep else nullcontext():
            if keep:
                kept = self.get(queue)
                running = kept.running if running is None else running
                rate, period = (kept.rate, kept.period) if rate is None else (rate, period)
            limits = make_limits(running=running, rate=rate, period=period)
            self._store.queues.set_limits(queue, limits, by=self._actor(actor))
