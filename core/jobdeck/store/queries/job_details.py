"""Reads single jobs, and their attempts, logs, batches and dependencies."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.jobs import Attempt, Batch, Dependencies, Job, LogLine
from ...model.states import State
from ..backend import Backend, SqlConnection, rows_of
from ..records import ATTEMPT_COLUMNS, LOG_COLUMNS, RowCheck, make_attempt, make_log_line, state_of
from .dependencies import read_dependencies

_BATCH_COLUMNS = "id, name, total, created_at"
_check_batch = RowCheck("jobdeck_batches", _BATCH_COLUMNS)


class JobReader:
    """Reads jobs by their ids."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def get(self, job_id: int) -> Job | None:
        """Return the job, or `None`."""
        with self._backend.read_transaction() as connection:
            return next(self._backend.load_for_display(connection, [job_id]), None)

    def get_many(self, ids: Sequence[int]) -> list[Job]:
        """Return the jobs that exist, in the order of `ids`."""
        with self._backend.read_transaction() as connection:
            found = {job.id: job for job in self._backend.load_for_display(connection, ids)}
        return [found[job_id] for job_id in ids if job_id in found]

    def batch(self, batch: int) -> Batch | None:
        """Return the batch, or `None`."""
        with self._backend.read_transaction() as connection:
            return read_batch(connection, batch)

    def attempts(self, job_id: int) -> list[Attempt]:
        """Return the attempts of a job, oldest first, the running one last."""
        with self._backend.read_transaction() as connection:
            query = f"SELECT {ATTEMPT_COLUMNS} FROM jobdeck_attempts WHERE job_id = ? ORDER BY started_at, number"
            found = [*map(make_attempt, rows_of(connection, query, (job_id,)))]
            job = next(self._backend.load_for_display(connection, [job_id]), None)
        if job is not None and job.state is State.RUNNING:
            started = job.started_at or 0.0
            found.append(Attempt(job_id=job_id, number=job.attempt, worker=job.worker or "", started_at=started))
        return found

    def logs(
        self, job_id: int, *, attempt: int | None = None, after: int = 0, limit: int = 10_000, oldest: bool = False
    ) -> list[LogLine]:
        """Return the newest `limit` log lines of a job with an id above `after`, or the oldest; oldest first."""
        with self._backend.read_transaction() as connection:
            query = (
                f"SELECT {LOG_COLUMNS} FROM jobdeck_logs WHERE job_id = ? AND id > ? AND attempt = coalesce(?, attempt)"
                f" ORDER BY id {'ASC' if oldest else 'DESC'} LIMIT ?"
            )
            lines = [*map(make_log_line, rows_of(connection, query, (job_id, after, attempt, limit)))]
            return lines if oldest else lines[::-1]

    def dependencies(self, job_id: int) -> Dependencies:
        """Return the jobs that a job came after, and those that came after it; none if the job does not exist."""
        with self._backend.read_transaction() as connection:
            return read_dependencies(connection, job_id)


def read_batch(connection: SqlConnection, batch: int) -> Batch | None:
    """Return the batch, or `None`."""
    found = rows_of(connection, f"SELECT {_BATCH_COLUMNS} FROM jobdeck_batches WHERE id = ?", (batch,))
    if not found:
        return None
    _check_batch(found[0])
    ((id, name, total, created_at),) = found
    states = rows_of(connection, "SELECT state, count(*) FROM jobdeck_jobs WHERE batch = ? GROUP BY state", (batch,))
    counts = {state_of(state): int(n) for state, n in states}
    return Batch(id=id, name=name, total=total, created_at=created_at, counts=counts)
