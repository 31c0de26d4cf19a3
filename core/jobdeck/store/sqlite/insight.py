"""Where a job stands, read from the SQLite tables in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import apsw

from ...clock import Clock
from ...jobs import IfParentFails, Job, WorkerInfo
from ...situation import AHEAD_COUNTED, Pace, Parent, Situation, could_serve, serves
from ...states import State
from ..histogram import middle
from ..insight import Insight
from .connection import Connections
from .house import read_jobs
from .looks import Looks
from .rows import Row, rows_of

if TYPE_CHECKING:
    from ...backlog import Backlog

_WINDOWS = (60, 600, 3600)
"""Seconds back in which the pace is looked for: the first with enough in it is the nearest to the truth."""
_ENOUGH = 10
"""Attempts that make a pace."""

_LANES = """
SELECT queue, kind FROM jobdeck_counts WHERE state = 'pending' AND n > 0
   AND queue NOT IN (SELECT name FROM jobdeck_queues WHERE paused_at IS NOT NULL AND name <> ?)
"""
# Two walks along the lane's part of the index of ready rows, in the order of the claim, no further than is asked.
_AHEAD = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM jobdeck_jobs INDEXED BY jobdeck_ready WHERE state = 'pending'
          AND queue = :queue AND kind = :kind AND priority > :priority LIMIT :most))
     + (SELECT count(*) FROM (SELECT 1 FROM jobdeck_jobs INDEXED BY jobdeck_ready WHERE state = 'pending'
          AND queue = :queue AND kind = :kind AND priority = :priority AND id < :id LIMIT :most))
"""
# With ageing the order of the index is not that of the claim: so many of a lane are looked at, and no more.
_AHEAD_AGED = """
SELECT count(*) FROM (
    SELECT 1 FROM (SELECT id, priority + CAST(max(0, :now - scheduled_at) / :ageing AS INTEGER) AS effective
                     FROM jobdeck_jobs INDEXED BY jobdeck_ready
                    WHERE state = 'pending' AND queue = :queue AND kind = :kind
                    ORDER BY priority DESC, id LIMIT 50000)
     WHERE effective > :effective OR (effective = :effective AND id < :id) LIMIT :most)
"""
_RUNS = """
SELECT queue, kind, bucket, sum(n) FROM jobdeck_metrics
 WHERE width IN (5, 60) AND slot >= ? AND measure = 'run' GROUP BY 1, 2, 3
"""
_PARENTS = """
SELECT wait.parent, job.state FROM jobdeck_waits AS wait LEFT JOIN jobdeck_jobs AS job ON job.id = wait.parent
 WHERE wait.child = ? ORDER BY job.state IN ('failed', 'cancelled') DESC, wait.parent LIMIT 1000
"""


class SqliteInsight(Insight):
    """The insight into one database file."""

    def __init__(self, connections: Connections, clock: Clock, looks: Looks) -> None:
        self._connections = connections
        self._clock = clock
        self._looks = looks

    def situation(self, job_id: int, lease: float, ageing: float = 0.0) -> Situation | None:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        with self._connections.reading() as connection:
            job = next(read_jobs(connection, [job_id], now - monotonic), None)
            if job is None:
                return None
            workers = self._looks.workers(lease)  # a part of this transaction
            rows = rows_of(
                connection,
                "SELECT paused_at, max_running, rate, rate_period FROM jobdeck_queues WHERE name = ?",
                (job.queue,),
            )
            paused_at, max_running, rate, period = rows[0] if rows else (None, None, None, None)
            if_parent_fails = connection.execute("SELECT if_parent_fails FROM jobdeck_jobs WHERE id = ?", (job_id,)).get
            takers = [each for each in workers if could_serve(each, now) and serves(each, job.queue, job.kind)]
            ready = job.state is State.PENDING
            return Situation(
                at=now,
                job=job,
                workers=workers,
                paused_at=paused_at,
                max_running=max_running,
                queue_running=_running(connection, "queue", job.queue),
                kind_running=_running(connection, "kind", job.kind),
                rate=rate,
                rate_period=period,
                rate_free_in=_rate_free_in(connection, job.queue, rate, period, monotonic),
                parents=[Parent(id=row[0], state=row[1] and State(row[1])) for row in connection.execute(_PARENTS, (job_id,))],
                if_parent_fails=IfParentFails(if_parent_fails),
                ahead=_ahead(connection, job, takers, now, ageing) if ready else None,
                pace=_pace(connection, takers, now) if ready else None,
            )

    def backlogs(self, *, seconds: float, slots: int, lease: float) -> list[Backlog]:
        from ..measuring import Slices
        from .backlogs import read_backlogs  # imported late: few who open the queue ask

        now = self._clock.now()
        with self._connections.reading() as connection:
            queues, workers = self._looks.queues(), self._looks.workers(lease)  # parts of this transaction
            return read_backlogs(connection, queues, workers, Slices.of(now, seconds, slots), now)


def _running(connection: apsw.Connection, column: str, value: str) -> int:
    query = f"SELECT coalesce(sum(n), 0) FROM jobdeck_counts WHERE state = 'running' AND {column} = ?"
    return int(connection.execute(query, (value,)).get)


def _rate_free_in(connection: apsw.Connection, queue: str, rate: int | None, period: float | None, now: float) -> float | None:
    """Seconds until enough of the last period's starts lie further back than a period; `None` if they do now."""
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
    """Of rows that begin with queue and kind those from which the takers claim too; all where there are no takers."""
    return [row for row in rows if not takers or any(serves(each, row[0], row[1]) for each in takers)]


def _ahead(connection: apsw.Connection, job: Job, takers: Sequence[WorkerInfo], now: float, ageing: float) -> int:
    """How many ready jobs are claimed before this one, up to one more than `AHEAD_COUNTED`."""
    counted = 0
    effective = job.priority + (int(max(0.0, now - job.scheduled_at) / ageing) if ageing else 0)
    for queue, kind in _competing(rows_of(connection, _LANES, (job.queue,)), takers):
        most = AHEAD_COUNTED + 1 - counted
        if most <= 0:
            break
        bound = {"queue": queue, "kind": kind, "id": job.id, "most": most}
        if ageing:
            aged = {**bound, "now": now, "ageing": ageing, "effective": effective}
            counted += int(connection.execute(_AHEAD_AGED, aged).get)
        else:
            counted += int(connection.execute(_AHEAD, {**bound, "priority": job.priority}).get)
    return min(counted, AHEAD_COUNTED + 1)


def _pace(connection: apsw.Connection, takers: Sequence[WorkerInfo], now: float) -> Pace | None:
    """How fast the takers, and others beside them, have worked off what the takers serve."""
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
            found = Pace(ended=ended, seconds=min(float(window), up_for), mean_run=spent / ended)
        if ended >= _ENOUGH:
            break
    return found
