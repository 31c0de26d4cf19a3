"""Reads the conditions of the claim for one job, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ...model.claim_conditions import AHEAD_COUNTED, ClaimConditions, DrainRate, Parent, is_available, matches
from ...model.jobs import Job
from ...model.kind_names import HANDLER_SQL, handler_kind
from ...model.overview import WorkerInfo
from ...model.record_class import record
from ...model.states import State
from ..backend import SqlConnection, rows_of
from ..metrics.histogram import middle
from ..records import Row, policy_of, state_of
from .dialect import Dialect

_WINDOWS = (60, 600, 3600)
"""Seconds of history for the drain rate: the first window with enough runs is the most accurate."""
_ENOUGH = 10
"""The number of attempts that give a drain rate."""

_LANES = """
SELECT queue, kind FROM jobdeck_counts WHERE state = 'pending' AND n > 0
   AND queue NOT IN (SELECT name FROM jobdeck_queues WHERE paused_at IS NOT NULL AND name <> ?)
"""
# Two scans of the lane's range in the index of ready rows, in claim order, up to the limit.
_AHEAD = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM jobdeck_jobs {ready} WHERE state = 'pending'
          AND queue = :queue AND kind = :kind AND priority > :priority LIMIT :most) AS higher)
     + (SELECT count(*) FROM (SELECT 1 FROM jobdeck_jobs {ready} WHERE state = 'pending'
          AND queue = :queue AND kind = :kind AND priority = :priority AND id < :id LIMIT :most) AS earlier)
"""
# With ageing, the order of the index differs from that of the claim: a bounded number of each lane is read.
_AHEAD_AGED = """
SELECT count(*) FROM (
    SELECT 1 FROM (SELECT id, {aged} AS effective
                     FROM jobdeck_jobs {ready}
                    WHERE state = 'pending' AND queue = :queue AND kind = :kind
                    ORDER BY priority DESC, id LIMIT 50000) AS front
     WHERE effective > :effective OR (effective = :effective AND id < :id) LIMIT :most) AS counted
"""
_RUNS = """
SELECT queue, kind, bucket, sum(n) FROM jobdeck_metrics
 WHERE width IN (5, 60) AND slot >= ? AND measure = 'run' GROUP BY 1, 2, 3
"""
_SUSPECTS = "SELECT worker, min(id) FROM jobdeck_jobs WHERE state = 'running' AND crashes > 0 GROUP BY worker"
_PARENTS = """
SELECT wait.parent, job.state FROM jobdeck_waits AS wait LEFT JOIN jobdeck_jobs AS job ON job.id = wait.parent
 WHERE wait.child = ? ORDER BY coalesce(job.state IN ('failed', 'cancelled'), false) DESC, wait.parent LIMIT 1000
"""


@record
class ReadTime:
    """The time of the read."""

    now: float
    lease_now: float
    """The time on the clock that leases are measured on."""
    ageing: float
    """Seconds of being due that count as one step of priority; 0 if priorities do not age."""


def read_claim_conditions(
    connection: SqlConnection, dialect: Dialect, job: Job, workers: Sequence[WorkerInfo], moment: ReadTime
) -> ClaimConditions:
    """See `SqlDiagnostics.claim_conditions`."""
    now = moment.now
    limits = "SELECT paused_at, max_running, rate, rate_period FROM jobdeck_queues WHERE name = ?"
    rows = rows_of(connection, limits, (job.queue,))
    paused_at, max_running, rate, period = rows[0] if rows else (None, None, None, None)
    if_parent_fails = connection.execute("SELECT if_parent_fails FROM jobdeck_jobs WHERE id = ?", (job.id,)).get
    takers = [each for each in workers if is_available(each, now) and matches(each, job.queue, job.kind)]
    ready = job.state is State.PENDING
    return ClaimConditions(
        at=now,
        job=job,
        workers=workers,
        paused_at=paused_at,
        max_running=max_running,
        queue_running=_running(connection, "queue", job.queue),
        kind_running=_running(connection, HANDLER_SQL, handler_kind(job.kind)),
        rate=rate,
        rate_period=period,
        rate_free_in=_rate_free_in(connection, job.queue, rate, period, moment.lease_now),
        parents=[Parent(id=row[0], state=row[1] and state_of(row[1])) for row in connection.execute(_PARENTS, (job.id,))],
        if_parent_fails=policy_of(if_parent_fails),
        crash_suspects={row[0]: row[1] for row in connection.execute(_SUSPECTS)} if ready and job.crashes else {},
        ahead=_ahead(connection, dialect, job, takers, now, moment.ageing) if ready else None,
        drain_rate=_pace(connection, takers, now) if ready else None,
    )


