"""Reads runs by time.

No index leads from a time to the attempts that ran then: each result would have to update it. But each ended attempt is either
that of a final job, which the index of final jobs finds by its end (pruning uses it too), or a failure, which has an index of
its own, or it was given back (snoozed, released), and then its job is running, or near the front of the ready or due jobs. So
the ids of the jobs are read first, from those indexes alone; then the attempts of each job, which are stored together. `limit`
bounds the amount read, regardless of the length of the history.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ...json_functions import json
from ...model.events import Run, Runs
from ...model.states import State
from ..backend import SqlConnection
from ..records import RowCheck, one_line, outcome_of
from .dialect import Dialect

RUNNING_READ = 2_000
"""The number of running jobs at most."""
GIVEN_BACK = 500
"""The number of jobs at the front of the ready ones, and of the due ones, that are checked for earlier runs."""
_CROSSING = 2_000
"""The number of jobs that ended after a past period which are checked for runs in it."""
COUNTED = 100_000
_ERROR = 400
"""Characters of an error at most."""

FAILED = "outcome IN ('failed', 'timed out', 'crashed')"
# The two sources of a period; each reads its index only.
_ENDED = """
SELECT id, finished_at AS at FROM jobdeck_jobs {final}
 WHERE state = :state AND finished_at IS NOT NULL AND finished_at >= {begin} AND finished_at < {end}
 ORDER BY finished_at DESC LIMIT :each"""
_FAILURES = f"""
SELECT job_id AS id, finished_at AS at FROM jobdeck_attempts {{failures}}
 WHERE {FAILED} AND finished_at >= {{begin}} AND finished_at < {{end}}
 ORDER BY finished_at DESC LIMIT :each"""
QUERIES = (State.COMPLETED, State.CANCELLED, State.FAILED, None)
"""The sources of ended runs: final jobs by state, and failed attempts (`None`)."""
_SLICES = """
WITH RECURSIVE slice (since, until) AS (
    SELECT :begin, :begin + :width
    UNION ALL SELECT until, until + :width FROM slice WHERE until + :width / 2 < :end)
