"""Runs by time, of the SQLite store.

No index leads from a time to the attempts that ran then: it would have to be written to at each ending. But each attempt
that has ended is either that of a final job, which the index of final jobs knows by its end (pruning reads it too), or a
failure, which has an index of its own, or it was given back (snoozed, released), and then its job runs, or is near the
front of what is ready or due. So the ids of the jobs come first, from those indexes alone; then the attempts of each job
are read, which stand together. What is read is bounded by `limit`, however long the history is.

All of it comes as one row a step: each row that is fetched gives up the interpreter's lock, and beside a busy thread it
takes half a millisecond to come back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import apsw

from ...history import Run, Runs
from ...jobs import Outcome
from ...states import State
from ..records import one_line

RUNNING_READ = 2_000
"""Running jobs that are told at most."""
GIVEN_BACK = 500
"""Jobs at the front of what is ready, and of what is due, that are looked at: some may have run before."""
_CROSSING = 2_000
"""Jobs that ended after a stretch of time in the past: so many are looked at, whether they ran in it already."""
COUNTED = 100_000
_ERROR = 400
"""Characters of an error."""

FAILED = "outcome IN ('failed', 'timed out', 'crashed')"
# The condition of either way into a stretch of time; each reads entries of its index only.
ENDED = """
SELECT id, finished_at AS at FROM jobdeck_jobs INDEXED BY jobdeck_final
 WHERE state = :state AND finished_at IS NOT NULL AND finished_at >= {begin} AND finished_at < {end}
 ORDER BY finished_at DESC LIMIT :each"""
FAILURES = f"""
SELECT job_id AS id, finished_at AS at FROM jobdeck_attempts INDEXED BY jobdeck_failures
 WHERE {FAILED} AND finished_at >= {{begin}} AND finished_at < {{end}}
 ORDER BY finished_at DESC LIMIT :each"""
_WAYS = ((State.COMPLETED, ENDED), (State.CANCELLED, ENDED), (State.FAILED, ENDED), (None, FAILURES))
_SPREAD = """
WITH RECURSIVE slice (begin, end) AS (
    SELECT :begin, :begin + :width
    UNION ALL SELECT end, end + :width FROM slice WHERE end + :width / 2 < :end)
