"""A worker that is asked to drain by another process, or by the server in its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.core.helpers import wait_until

from jobdeck import Queue, Worker, WorkerNotFound, WorkerUnreachable


def test_a_worker_that_is_asked_to_drain_claims_no_more(address: str) -> None:
    with Queue(address) as queue, Queue(address) as other, Worker(queue, threads=1) as worker:
        wait_until(lambda: [each.id for each in other.workers.list()] == [worker.id])
        drained = other.workers.drain(worker.id)
        assert (drained.id, drained.draining) == (worker.id, True)
        job = other.enqueue("shell", {"command": ["true"]})
        with Worker(other, threads=1):
            assert other.wait(job.id, timeout=20).worker != worker.id
        wait_until(lambda: [each.draining for each in other.workers.list() if each.id == worker.id] == [True])


def test_a_worker_that_is_not_there_cannot_be_drained(tmp_path: Path) -> None:
    with Queue(tmp_path / "jobs.db") as queue:
        with pytest.raises(WorkerNotFound):
            queue.workers.drain("web-1:1:x")
        with Worker(queue, threads=1) as worker:
            wait_until(lambda: [each.id for each in queue.workers.list()] == [worker.id])
            with queue.store.transaction() as connection:
                connection.execute("UPDATE jobdeck_workers SET host = 'elsewhere'")
            with pytest.raises(WorkerUnreachable, match="runs on elsewhere"):
                queue.workers.drain(worker.id)
