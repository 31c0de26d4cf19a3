"""Moves jobs that no result and no person moves: stage, expire, rescue. Renews leases and stores progress.

Due jobs and ended leases are taken with `SKIP LOCKED`: if several processes search at the same time, each finds what the
others have not taken.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...model.attempt_result import AttemptResult
from ...model.jobs import Outcome, Reason
from ...model.states import State
from ..backend import rows_of
from ..base import HeartbeatResult
from ..records import JOB_COLUMNS, job_reader
from ..rescue import CRASHED, state_after_crash
from .complete import END_LEASE, HELD, attempt_values, record_attempts
from .connection import Connections, retried
from .counters import PostgresCounterDeltas
from .dependencies import DEPENDENCIES
from .notifier import PostgresNotifier

_STAGE = """
WITH due AS MATERIALIZED (
    SELECT id, state FROM jobdeck_jobs
     WHERE state IN ('scheduled', 'retrying') AND scheduled_at <= ? ORDER BY scheduled_at LIMIT ? FOR UPDATE SKIP LOCKED)
UPDATE jobdeck_jobs AS job SET state = 'pending' FROM due WHERE job.id = due.id RETURNING job.queue, job.kind, due.state
"""
_EXPIRED = """
SELECT id, queue, kind, state FROM jobdeck_jobs
 WHERE expires_at <= ? AND expires_at IS NOT NULL AND finished_at IS NULL AND state <> 'running'
 ORDER BY expires_at LIMIT ?
"""
_LEASE_ENDED = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' AND lease_until < ? ORDER BY id LIMIT ?"
_HEARTBEAT = """
WITH held AS MATERIALIZED (
    SELECT job.id FROM unnest(?1::bigint[], ?2::bigint[]) AS wanted (id, lease) JOIN jobdeck_jobs AS job ON job.id = wanted.id
     WHERE job.state = 'running' AND job.lease = wanted.lease ORDER BY job.id FOR UPDATE OF job SKIP LOCKED)
UPDATE jobdeck_jobs AS job
   SET lease_until = coalesce(?3::double precision, extract(epoch FROM clock_timestamp())) + ?4::double precision
  FROM held WHERE job.id = held.id RETURNING job.id, job.cancelling
"""
_STILL_HELD = """
SELECT job.id, job.cancelling FROM unnest(?1::bigint[], ?2::bigint[]) AS wanted (id, lease)
  JOIN jobdeck_jobs AS job ON job.id = wanted.id WHERE job.state = 'running' AND job.lease = wanted.lease
"""


class Transitions:
    """Moves jobs on their time, and keeps running jobs alive."""

    def __init__(self, connections: Connections, notifier: PostgresNotifier) -> None:
        self._connections = connections
        self._notify = notifier.notify

    @retried
    def stage(self, limit: int = 1000) -> int:
        """See `base.Transitions.stage`."""
        with self._connections.write_transaction() as session:
            counters = PostgresCounterDeltas()
            staged = rows_of(session, _STAGE, (self._connections.now(session), limit))
            for queue, kind, state in staged:
                counters.count_transition(queue, kind, state, State.PENDING)
            counters.write(session)
            return len(staged)

    @retried
    def expire(self, limit: int = 1000) -> int:
        """See `base.Transitions.expire`."""
        with self._connections.write_transaction() as session:
            now = self._connections.now(session)
            rows = rows_of(session, f"{_EXPIRED} FOR UPDATE SKIP LOCKED", (now, limit))
            if not rows:
                return 0
            ids = [row[0] for row in rows]
            session.execute("DELETE FROM jobdeck_waits WHERE child = ANY(?::bigint[])", (ids,))
            # The error of an attempt says more than that there was no time for another one.
            session.execute(
                "UPDATE jobdeck_jobs SET state = 'failed', finished_at = ?, reason = ?, error = coalesce(error, ?)"
                " WHERE id = ANY(?::bigint[])",
                (now, Reason.EXPIRED.value, "It was not started before it expired", ids),
            )
            counters = PostgresCounterDeltas()
            for _, queue, kind, state in rows:
                counters.count_transition(queue, kind, state, State.FAILED)
            if DEPENDENCIES.resolve_ended(session, counters, dict.fromkeys(ids, State.FAILED), now):
                self._notify()
            counters.write(session)
            return len(rows)

    @retried
    def heartbeat(self, held: Iterable[tuple[int, int]], lease: float) -> HeartbeatResult:
        """See `base.Transitions.heartbeat`.

        A job that another transaction is changing is skipped: waiting for it would hold up the jobs that this statement has
        renewed already. It is not lost; the next heartbeat renews it.
        """
        pairs = dict(held)
        if not pairs:
            return HeartbeatResult(frozenset(), frozenset())
        wanted = ([*pairs], [*pairs.values()])
        with self._connections.write_transaction() as session:
            _, lease_now = self._connections.given_times(session)
            found = {row[0]: row[1] for row in rows_of(session, _HEARTBEAT, (*wanted, lease_now, lease))}
            if len(found) < len(pairs):
                found |= {row[0]: row[1] for row in rows_of(session, _STILL_HELD, wanted)}
        return HeartbeatResult(
            frozenset(pairs.keys() - found.keys()), frozenset(job_id for job_id, cancelling in found.items() if cancelling)
        )

    @retried
    def report_progress(self, job_id: int, lease: int, progress: float, message: str | None = None) -> bool:
        """See `base.Transitions.report_progress`."""
        with self._connections.write_transaction() as session:
            query = f"UPDATE jobdeck_jobs SET progress = ?, progress_message = ? WHERE {HELD}"
            session.execute(query, (progress, message, job_id, lease))
            return session.changes() == 1

    @retried
    def rescue(self, limit: int = 100) -> list[int]:
        """See `base.Transitions.rescue`."""
        with self._connections.write_transaction() as session:
            now, lease_now = self._connections.now(session), self._connections.lease_now(session)
            ended = rows_of(session, f"{_LEASE_ENDED} FOR UPDATE SKIP LOCKED", (lease_now, limit))
            jobs = [*map(job_reader(0.0), ended)]
            if not jobs:
                return []
            final: dict[int, State | None] = {}
            counters = PostgresCounterDeltas()
            attempts = []
            changes = []
            for job in jobs:
                state, reason = state_after_crash(job)
                changes.append((state.value, now if state.is_final else None, CRASHED, reason, job.id, job.lease))
                counters.count_transition(job.queue, job.kind, State.RUNNING, state)
                result = AttemptResult(job, job.started_at or now, now)
                counters.record_result(job, result, "crashed", state)
                started = (job.id, job.lease, job.attempt, job.worker, result.started_at, result.finished_at)
                attempts.append((*started, *attempt_values(Outcome.CRASHED, None, CRASHED)))
                if state.is_final:
                    final[job.id] = state
            session.executemany(
                "UPDATE jobdeck_jobs SET state = ?, finished_at = ?, error = ?, reason = ?, crashes = crashes + 1,"
                f" {END_LEASE} WHERE {HELD}",
                changes,
            )
            record_attempts(session, attempts)
            DEPENDENCIES.resolve_ended(session, counters, final, now)
            counters.write(session)
        self._notify()
        return [job.id for job in jobs]
