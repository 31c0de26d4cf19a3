"""The worker's side of the SQLite store: stage, claim, heartbeat, the endings, rescue.

Every statement that touches a running job checks `state = 'running' AND lease = ?`: a worker that lost its
lease changes nothing, whenever it comes back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from random import Random
from typing import Any, TypeVar

from ...clock import Clock
from ...jobs import Completion, Ending, Failure, Job, Nap, Outcome, Release, Stop
from ...states import State
from ..base import Lost, Renewal
from .connection import Connections
from .rows import JOB_COLUMNS, job_of, rows_of
from .tally import Tally

# The counters say which lanes (queue and kind) have pending jobs, so lanes that are paused or not served are
# never read, however many jobs they hold. Of each other lane the inner SELECT takes the first few off the
# index of ready rows; the outer one merges them. All of it, and the claim, is one statement.
_CLAIM = f"""
UPDATE jobdeck_jobs
   SET state = 'running', attempt = attempt + 1, worker = :worker, lease = :lease + id, lease_until = :until,
       started_at = :now, progress = NULL
 WHERE id IN (
       SELECT job.id
         FROM jobdeck_counts AS lane
        CROSS JOIN jobdeck_jobs AS job
           ON job.id IN (SELECT id FROM jobdeck_jobs AS ready
                          WHERE ready.state = 'pending' AND ready.queue = lane.queue AND ready.kind = lane.kind
                          ORDER BY ready.priority DESC, ready.id LIMIT :limit)
        WHERE lane.state = 'pending' AND lane.n > 0
          AND lane.kind IN (SELECT value FROM json_each(:kinds))
          AND (:queues = '[]' OR lane.queue IN (SELECT value FROM json_each(:queues)))
          AND NOT EXISTS (SELECT 1 FROM jobdeck_queues WHERE name = lane.queue AND paused_at IS NOT NULL)
        ORDER BY job.priority DESC, job.id LIMIT :limit)
RETURNING {JOB_COLUMNS}
"""

_HELD = "id = ? AND state = 'running' AND lease = ?"
_LET_GO = "lease = NULL, lease_until = NULL, cancelling = 0"

_ATTEMPT = """
INSERT INTO jobdeck_attempts (job_id, lease, number, worker, started_at, finished_at, outcome, error_type, message, traceback)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_LATE = "UPDATE jobdeck_attempts SET late_at = ? WHERE job_id = ? AND lease = ? AND late_at IS NULL"


E = TypeVar("E", bound=Ending)


