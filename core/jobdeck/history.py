"""The past of a queue: metrics, errors, runs and events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .clock import Clock
from .model.errors import InvalidOption
from .model.events import MAX_RUNS, Event, EventType, Runs
from .model.metrics import ErrorGroup, Grouping, Metrics
from .model.totals import Totals
from .store.base import Store
from .store.metrics.sql_metrics import FAILURES_READ


class History:
    """`Queue.history`: reads what happened to jobs, as a sum, as runs and as events."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def metrics(
        self,
        *,
        seconds: float = 600.0,
        slices: int = 60,
        queue: str | None = None,
        kind: str | None = None,
        by: str | None = None,
    ) -> Metrics:
        """Return throughput, failures, percentiles and depth over the last `seconds`, in total and in slices.

        Args:
            seconds: from 10 seconds to 90 days.
            slices: the approximate number of slices. Each consists of whole stored slots, which grow with age: 5 s in the last
                hour, a minute in the last 6, 10 minutes in the last 2 days, then an hour, then a day.
            queue: only this queue.
            kind: only this kind; without depth, which is sampled by queue.
            by: `queue` or `kind`: add the totals of each.

        Raises:
            InvalidOption: an argument is out of range.
        """
        if by is not None and by not in list(Grouping):
            raise InvalidOption("grouping", f"must be {' or '.join(Grouping)}, not {by!r}")
        group = None if by is None else Grouping(by)
        return self._store.metrics.metrics(seconds=seconds, slices=slices, queue=queue, kind=kind, by=group)

    def totals(self, *, limit: int = 1000) -> Totals:
        """Return the totals since the queue exists: finished jobs, run and wait times by queue and kind, retries, crashes.

        They only grow, for monitors that compute rates by themselves. Those of a kind are deleted when it has had no jobs for
        90 days.

        Args:
            limit: the number of pairs of a queue and a kind at most.
        """
        return self._store.metrics.totals(limit)

    def oldest_waits(self) -> Mapping[str, float]:
        """Return the seconds that the oldest ready job of each queue has waited, for queues that have one."""
        return self._store.metrics.oldest_waits()

    def errors(self, *, newest: int = FAILURES_READ) -> Sequence[ErrorGroup]:
        """Return the `newest` failed attempts, grouped by kind, error and place; the largest group first."""
        return self._store.metrics.errors(newest)

    def runs(self, since: float, until: float | None = None, *, limit: int = MAX_RUNS, slices: int = 100) -> Runs:
        """Return the runs that overlap a period, newest first, with the running ones in front.

        If more than about `limit` ended in it, the result is a sample: the newest runs of each slice of the period. Of the runs
        that ended after `until`, only the next 2,000 are checked.

        Args:
            since: the start of the period.
            until: the end of the period; now if `None`.
            limit: the number of runs at most, without the running ones.
            slices: the number of slices of the sample.

        Raises:
            InvalidOption: an argument is out of range.
        """
        return self._store.history.runs(since, self._clock.now() if until is None else until, limit=limit, slices=slices)

    def events(self, *, after: float | None = None, limit: int = 200, only: Collection[EventType] = ()) -> Sequence[Event]:
        """Return the newest events, oldest first: what happened to jobs, and what people did.

        Events are derived from the stored jobs, attempts and journal, so they exist as long as the job does, and a later run
        replaces an end without an attempt. A result is stored a moment after it happened: to follow events, read the last
        seconds again, and identify events by their keys.

        Args:
            after: only events after this time; all if `None`.
            limit: the number of events at most.
            only: only events of these types; all if empty.

        Raises:
            InvalidOption: the limit is out of range.
        """
        return self._store.history.events(after=after, limit=limit, only=only)
