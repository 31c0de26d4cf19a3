"""Reads the facts behind a diagnosis: why a job does not run, and the state of each queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model.claim_conditions import ClaimConditions
from ..backend import Backend
from ..workers import Workers
from .claim_conditions import ReadTime, read_claim_conditions
from .dialect import Dialect
from .queues import read_queues

if TYPE_CHECKING:
    from ...model.forecast import QueueStats


class SqlDiagnostics:
    """The data that decides whether a job is claimed."""

    def __init__(self, backend: Backend, dialect: Dialect, workers: Workers) -> None:
        self._backend = backend
        self._dialect = dialect
        self._workers = workers

    def claim_conditions(self, job_id: int, lease: float, ageing: float = 0.0) -> ClaimConditions | None:
        """Return the conditions of the claim for the job, read in one transaction; `None` if the job does not exist.

        Args:
            job_id: the job.
            lease: seconds without a heartbeat after which a worker counts as dead.
            ageing: seconds of being due that count as one step of priority; 0 if priorities do not age.
        """
        with self._backend.read_transaction() as connection:
            job = next(self._backend.load_for_display(connection, [job_id]), None)
            if job is None:
                return None
            workers = self._workers.list(lease)
            time = ReadTime(self._backend.now(connection), self._backend.lease_now(connection), ageing)
            return read_claim_conditions(connection, self._dialect, job, workers, time)

    def queue_stats(self, *, seconds: float, slices: int, lease: float) -> list[QueueStats]:
        """Return the state of every queue, by name, read in one transaction.

        Args:
            seconds: the time before now that throughput is measured over.
            slices: the approximate number of slices of that time.
            lease: seconds without a heartbeat after which a worker counts as dead.
        """
        from ..metrics.time_slices import TimeSlices
        from .queue_stats import read_queue_stats  # imported late: few processes that open the queue need it

        with self._backend.read_transaction() as connection:
            now = self._backend.now(connection)
            queues, workers = read_queues(connection), self._workers.list(lease)
            return read_queue_stats(connection, queues, workers, TimeSlices.of(now, seconds, slices), now)
