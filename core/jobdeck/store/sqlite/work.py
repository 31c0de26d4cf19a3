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
from ...jobs import Completion, Ending, Failure, Job, Nap, Outcome, Reason, Release, Stop
from ...states import State
from ..base import Lost, Renewal
from .connection import Connections
from .rows import JOB_COLUMNS, job_of, rows_of, storable
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
_ENDED = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' AND lease_until < ? ORDER BY id LIMIT ?"
# Where a job goes that shall run again: nowhere, if somebody asked it to stop in the meantime.
_AGAIN = """
state = CASE WHEN cancelling THEN 'cancelled' ELSE '{state}' END,
finished_at = CASE WHEN cancelling THEN ? END, attempt = attempt - 1"""
_FAILED = """
state = CASE WHEN cancelling THEN 'cancelled' WHEN ?2 IS NULL OR attempt >= max_attempts THEN 'failed' ELSE 'retrying' END,
finished_at = CASE WHEN cancelling OR ?2 IS NULL OR attempt >= max_attempts THEN ?1 END,
scheduled_at = CASE WHEN cancelling OR attempt >= max_attempts THEN scheduled_at ELSE coalesce(?2, scheduled_at) END,
error = ?3"""
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
        if not pairs:
            return Renewal(frozenset(), frozenset())
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
            "state = 'completed', finished_at = ?, result = ?, error = NULL",
            lambda ending: (ending.finished_at, storable(ending.result_json)),
            "completed",
            lambda _: _attempt(Outcome.COMPLETED),
        )

    def fail(self, endings: Sequence[Failure]) -> Lost:
        """See `Store.fail_jobs`."""

        def values(ending: Failure) -> tuple[Any, ...]:
            error = f"{ending.error_type}: {ending.message}" if ending.message else ending.error_type
            return (ending.finished_at, ending.retry_at, one_line(error))

        with self._connections.writing():
            lost = self._end(
                endings,
                _FAILED,
                values,
                "failed",
                lambda ending: _attempt(ending.outcome, ending.error_type, ending.message, ending.traceback),
            )
            self._note_crashes([ending.job.id for ending in endings if ending.outcome is Outcome.CRASHED], lost)
            return lost

    def _note_crashes(self, crashed: Sequence[int], lost: Lost) -> None:
        """Of these attempts the process that ran them ended: their jobs have been interrupted once more."""
        for job_id in crashed:
            if job_id not in lost:
                self._connections.get().execute(
                    "UPDATE jobdeck_jobs SET crashes = crashes + 1, reason = CASE state WHEN 'failed' THEN ? END WHERE id = ?",
                    (Reason.CRASHED.value, job_id),
                )

    def snooze(self, endings: Sequence[Nap]) -> Lost:
        """See `Store.snooze_jobs`."""
        return self._end(
            endings,
            f"{_AGAIN.format(state='scheduled')}, scheduled_at = CASE WHEN cancelling THEN scheduled_at ELSE ? END",
            lambda ending: (ending.finished_at, ending.until),
            "snoozed",
            lambda _: _attempt(Outcome.SNOOZED),
        )

    def release(self, endings: Sequence[Release]) -> Lost:
        """See `Store.release_jobs`."""
        return self._end(
            endings,
            _AGAIN.format(state="pending"),
            lambda ending: (ending.finished_at,),
            "released",
            lambda _: _attempt(Outcome.RELEASED),
        )

    def stop(self, endings: Sequence[Stop]) -> Lost:
        """See `Store.stop_jobs`."""
        return self._end(
            endings,
            "state = 'cancelled', finished_at = ?",
            lambda ending: (ending.finished_at,),
            "cancelled",
            lambda _: _attempt(Outcome.CANCELLED),
        )

    def _end(
        self,
        endings: Sequence[E],
        assignments: str,
        values: Callable[[E], tuple[Any, ...]],
        measure: str,
        told: Callable[[E], tuple[Any, ...]],
    ) -> Lost:
        """End attempts: one guarded UPDATE each, its attempt row, its counters; or note a late result."""
        lost: Lost = []
        if not endings:
            return lost
        statement = f"UPDATE jobdeck_jobs SET {assignments}, {_LET_GO} WHERE {_HELD} RETURNING state"
        attempts = []
        tally = Tally()
        with self._connections.writing() as connection:
            for ending in endings:
                job = ending.job
                state = connection.execute(statement, (*values(ending), job.id, job.lease)).get
                if state is None:
                    lost.append(job.id)
                    connection.execute(_LATE, (ending.finished_at, job.id, job.lease))
                    continue
                tally.move(job.queue, job.kind, State.RUNNING, state)
                tally.measure(job, ending, measure)
                begun = (job.id, job.lease, job.attempt, job.worker, ending.started_at, ending.finished_at)
                attempts.append((*begun, *told(ending)))
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
        with self._connections.reading() as connection:
            if not connection.execute(_ENDED, (monotonic, 1)).fetchall():
                return []  # nearly always: no need to keep writers waiting
        with self._connections.writing() as connection:
            rows = rows_of(connection, _ENDED, (monotonic, limit))
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
    return (outcome.value, storable(error_type), storable(message), storable(traceback))


def one_line(text: str, limit: int = 500) -> str:
    """The text on one line, cut to `limit` characters."""
    # SQL's LIKE reads no further than a NUL.
    flat = " ".join((storable(text) or "").replace("\0", "\ufffd").split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