def _running(connection: SqlConnection, column: str, value: str) -> int:
    query = f"SELECT coalesce(sum(n), 0) FROM jobdeck_counts WHERE state = 'running' AND {column} = ?"
    return int(connection.execute(query, (value,)).get)


def _rate_free_in(connection: SqlConnection, queue: str, rate: int | None, period: float | None, now: float) -> float | None:
    """Return the seconds until the rate allows another start; `None` if it allows one now."""
    if rate is None or period is None:
        return None
    starts = rows_of(
        connection,
        "SELECT at, n FROM jobdeck_starts WHERE queue = ? AND at > ? AND at <= ? ORDER BY at",
        (queue, now - period, now),
    )
    used = sum(n for _, n in starts)
    free_at = None
    for at, n in starts:
        if used < rate:
            break
        used -= n
        free_at = at + period
    return None if free_at is None else free_at - now


def _competing(rows: Sequence[Row], takers: Sequence[WorkerInfo]) -> list[Row]:
    """Return the rows, which start with queue and kind, that the takers also serve; all if there are no takers."""
    return [row for row in rows if not takers or any(matches(each, row[0], row[1]) for each in takers)]


def _ahead(
    connection: SqlConnection, dialect: Dialect, job: Job, takers: Sequence[WorkerInfo], now: float, ageing: float
) -> int:
    """Return the number of ready jobs that are claimed before this one, up to one more than `AHEAD_COUNTED`."""
    counted = 0
    effective = job.priority + (int(max(0.0, now - job.scheduled_at) / ageing) if ageing else 0)
    ready = dialect.by("jobdeck_by_lane")
    for queue, kind in _competing(rows_of(connection, _LANES, (job.queue,)), takers):
        most = AHEAD_COUNTED + 1 - counted
        if most <= 0:
            break
        bound = {"queue": queue, "kind": kind, "id": job.id, "most": most}
        if ageing:
            aged = {**bound, "now": now, "ageing": ageing, "effective": effective}
            counted += int(
                connection.execute(_AHEAD_AGED.format(ready=ready, aged=dialect.aged("priority", "scheduled_at")), aged).get
            )
        else:
            counted += int(connection.execute(_AHEAD.format(ready=ready), {**bound, "priority": job.priority}).get)
    return min(counted, AHEAD_COUNTED + 1)


def _pace(connection: SqlConnection, takers: Sequence[WorkerInfo], now: float) -> DrainRate | None:
    """Return the drain rate of the lanes that the takers serve."""
    if not takers:
        return None
    up_for = max(5.0, now - min(each.started_at for each in takers))
    found = None
    for window in _WINDOWS:
        histogram: defaultdict[int, int] = defaultdict(int)
        for _, _, step, n in _competing(rows_of(connection, _RUNS, (int(now) - window,)), takers):
            histogram[step] += n
        ended = sum(histogram.values())
        if ended:
            spent = sum(n * middle(step) for step, n in histogram.items())
            found = DrainRate(finished=ended, seconds=min(float(window), up_for), mean_run=spent / ended)
        if ended >= _ENOUGH:
            break
    return found
