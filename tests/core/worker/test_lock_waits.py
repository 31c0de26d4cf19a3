"""A worker whose transactions wait for the lock of the file, because other processes write."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest
from tests.core.helpers import wait_until

from jobdeck import Queue, Registry, Settings, State, Worker, context
from jobdeck.kinds.registry import job
from jobdeck.model.attempt_result import Completed
from jobdeck.store.base import LostLeases

JOBS = 6


@pytest.fixture
def holder(tmp_path: Path) -> apsw.Connection:
    """Return a connection that stands for another process."""
    connection = apsw.Connection(str(tmp_path / "jobs.db"))
    connection.set_busy_timeout(5000)
    return connection


def test_jobs_that_finish_while_the_worker_waits_are_recorded_by_the_same_transaction(
    tmp_path: Path, holder: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many processes, each transaction waits for the others: one for each result would make all of them slow."""
    kinds = Registry()
    done: list[int] = []
    locked = threading.Event()

    @job(name="nap", registry=kinds)
    def nap(n: int) -> None:
        assert locked.wait(10)
        time.sleep(0.03 * n)
        done.append(n)

    with Queue(settings=Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF"), registry=kinds) as queue:
        recorded: list[int] = []
        complete = queue.store.completer.complete

        def counted(results: Sequence[Completed]) -> LostLeases:
            recorded.append(len(results))
            return complete(results)

        monkeypatch.setattr(queue.store.completer, "complete", counted)
        made = queue.enqueue_many([queue.new_job("nap", {"n": n}) for n in range(JOBS)])
        with Worker(queue, threads=JOBS) as worker:
            wait_until(lambda: queue.count("state:running") == JOBS)
            holder.execute("BEGIN IMMEDIATE")
            locked.set()
            wait_until(lambda: len(done) == JOBS and queue.lock_wait_started())
            holder.execute("COMMIT")
            assert worker.wait_idle(10)
        assert {each.state for each in queue.get_many([job.id for job in made])} == {State.COMPLETED}
        assert max(recorded) == JOBS


def test_lines_logged_while_the_worker_waits_are_stored_in_their_order(tmp_path: Path, holder: apsw.Connection) -> None:
    kinds = Registry()

    @job(name="talk", registry=kinds)
    def talk() -> None:
        for n in range(60):
            context().write("info", str(n))
            time.sleep(0.01)

    with Queue(settings=Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF"), registry=kinds) as queue:
        made = queue.enqueue_many([queue.new_job("talk") for _ in range(3)])
        with Worker(queue, threads=3) as worker:
            for _ in range(4):
                holder.execute("BEGIN IMMEDIATE")
                time.sleep(0.15)
                holder.execute("COMMIT")
            assert worker.wait_idle(20)
        for each in made:
            assert [line.text for line in queue.logs(each.id)] == [str(n) for n in range(60)]
