"""Reads metrics: counts and latencies by slices of time, samples of depth, failures in groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ...model.errors import InvalidOption
from ...model.kind_names import ONE_KIND_SQL
from ...model.metrics import ErrorGroup, Grouping, Metrics, failure_place
from ...model.overview import TimeSlice
from ...model.totals import Totals
from ..backend import Backend, SqlConnection
from ..queries.dialect import Dialect
from ..queries.oldest_wait import oldest_waits
from .depth_samples import prune_depths, sample_depths
from .histogram import bucket
from .time_slices import METRICS, RUNNING, WIDTHS, SliceTotals, TimeSlices, aggregate
from .totals import prune_totals, read_totals

FAILURES_READ = 10_000
"""The number of failed attempts, the newest, that are read and grouped."""
_SAMPLES = 5
"""The number of jobs that are named for each group of errors."""

_COMPLETED = f"""
SELECT {{group_by}}, CAST((slot - :begin) / :width AS INTEGER), sum(n) FROM jobdeck_metrics
 WHERE width IN ({", ".join(map(str, WIDTHS))}) AND slot >= :begin AND measure = 'completed'
   AND queue = coalesce(:queue, queue) AND {ONE_KIND_SQL}
 GROUP BY 1, 2
"""
# The newest are found first, whatever number of rows the database expects; then the job of each is looked up.
_FAILURES = """
SELECT * FROM (
  SELECT job_id, (SELECT kind FROM jobdeck_jobs WHERE id = job_id) AS kind, error_type, message, traceback, finished_at, outcome
    FROM (SELECT * FROM jobdeck_attempts {by_index} WHERE outcome IN ('failed', 'timed out', 'crashed')
           ORDER BY finished_at DESC LIMIT ?) AS newest) AS failures
 WHERE kind IS NOT NULL ORDER BY finished_at DESC
"""


class SqlMetrics:
    """The metrics of one database."""

    def __init__(self, backend: Backend, dialect: Dialect) -> None:
        self._backend = backend
        self._failures = _FAILURES.format(by_index=dialect.by("jobdeck_failures"))
        self._folded_before = 0
        self._pruned_at = 0.0

    def sample_depths(self) -> bool:
        """Record the depth of the queues, once a minute in all processes; return `False` if this minute has its sample."""
        return sample_depths(self._backend)

    def prune_depths(self) -> None:
        """Keep only the peak of each hour of old samples, and delete the oldest, so that the samples stay small."""
        self._folded_before = prune_depths(self._backend, self._folded_before)

    def prune_totals(self) -> None:
        """Delete, once an hour, the totals of kinds that have no jobs and no metrics anymore, so that the totals stay small."""
        self._pruned_at = prune_totals(self._backend, self._pruned_at)

    def totals(self, limit: int) -> Totals:
        """Return the totals since the queue exists, of at most `limit` pairs of queue and kind."""
        with self._backend.read_transaction() as connection:
            return read_totals(connection, limit)

    def oldest_waits(self) -> Mapping[str, float]:
        """Return the seconds that the oldest ready job of each queue has waited, for queues that have one."""
        with self._backend.read_transaction() as connection:
            return oldest_waits(connection, self._backend.now(connection))

    def metrics(
        self, *, seconds: float, slices: int, queue: str | None = None, kind: str | None = None, by: Grouping | None = None
    ) -> Metrics:
        """Return the metrics of the last `seconds`, in about `slices` slices, of one queue or kind or of all.

        Raises:
            InvalidOption: an argument is out of range.
        """
        if not 10 <= seconds <= 90 * 86400:
            raise InvalidOption("range", "must be from 10 seconds to 90 days")
        if not 1 <= slices <= 10_000:
            raise InvalidOption("number of slices", "must be from 1 to 10,000")
        with self._backend.read_transaction() as connection:
            now = self._backend.now(connection)
            cut = TimeSlices.of(now, seconds, slices)
            made, total = aggregate(connection, cut, now, queue, kind)
            only = {"queue": queue, "kind": kind}
            groups = self._groups(connection, cut, now, by, only) if by else {}
            completed = _completed(connection, cut, by, only) if by else {}
            waits = oldest_waits(connection, now, queue, kind)
            pending = connection.execute(
                "SELECT coalesce(sum(n), 0) FROM jobdeck_counts WHERE state = 'pending'"
                f" AND queue = coalesce(:queue, queue) AND {ONE_KIND_SQL}",
                {"queue": queue, "kind": kind},
            ).get
        return Metrics(
            at=now,
            slices=made,
            total=total,
            pending=pending,
            oldest_wait=max(waits.values(), default=None),
            groups=groups,
            completed={name: completed.get(name) or (0,) * cut.count for name in groups},
        )

    def _groups(
        self, connection: SqlConnection, slices: TimeSlices, now: float, by: Grouping, only: Mapping[str, str | None]
    ) -> dict[str, TimeSlice]:
        sums: defaultdict[str, SliceTotals] = defaultdict(SliceTotals)
        bound = {"begin": slices.begin, **only}
        for name, measure, step, n in connection.execute(METRICS.format(group_by=by.value), bound):
            sums[name].add(measure, step, n)
        for queue, kind, started, due in connection.execute(RUNNING, bound):
            sums[queue if by is Grouping.QUEUE else kind].add("wait", bucket(started - due), 1)
        seconds = max(1.0, now - slices.begin)
        return {name: sums[name].slot(slices.begin, seconds) for name in sorted(sums)}

    def errors(self, newest: int = FAILURES_READ) -> list[ErrorGroup]:
        """Return the newest failed attempts, grouped by kind, error and place; the largest group first."""
        with self._backend.read_transaction() as connection:
            return _group(connection.execute(self._failures, (newest,)))


def _completed(
    connection: SqlConnection, slices: TimeSlices, by: Grouping, only: Mapping[str, str | None]
) -> dict[str, tuple[int, ...]]:
    found: defaultdict[str, list[int]] = defaultdict(lambda: [0] * slices.count)
    bound = {"begin": slices.begin, "width": slices.width, **only}
    for name, index, n in connection.execute(_COMPLETED.format(group_by=by.value), bound):
        if 0 <= index < slices.count:  # a clock that was set back leaves slots in the future
            found[name][index] += n
    return {name: tuple(counts) for name, counts in found.items()}


def _group(rows: Iterable[Any]) -> list[ErrorGroup]:
    """Group failures, which come newest first; the largest group first, of equal ones the newest."""
    found: dict[tuple[str, str, str], tuple[str, dict[int, None], list[float]]] = {}
    for job_id, kind, error_type, message, traceback, at, outcome in rows:
        key = (kind, error_type or outcome, failure_place(error_type, message, traceback))
        message, jobs, seen = found.setdefault(key, (message or "", {}, []))
        seen.append(at)
        if len(jobs) < _SAMPLES:
            jobs[job_id] = None
    groups = [
        ErrorGroup(
            kind=kind,
            error_type=error_type,
            place=place,
            count=len(seen),
            first_seen=seen[-1],
            last_seen=seen[0],
            message=message,
            job_ids=tuple(jobs),
            seen_at=tuple(seen),
        )
        for (kind, error_type, place), (message, jobs, seen) in found.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, -group.last_seen))
