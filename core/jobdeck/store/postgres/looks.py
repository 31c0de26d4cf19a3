"""Looking: reads of single jobs and what belongs to them. Lists, filters and overviews are in modules of their own."""

from __future__ import annotations

from collections.abc import Sequence

from ...jobs import Attempt, Batch, Job, LogLine
from ...states import State
from ..records import ATTEMPT_COLUMNS, LOG_COLUMNS, attempt_of, log_line_of
from .connection import Connections
from .rows import read_jobs
from .session import rows_of

_DUE_OR_EXPIRING = """
SELECT least((SELECT scheduled_at FROM jobdeck_jobs WHERE state IN ('scheduled', 'retrying') ORDER BY scheduled_at LIMIT 1),
             (SELECT expires_at FROM jobdeck_jobs
               WHERE expires_at IS NOT NULL AND finished_at IS NULL AND state <> 'running' ORDER BY expires_at LIMIT 1))
"""


class Looks:
    """Reads."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def next_due_at(self) -> float | None:
        """See `Store.next_due_at`."""
        with self._connections.reading() as session:
            due: float | None = session.execute(_DUE_OR_EXPIRING).get
        # A worker holds it against its machine's clock: where the server's is behind, it would ask again and again until then.
        return None if due is None else due - self._connections.ahead

    def jobs(self, ids: Sequence[int]) -> list[Job]:
        """See `Store.get_jobs`."""
        with self._connections.reading() as session:
            found = {job.id: job for job in read_jobs(session, ids, self._connections.lease_skew())}
        return [found[job_id] for job_id in ids if job_id in found]

    def batch(self, batch: int) -> Batch | None:
        """See `Store.get_batch`."""
        with self._connections.reading() as session:
            found = rows_of(session, "SELECT id, name, total, created_at FROM jobdeck_batches WHERE id = ?", (batch,))
            counts = rows_of(session, "SELECT state, count(*) FROM jobdeck_jobs WHERE batch = ? GROUP BY state", (batch,))
        if not found:
            return None
        ((id, name, total, created_at),) = found
        told = {State(state): int(n) for state, n in counts}
        return Batch(id=id, name=name, total=total, created_at=created_at, counts=told)

    def attempts(self, job_id: int) -> list[Attempt]:
        """See `Store.list_attempts`."""
        with self._connections.reading() as session:
            query = f"SELECT {ATTEMPT_COLUMNS} FROM jobdeck_attempts WHERE job_id = ? ORDER BY started_at, number"
            found = [*map(attempt_of, rows_of(session, query, (job_id,)))]
            job = next(read_jobs(session, [job_id], 0.0), None)
        if job is not None and job.state is State.RUNNING:
            begun = job.started_at or 0.0
            found.append(Attempt(job_id=job_id, number=job.attempt, worker=job.worker or "", started_at=begun))
        return found

    def logs(self, job_id: int, attempt: int | None, after: int, limit: int) -> list[LogLine]:
        """See `Store.read_logs`."""
        with self._connections.reading() as session:
            query = (
                f"SELECT {LOG_COLUMNS} FROM jobdeck_logs WHERE job_id = ? AND id > ? AND attempt = coalesce(?, attempt)"
                " ORDER BY id DESC LIMIT ?"
            )
            return [*map(log_line_of, rows_of(session, query, (job_id, after, attempt, limit)))][::-1]