SELECT entry.id FROM """
_CROSSED = """
SELECT id FROM (SELECT id, started_at FROM jobdeck_jobs {final}
 WHERE state = :state AND finished_at IS NOT NULL AND finished_at >= :end ORDER BY finished_at LIMIT :each) AS after
 WHERE started_at < :end"""
_GIVEN_BACK = f"""
SELECT id FROM (
    SELECT * FROM ({{ready}}) AS ready
    UNION ALL
    SELECT * FROM (SELECT id, started_at FROM jobdeck_jobs {{due}}
                    WHERE state IN ('scheduled', 'retrying') ORDER BY scheduled_at LIMIT {GIVEN_BACK}) AS waiting) AS front
 WHERE started_at IS NOT NULL"""
_RUNNING = (
    *("id", "lease", "kind", "queue", "attempt", "max_attempts", "worker", "started_at", "lease_until", "cancelling"),
    "progress",
)
_STATE_RUNNING = f"FROM jobdeck_jobs {{by_lane}} WHERE state = 'running' AND started_at < ? LIMIT {RUNNING_READ}"
# Whether the job ran again follows from the number of its attempts or, if one was given back, from the time of its last claim.
_ATTEMPT = (
    *("a.job_id", "a.lease", "job.kind", "job.queue", "a.number", "job.max_attempts", "a.worker", "a.started_at"),
    *("a.finished_at", "a.outcome", "job.finished_at IS NULL OR job.attempt > a.number OR job.started_at > a.finished_at"),
    *("a.error_type", f"substr(a.message, 1, {_ERROR})", "a.late_at"),
)
_check_running = RowCheck("jobdeck_jobs", ", ".join(_RUNNING))
_check_attempt = RowCheck(
    "jobdeck_attempts",
    "job_id, lease, -, -, number, -, worker, started_at, finished_at, outcome, -, error_type, message, late_at",
)
_check_its_job = RowCheck("jobdeck_jobs", "-, -, kind, queue, -, max_attempts, -, -, -, -, -, -, -, -")
_ATTEMPTS = """
  FROM json_each(:ids) AS wanted CROSS JOIN jobdeck_jobs AS job CROSS JOIN jobdeck_attempts AS a
 WHERE job.id = wanted.value AND a.job_id = job.id
   AND a.started_at < :end AND (a.finished_at >= :begin OR a.late_at >= :late)"""


def _by_index(dialect: Dialect, statement: str) -> str:
    names = {"final": "jobdeck_final", "failures": "jobdeck_failures", "by_lane": "jobdeck_by_lane", "due": "jobdeck_due"}
    clauses = {name: dialect.by(index) for name, index in names.items()}
    ready = dialect.oldest_pending("id, started_at", GIVEN_BACK)
    return statement.format(begin="{begin}", end="{end}", ready=ready, **clauses)


def ended_ids_query(dialect: Dialect, state: State | None, begin: str = ":begin", end: str = ":end") -> str:
    """Return a query for `id` and `at` of what ended in a period, the newest first: jobs in this state, or failed attempts."""
    return _by_index(dialect, _FAILURES if state is None else _ENDED).format(begin=begin, end=end)


def jobs_given_back(connection: SqlConnection, dialect: Dialect) -> list[int]:
    """Return the jobs that may have run and will run again."""
    return ids_of(connection, dialect, _by_index(dialect, _GIVEN_BACK), {})


def read_runs(
    connection: SqlConnection, dialect: Dialect, since: float, until: float, now: float, skew: float, limit: int, slices: int
) -> Runs:
    """See `SqlHistory.runs`; `skew` is wall clock minus monotonic clock."""
    running = running_runs(connection, dialect, until, skew)
    ids, whole = _jobs_between(connection, dialect, since, until, now, limit, slices)
    found = ended_runs(connection, dialect, ids, since, until)
    ended = len(found) if whole else _count(connection, dialect, since, until)
    found.sort(key=lambda run: run.finished_at or 0.0, reverse=True)
    return Runs(at=now, since=since, until=until, runs=(*running, *found), ended=ended, is_complete=whole)


def _jobs_between(
    connection: SqlConnection, dialect: Dialect, since: float, until: float, now: float, limit: int, slices: int
) -> tuple[set[int], bool]:
    """Return the jobs that may have runs in this period, and whether they are all."""
    bound = {"begin": float(since), "end": float(until), "width": (until - since) / slices}
    ids = set(jobs_given_back(connection, dialect))
    whole = True
    for state in QUERIES:
        parts = {**bound, "state": state}
        found = ids_of(connection, dialect, ended_ids_query(dialect, state), {**parts, "each": limit + 1})
        if len(found) > limit:
            whole = False
            spread = _SLICES + dialect.for_each("slice", ended_ids_query(dialect, state, "slice.since", "slice.until"))
            found = ids_of(connection, dialect, spread, {**parts, "each": max(1, limit // (3 * slices))})
        ids.update(found)
        if state is not None and until < now:
            crossed = _by_index(dialect, _CROSSED)
            ids.update(ids_of(connection, dialect, crossed, {**parts, "each": _CROSSING}))
    return ids, whole


def ids_of(connection: SqlConnection, dialect: Dialect, query: str, bound: Mapping[str, Any]) -> list[int]:
    """Return the ids that a query returns."""
    return [job_id for (job_id,) in dialect.rows(connection, ["id"], f"FROM ({query}) AS found", bound)]


def _count(connection: SqlConnection, dialect: Dialect, since: float, until: float) -> int:
    """Return the number of runs that ended in this period. The last failure of a final job is counted once."""
    counted = 0
    for state in QUERIES:
        if state != State.FAILED:
            query = f"SELECT count(*) FROM ({ended_ids_query(dialect, state)}) AS found"
            bound = {"begin": since, "end": until, "state": state, "each": COUNTED}
            counted += int(connection.execute(query, bound).get)
    return min(counted, COUNTED)


def running_runs(connection: SqlConnection, dialect: Dialect, until: float, skew: float) -> list[Run]:
    """Return the current runs that started before `until`; the newest first."""
    rows = dialect.rows(connection, _RUNNING, _by_index(dialect, _STATE_RUNNING), (until,))
    for row in rows:
        _check_running(row)
    return [
        Run(
            job_id=row[0],
            lease=row[1],
            kind=row[2],
            queue=row[3],
            number=row[4],
            max_attempts=row[5],
            worker=row[6],
            started_at=row[7],
            lease_until=row[8] + skew,
            cancelling=row[9] == 1,
            progress=row[10],
        )
        for row in sorted(rows, key=lambda row: (row[7], row[0]), reverse=True)
    ]


def ended_runs(
    connection: SqlConnection, dialect: Dialect, ids: Iterable[int], since: float, until: float, late_since: float = math.inf
) -> list[Run]:
    """Return the ended attempts of these jobs that overlap the period, or had a late result since then; in no order."""
    bound = {"ids": json.dumps([*ids]), "begin": since, "end": until, "late": late_since}
    rows = dialect.rows(connection, _ATTEMPT, _ATTEMPTS, bound)
    for row in rows:
        _check_attempt(row)
        _check_its_job(row)
    return [
        Run(
            job_id=row[0],
            lease=row[1],
            kind=row[2],
            queue=row[3],
            number=row[4],
            max_attempts=row[5],
            worker=row[6],
            started_at=row[7],
            finished_at=row[8],
            outcome=outcome_of(row[9]),
            superseded=row[10] == 1,
            error=_error(row[11], row[12]),
            late_at=row[13],
        )
        for row in rows
    ]


def _error(error_type: str | None, message: str | None) -> str | None:
    parts = [part for part in (error_type, message) if part]
    return one_line(": ".join(parts), _ERROR) if parts else None