class Work:
    """Transitions that a worker makes."""

    def __init__(self, connections: Connections, clock: Clock, random: Random) -> None:
        self._connections = connections
        self._clock = clock
        self._random = random

    def stage(self, limit: int) -> int:
        """Due jobs become pending, earliest due first."""
        with self._connections.writing() as connection:
            tally = Tally()
            staged = rows_of(
                connection,
                "SELECT id, queue, kind, state FROM jobdeck_jobs INDEXED BY jobdeck_due"
                " WHERE state IN ('scheduled', 'retrying') AND scheduled_at <= ? ORDER BY scheduled_at LIMIT ?",
                (self._clock.now(), limit),
            )
            for job_id, queue, kind, state in staged:
                connection.execute("UPDATE jobdeck_jobs SET state = 'pending' WHERE id = ?", (job_id,))
                tally.move(queue, kind, state, State.PENDING)
            tally.write(connection)
            return len(staged)

    def claim(self, worker: str, limit: int, kinds: Collection[str], queues: Collection[str], lease: float) -> list[Job]:
        """See `Store.claim_jobs`."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        with self._connections.writing() as connection:
            rows = connection.execute(
                _CLAIM,
                {
                    "worker": worker,
                    # Random, and different for each job of the claim; 62 bits so that adding an id stays an integer.
                    "lease": self._random.getrandbits(62),
                    "until": monotonic + lease,
                    "now": now,
                    "limit": limit,
                    "kinds": json.dumps(list(kinds)),
                    "queues": json.dumps(list(queues)),
                },
            ).fetchall()
            jobs = [*map(job_of(now - monotonic), rows)]
            tally = Tally()
            for job in jobs:
                tally.move(job.queue, job.kind, State.PENDING, State.RUNNING)
            tally.write(connection)
        jobs.sort(key=lambda job: (-job.priority, job.id))  # RETURNING promises no order
        return jobs

    def heartbeat(self, held: Iterable[tuple[int, int]], lease: float) -> Renewal:
        """See `Store.heartbeat_jobs`."""
        pairs = dict(held)
        with self._connections.writing() as connection:
            rows = rows_of(
                connection,
                "UPDATE jobdeck_jobs SET lease_until = ? FROM json_each(?) AS held"
                " WHERE jobdeck_jobs.id = held.value ->> 0 AND state = 'running' AND lease = held.value ->> 1"
                " RETURNING jobdeck_jobs.id, cancelling",
                (self._clock.monotonic() + lease, json.dumps(list(pairs.items()))),
            )
        renewed = {row[0] for row in rows}
        return Renewal(frozenset(pairs.keys() - renewed), frozenset(row[0] for row in rows if row[1]))

    def complete(self, endings: Sequence[Completion]) -> Lost:
        """See `Store.complete_jobs`."""
        return self._end(
            endings,
            f"state = 'completed', finished_at = ?, result = ?, error = NULL, {_LET_GO}",
            lambda ending: (ending.finished_at, ending.result_json),
            lambda _: (State.COMPLETED, "completed", _attempt(Outcome.COMPLETED)),
        )

    def fail(self, endings: Sequence[Failure]) -> Lost:
        """See `Store.fail_jobs`."""

        def move(ending: Failure) -> tuple[Any, ...]:
            final = ending.retry_at is None
            due = ending.job.scheduled_at if final else ending.retry_at
            error = one_line(f"{ending.error_type}: {ending.message}" if ending.message else ending.error_type)
            return (State.FAILED if final else State.RETRYING, ending.finished_at if final else None, due, error)

        return self._end(
            endings,
            f"state = ?, finished_at = ?, scheduled_at = ?, error = ?, {_LET_GO}",
            move,
            lambda ending: (
                State.FAILED if ending.retry_at is None else State.RETRYING,
                "failed",
                _attempt(ending.outcome, ending.error_type, ending.message, ending.traceback),
            ),
        )

    def snooze(self, endings: Sequence[Nap]) -> Lost:
        """See `Store.snooze_jobs`."""
        return self._end(
            endings,
            f"state = 'scheduled', scheduled_at = ?, attempt = attempt - 1, {_LET_GO}",
            lambda ending: (ending.until,),
            lambda _: (State.SCHEDULED, "snoozed", _attempt(Outcome.SNOOZED)),
        )

    def release(self, endings: Sequence[Release]) -> Lost:
        """See `Store.release_jobs`."""
        return self._end(
            endings,
            f"state = 'pending', attempt = attempt - 1, {_LET_GO}",
            lambda _: (),
            lambda _: (State.PENDING, "released", _attempt(Outcome.RELEASED)),
        )

    def stop(self, endings: Sequence[Stop]) -> Lost:
        """See `Store.stop_jobs`."""
        return self._end(
            endings,
            f"state = 'cancelled', finished_at = ?, {_LET_GO}",
            lambda ending: (ending.finished_at,),
            lambda _: (State.CANCELLED, "cancelled", _attempt(Outcome.CANCELLED)),
        )

    def _end(
        self,
        endings: Sequence[E],
        assignments: str,
        values: Callable[[E], tuple[Any, ...]],
        told: Callable[[E], tuple[State, str, tuple[Any, ...]]],
    ) -> Lost:
        """End attempts: one guarded UPDATE each, its attempt row, its counters; or note a late result."""
        statement = f"UPDATE jobdeck_jobs SET {assignments} WHERE {_HELD}"
        lost: Lost = []
        attempts = []
        tally = Tally()
        with self._connections.writing() as connection:
            for ending in endings:
                job = ending.job
                connection.execute(statement, (*values(ending), job.id, job.lease))
                if connection.changes() == 0:
                    lost.append(job.id)
                    connection.execute(_LATE, (ending.finished_at, job.id, job.lease))
                    continue
                state, measure, attempt = told(ending)
                tally.move(job.queue, job.kind, State.RUNNING, state)
                tally.measure(job, ending, measure)
                attempts.append((job.id, job.lease, job.attempt, job.worker, ending.started_at, ending.finished_at, *attempt))
            connection.executemany(_ATTEMPT, attempts)
            tally.write(connection)
        return lost

    def progress(self, job_id: int, lease: int, progress: float) -> bool:
        """See `Store.report_progress`."""
        with self._connections.writing() as connection:
            connection.execute(f"UPDATE jobdeck_jobs SET progress = ? WHERE {_HELD}", (progress, job_id, lease))
            return connection.changes() == 1

    def rescue(self, limit: int) -> list[int]:
        """See `Store.rescue_jobs`."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        with self._connections.writing() as connection:
            rows = rows_of(
                connection,
                f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' AND lease_until < ? LIMIT ?",
                (monotonic, limit),
            )
            tally = Tally()
            for job in map(job_of(0.0), rows):
                state = _after_crash(job)
                connection.execute(
                    f"UPDATE jobdeck_jobs SET state = ?, finished_at = ?, error = ?, {_LET_GO} WHERE {_HELD}",
                    (state, now if state.is_final else None, _CRASHED, job.id, job.lease),
                )
                tally.move(job.queue, job.kind, State.RUNNING, state)
                ending = Ending(job, job.started_at or now, now)
                tally.measure(job, ending, "crashed")
                crash = _attempt(Outcome.CRASHED, None, _CRASHED)
                begun = (job.id, job.lease, job.attempt, job.worker, ending.started_at, ending.finished_at)
                connection.execute(_ATTEMPT, (*begun, *crash))
            tally.write(connection)
            return [row[0] for row in rows]


_CRASHED = "The worker died or stalled: its lease ended in mid-job"


def _after_crash(job: Job) -> State:
    if job.cancelling:
        return State.CANCELLED
    return State.PENDING if job.attempt < job.max_attempts else State.FAILED


def _attempt(
    outcome: Outcome, error_type: str | None = None, message: str | None = None, traceback: str | None = None
) -> tuple[Any, ...]:
    return (outcome.value, error_type, message, traceback)


def one_line(text: str, limit: int = 500) -> str:
    """The text on one line, cut to `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
