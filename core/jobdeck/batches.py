"""The batches of a queue: jobs with one outcome to wait for."""

from __future__ import annotations

from collections.abc import Iterable

from .clock import Clock, poll
from .kinds.job_options import check_batch_name
from .model.errors import BatchNotFound
from .model.jobs import Batch, NewJob
from .store.base import Store
from .tracing.tracer import send


class Batches:
    """`Queue.batches`: enqueues batches, and waits for them.

    Example:
        >>> with Queue("jobs.db") as queue:
        ...     batch = queue.batches.enqueue([queue.new_job("shell", {"command": ["true"]})], name="nightly")
        ...     queue.batches.get(batch.id).finished
        False
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def enqueue(self, jobs: Iterable[NewJob], *, name: str = "", into: int | None = None) -> Batch:
        """Enqueue checked jobs in one commit, as a batch. Raises as `Queue.enqueue` does.

        If a unique key is taken, the job that holds it does not become a part of the batch.

        Args:
            jobs: the jobs.
            name: the name of the batch.
            into: the id of a batch that the jobs are added to, instead of a new one. It may have finished before.

        Raises:
            BatchNotFound: the batch `into` does not exist.
        """
        checked, chosen = check_batch_name(name), list(jobs)
        return send(lambda jobs: self._store.enqueuer.enqueue_batch(checked, jobs, into), chosen, len(chosen))

    def get(self, batch_id: int) -> Batch:
        """Return the batch. Raises `BatchNotFound`."""
        found = self._store.reader.batch(batch_id)
        if found is None:
            raise BatchNotFound(batch_id)
        return found

    def wait(self, batch_id: int, *, timeout: float | None = None, every: float = 0.05) -> Batch:
        """Wait until every job of the batch is final, as `Queue.wait` does for one job. Raises `BatchNotFound`."""
        return poll(lambda: self.get(batch_id), lambda batch: batch.finished, self._clock, timeout=timeout, every=every)
