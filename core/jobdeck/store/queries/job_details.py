"""Looking at single jobs, and at what belongs to them. Lists, filters and overviews are in modules of their own."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.jobs import Attempt, Batch, Job, LogLine
from ...model.states import State
from ..backend import House, rows_of
from ..records import ATTEMPT_COLUMNS, LOG_COLUMNS, attempt_of, log_line_of


class Details:
    """Reads."""

    def __init__(self, house: House) -> None:
        self._house = house

    def jobs(self, ids: Sequence[int]) -> list[Job]:
        """See `Store.get_jobs`."""
        with self._house.reading() as connection:
            found = {job.id: job for job in self._house.looked_at(connection, ids)}
        return [found[job_id] for job_id in ids if job_id in found]

    def batch(self, batch: int) -> Batch | None:
        """See `Store.get_batch`."""
        with self._house.reading() as connection:
            found = rows_of(connection, "SELECT id, name, total, created_at FROM jobdeck_batches WHERE id = ?", (batch,))
            counts = rows_of(connection, "SELECT state, count(*) FROM jobdeck_jobs WHERE batch = ? GROUP BY state", (batch,))
        if not found:
            return None
        ((id, name, total, created_at),) = found
        told = {State(state): int(n) for state, n in counts}
        return Batch(id=id, name=name, total=total, created_at=created_at, counts=told)

    def attempts(self, job_id: int) -> list[Attempt]:
        """See `Store.list_attempts`."""
        with self._house.reading() as connection:
            query = f"SELECT {ATTEMPT_COLUMNS} FROM jobdeck_attempts WHERE job_id = ? ORDER BY started_at, number"
            found = [*map(attempt_of, rows_of(connection, query, (job_id,)))]
            job = next(self._house.looked_at(connection, [job_id]), None)
        if job is not None and job.state is State.RUNNING:
            begun = job.started_at or 0.0
            found.append(Attempt(job_id=job_id, number=job.attempt, worker=job.worker or "", started_at=begun))
        return found

    def logs(self, job_id: int, attempt: int | None, after: int, limit: int) -> list[LogLine]:
        """See `Store.read_logs`."""
        with self._house.reading() as connection:
            query = (
                f"SELECT {LOG_COLUMNS} FROM jobdeck_logs WHERE job_id = ? AND id > ? AND attempt = coalesce(?, attempt)"
                " ORDER BY id DESC LIMIT ?"
            )
            return [*map(log_line_of, rows_of(connection, query, (job_id, after, attempt, limit)))][::-1]