SELECT entry.value AS id FROM slice CROSS JOIN json_each((SELECT json_group_array(id) FROM ({way}))) AS entry"""
_CROSSED = """
SELECT id FROM (SELECT id, started_at FROM jobdeck_jobs INDEXED BY jobdeck_final
 WHERE state = :state AND finished_at IS NOT NULL AND finished_at >= :end ORDER BY finished_at LIMIT :each)
 WHERE started_at < :end"""
JOBS_GIVEN_BACK = f"""
SELECT id FROM (
    SELECT * FROM (SELECT id, started_at FROM jobdeck_jobs INDEXED BY jobdeck_by_state
                    WHERE state = 'pending' ORDER BY id LIMIT {GIVEN_BACK})
    UNION ALL
    SELECT * FROM (SELECT id, started_at FROM jobdeck_jobs INDEXED BY jobdeck_due
                    WHERE state IN ('scheduled', 'retrying') ORDER BY scheduled_at LIMIT {GIVEN_BACK}))
 WHERE started_at IS NOT NULL"""
_RUNNING = f"""
SELECT json_group_array(json_array(id, lease, kind, queue, attempt, max_attempts, worker, started_at, lease_until, cancelling,
                                   progress) ORDER BY started_at DESC, id DESC)
  FROM (SELECT * FROM jobdeck_jobs INDEXED BY jobdeck_by_state WHERE state = 'running' AND started_at < ?
         LIMIT {RUNNING_READ})"""
# Whether the job ran again is said by the number of its attempts, or where one was given back, by the time of its newest claim.
_ATTEMPTS = f"""
SELECT json_group_array(json_array(a.job_id, a.lease, job.kind, job.queue, a.number, job.max_attempts, a.worker, a.started_at,
           a.finished_at, a.outcome, job.finished_at IS NULL OR job.attempt > a.number OR job.started_at > a.finished_at,
           a.error_type, substr(a.message, 1, {_ERROR}), a.late_at))
  FROM json_each(:ids) AS wanted
 CROSS JOIN jobdeck_jobs AS job ON job.id = wanted.value
 CROSS JOIN jobdeck_attempts AS a ON a.job_id = job.id
 WHERE a.started_at < :end AND (a.finished_at >= :begin OR a.late_at >= :late)"""


def read_runs(
    connection: apsw.Connection, since: float, until: float, now: float, skew: float, limit: int, slices: int
) -> Runs:
    """See `History.runs`; `skew` is wall clock minus monotonic clock."""
    running = running_runs(connection, until, skew)
    ids, whole = _jobs_between(connection, since, until, now, limit, slices)
    found = ended_runs(connection, ids, since, until)
    ended = len(found) if whole else _count(connection, since, until)
    found.sort(key=lambda run: run.finished_at or 0.0, reverse=True)
    return Runs(at=now, since=since, until=until, runs=(*running, *found), ended=ended, whole=whole)


def _jobs_between(
    connection: apsw.Connection, since: float, until: float, now: float, limit: int, slices: int
) -> tuple[set[int], bool]:
    """The jobs that may have runs in this time, and whether they are all."""
    bound = {"begin": since, "end": until, "width": (until - since) / slices}
    ids = set(ids_of(connection, JOBS_GIVEN_BACK, {}))
    whole = True
    for state, way in _WAYS:
        found = ids_of(connection, way.format(begin=":begin", end=":end"), {**bound, "state": state, "each": limit + 1})
        if len(found) > limit:
            whole = False
            spread = _SPREAD.format(way=way.format(begin="slice.begin", end="slice.end"))
            found = ids_of(connection, spread, {**bound, "state": state, "each": max(1, limit // (3 * slices))})
        ids.update(found)
        if state is not None and until < now:
            ids.update(ids_of(connection, _CROSSED, {**bound, "state": state, "each": _CROSSING}))
    return ids, whole


def ids_of(connection: apsw.Connection, query: str, bound: Mapping[str, Any]) -> list[int]:
    """The ids that a query returns, fetched as one row."""
    found: list[int] = json.loads(connection.execute(f"SELECT json_group_array(id) FROM ({query})", bound).get)
    return found


def _count(connection: apsw.Connection, since: float, until: float) -> int:
    """How many runs have ended in this time. A failure that was the last is one of a final job too, and counted once."""
    counted = 0
    for state, way in _WAYS:
        if state != State.FAILED:
            query = f"SELECT count(*) FROM ({way.format(begin=':begin', end=':end')})"
            bound = {"begin": since, "end": until, "state": state, "each": COUNTED}
            counted += int(connection.execute(query, bound).get)
    return min(counted, COUNTED)


def running_runs(connection: apsw.Connection, until: float, skew: float) -> list[Run]:
    """The runs that go on, of those that began before `until`; the newest first."""
    rows = json.loads(connection.execute(_RUNNING, (until,)).get)
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
        for row in rows
    ]


def ended_runs(
    connection: apsw.Connection, ids: Iterable[int], since: float, until: float, late_since: float = math.inf
) -> list[Run]:
    """The attempts of these jobs that have ended and overlap the time, or came back late since then; in no order."""
    bound = {"ids": json.dumps([*ids]), "begin": since, "end": until, "late": late_since}
    rows = json.loads(connection.execute(_ATTEMPTS, bound).get)
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
            outcome=Outcome(row[9]),
            again=row[10] == 1,
            error=_error(row[11], row[12]),
            late_at=row[13],
        )
        for row in rows
    ]


def _error(error_type: str | None, message: str | None) -> str | None:
    told = [part for part in (error_type, message) if part]
    return one_line(": ".join(told), _ERROR) if told else None
