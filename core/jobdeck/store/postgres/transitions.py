"""The worker's side of the PostgreSQL store: stage, expire, heartbeat, rescue. The endings are in `endings`.

What belongs to nobody in particular, jobs that are due and leases that have ended, is taken with `SKIP LOCKED`: where
several processes look at the same time, each finds what the others have not.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...model.attempt_result import Ending
from ...model.jobs import Job, Outcome, Reason
from ...model.states import State
from ..base import Renewal
from ..records import JOB_COLUMNS, job_of
from .complete import HELD, LET_GO, Endings, attempt_told, note_attempts
from .connection import Connections
from .counters import PostgresTally
from .session import rows_of

_STAGED = """
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
_ENDED = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' AND lease_until < ? ORDER BY id LIMIT ?"

_HEARTBEAT = """
WITH held AS MATERIALIZED (
    SELECT job.id FROM unnest(?1::bigint[], ?2::bigint[]) AS told (id, lease) JOIN jobdeck_jobs AS job ON job.id = told.id
     WHERE job.state = 'running' AND job.lease = told.lease ORDER BY job.id FOR UPDATE OF job SKIP LOCKED)
UPDATE jobdeck_jobs AS job
   SET lease_until = coalesce(?3::double precision, extract(epoch FROM clock_timestamp())) + ?4::double precision
  FROM held WHERE job.id = held.id RETURNING job.id, job.cancelling
"""
_STILL_HELD = """
SELECT job.id, job.cancelling FROM unnest(?1::bigint[], ?2::bigint[]) AS told (id, lease)
  JOIN jobdeck_jobs AS job ON job.id = told.id WHERE job.state = 'running' AND job.lease = told.lease
"""
_CRASHED = "The worker died or stalled: its lease ended in mid-job"


class Work:
    """What keeps jobs moving that nobody has just asked to move."""

    def __init__(self, connections: Connections, endings: Endings) -> None:
        self._connections = connections
        self._endings = endings

    def stage(self, limit: int) -> int:
        """Due jobs become pending, earliest due first."""
        with self._connections.writing() as session:
            tally = PostgresTally()
            staged = rows_of(session, _STAGED, (self._connections.now(session), limit))
            for queue, kind, state in staged:
                tally.move(queue, kind, state, State.PENDING)
            tally.write(session)
            return len(staged)

    def expire(self, limit: int) -> int:
        """Queued jobs that are not worth starting any more fail."""
        with self._connections.writing() as session:
            now = self._connections.now(session)
            rows = rows_of(session, f"{_EXPIRED} FOR UPDATE SKIP LOCKED", (now, limit))
            if not rows:
                return 0
            ids = [row[0] for row in rows]
            session.execute("DELETE FROM jobdeck_waits WHERE child = ANY(?::bigint[])", (ids,))
            # What went wrong in an attempt says more than that there is no time for another one.
            session.execute(
                "UPDATE jobdeck_jobs SET state = 'failed', finished_at = ?, reason = ?, error = coalesce(error, ?)"
                " WHERE id = ANY(?::bigint[])",
                (now, Reason.EXPIRED.value, "It was not started before it expired", ids),
            )
            tally = PostgresTally()
            for _, queue, kind, state in rows:
                tally.move(queue, kind, state, State.FAILED)
            self._endings.settle(session, tally, dict.fromkeys(ids, State.FAILED))
            tally.write(session)
            return len(rows)

    def heartbeat(self, held: Iterable[tuple[int, int]], lease: float) -> Renewal:
        """See `Store.heartbeat_jobs`.

        A job that somebody else changes at this moment is passed over: waiting for it, this would hold up those that it has
        renewed already. It is not lost for that; the next heartbeat renews it.
        """
        pairs = dict(held)
        if not pairs:
            return Renewal(frozenset(), frozenset())
        told = ([*pairs], [*pairs.values()])
        with self._connections.writing() as session:
            _, lease_now = self._connections.given_times(session)
            found = {row[0]: row[1] for row in rows_of(session, _HEARTBEAT, (*told, lease_now, lease))}
            if len(found) < len(pairs):
                found |= {row[0]: row[1] for row in rows_of(session, _STILL_HELD, told)}
        return Renewal(
            frozenset(pairs.keys() - found.keys()), frozenset(job_id for job_id, cancelling in found.items() if cancelling)
        )

    def progress(self, job_id: int, lease: int, progress: float) -> bool:
        """See `Store.report_progress`."""
        with self._connections.writing() as session:
            session.execute(f"UPDATE jobdeck_jobs SET progress = ? WHERE {HELD}", (progress, job_id, lease))
            return session.changes() == 1

    def rescue(self, limit: int) -> list[int]:
        """See `Store.rescue_jobs`."""
        with self._connections.writing() as session:
            now, lease_now = self._connections.now(session), self._connections.lease_now(session)
            jobs = [*map(job_of(0.0), rows_of(session, f"{_ENDED} FOR UPDATE SKIP LOCKED", (lease_now, limit)))]
            if not jobs:
                return []
            final: dict[int, State | None] = {}
            tally = PostgresTally()
            attempts = []
            changes = []
            for job in jobs:
                state = _after_crash(job)
                reason = Reason.CRASHED.value if state is State.FAILED else None
                changes.append((state.value, now if state.is_final else None, _CRASHED, reason, job.id, job.lease))
                tally.move(job.queue, job.kind, State.RUNNING, state)
                ending = Ending(job, job.started_at or now, now)
                tally.measure(job, ending, "crashed", state)
                begun = (job.id, job.lease, job.attempt, job.worker, ending.started_at, ending.finished_at)
                attempts.append((*begun, *attempt_told(Outcome.CRASHED, None, _CRASHED)))
                if state.is_final:
                    final[job.id] = state
            session.executemany(
                "UPDATE jobdeck_jobs SET state = ?, finished_at = ?, error = ?, reason = ?, crashes = crashes + 1,"
                f" {LET_GO} WHERE {HELD}",
                changes,
            )
            note_attempts(session, attempts)
            self._endings.settle(session, tally, final)
            tally.write(session)
            return [job.id for job in jobs]


def _after_crash(job: Job) -> State:
    if job.cancelling:
        return State.CANCELLED
    return State.PENDING if job.attempt < job.max_attempts else State.FAILED
