"""A worker whose database is deleted or replaced: it writes nothing to the lost file, and recovers by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from tests.core.controlled_handlers import Handlers, waiting_handlers
from tests.core.helpers import open_queue, wait_until

from jobdeck import Queue, State, StoreError, Worker


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    with waiting_handlers() as made:
        yield made


def state_in(path: Path, job_id: int) -> State:
    with Queue(path) as queue:
        return queue.get(job_id).state


def another(path: Path, handlers: Handlers, kinds: list[str]) -> Path:
    with open_queue(path, handlers.registry) as queue:
        for kind in kinds:
            queue.enqueue(kind)
    return path


def test_a_worker_continues_with_the_database_that_replaces_its_own(tmp_path: Path, handlers: Handlers) -> None:
    path = tmp_path / "jobs.db"
    other = another(tmp_path / "other.db", handlers, ["quick"] * 3)
    with open_queue(path, handlers.registry) as queue, Worker(queue, threads=2) as worker:
        slow = queue.enqueue("slow")
        assert handlers.begun.wait(5)
        assert slow.id == 1
        begun = time.monotonic()
        other.rename(path)
        # The idle thread starts a job at once, while the job of the old database continues.
        wait_until(lambda: state_in(path, 3) is State.COMPLETED)
        print(f"recovered in {time.monotonic() - begun:.2f} s")
        assert worker.running == 1
        assert not handlers.stopped.is_set()
        handlers.go.set()
        assert handlers.ended.wait(5)
        wait_until(lambda: worker.running == 0)
        with Queue(path) as there:
            assert there.get(1).kind == "quick"  # and not the result, progress or log of the old job
            assert there.get(1).result == "done"
            assert there.get(1).progress is None
            wait_until(lambda: [info.id for info in there.workers.list()] == [worker.id])


def test_a_deleted_database_stops_claiming_and_a_new_one_resumes_it(
    tmp_path: Path, handlers: Handlers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jobdeck.worker")
    path = tmp_path / "jobs.db"
    with open_queue(path, handlers.registry) as queue, Worker(queue, threads=1) as worker:
        queue.wait(queue.enqueue("quick").id)
        assert worker.last_error is None
        path.unlink()
        wait_until(lambda: worker.last_error is not None)
        assert worker.last_error == f"The database {path} was deleted or moved away."
        time.sleep(0.5)
        assert not path.exists()
        assert len([each for each in caplog.messages if "was deleted" in each]) <= 2  # the claimer and the heartbeat
        another(path, handlers, ["quick"] * 2)
        wait_until(lambda: state_in(path, 2) is State.COMPLETED)
        wait_until(lambda: worker.last_error is None)
        assert any(f"The database {path} was replaced" in each for each in caplog.messages)


def test_a_restored_file_still_has_its_running_job_and_records_its_result(tmp_path: Path, handlers: Handlers) -> None:
    path, away = tmp_path / "jobs.db", tmp_path / "away.db"
    with open_queue(path, handlers.registry) as queue, Worker(queue, threads=1) as worker:
        job = queue.enqueue("slow")
        assert handlers.begun.wait(5)
        path.rename(away)
        wait_until(lambda: worker.last_error is not None)
        handlers.go.set()
        assert handlers.ended.wait(5)
        away.rename(path)
        wait_until(lambda: state_in(path, job.id) is State.COMPLETED)


def test_code_of_a_replaced_database_is_asked_to_stop_when_its_lease_expires(tmp_path: Path, handlers: Handlers) -> None:
    path = tmp_path / "jobs.db"
    other = another(tmp_path / "other.db", handlers, [])
    with open_queue(path, handlers.registry, lease=2.0) as queue, Worker(queue, threads=1) as worker:
        queue.enqueue("slow")
        assert handlers.begun.wait(5)
        other.rename(path)
        wait_until(handlers.stopped.is_set)
        wait_until(lambda: worker.running == 0)


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_shutting_down_grants_orphaned_code_its_grace_and_does_not_wait_for_the_file(
    tmp_path: Path, handlers: Handlers, replaced: bool
) -> None:
    path = tmp_path / "jobs.db"
    other = another(tmp_path / "other.db", handlers, [])
    with open_queue(path, handlers.registry) as queue:
        worker = Worker(queue, threads=2)
        worker.start()
        queue.enqueue("slow")
        assert handlers.begun.wait(5)
        if replaced:
            other.rename(path)
            wait_until(lambda: queue_works(path, handlers))
        else:
            path.unlink()
            wait_until(lambda: worker.last_error is not None)
        begun = time.monotonic()
        worker.stop(grace=1.0)
        assert time.monotonic() - begun < 3
        assert handlers.stopped.is_set()


def queue_works(path: Path, handlers: Handlers) -> bool:
    with open_queue(path, handlers.registry) as queue:
        job = queue.enqueue("quick")
        return queue.wait(job.id, timeout=2).state is State.COMPLETED


def test_a_worker_survives_ten_seconds_of_a_locked_database(tmp_path: Path, handlers: Handlers) -> None:
    path = tmp_path / "jobs.db"
    with open_queue(path, handlers.registry) as queue, Worker(queue, threads=1):
        queue.enqueue("quick")
        wait_until(lambda: queue.get(1).state is State.COMPLETED)
        job = queue.enqueue("quick", delay=0.3)
        holder = apsw.Connection(str(path))
        holder.set_busy_timeout(5000)
        holder.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        wait_until(lambda: queue.lock_wait_started() is not None)
        time.sleep(10.5)
        holder.execute("ROLLBACK")
        holder.close()
        released = time.monotonic()
        assert queue.wait(job.id, timeout=5).state is State.COMPLETED
        print(f"locked for {released - begun:.1f} s, working again after {time.monotonic() - released:.2f} s")
        wait_until(lambda: queue.lock_wait_started() is None)


def test_a_driver_error_becomes_one_sentence_with_a_remedy(tmp_path: Path, handlers: Handlers) -> None:
    path = tmp_path / "jobs.db"
    with open_queue(path, handlers.registry) as queue:
        queue.enqueue("quick")
        path.unlink()
        with pytest.raises(StoreError) as caught:
            queue.enqueue("quick")
        assert str(caught.value) == f"The database {path} was deleted or moved away."
        queue.recreate()
        with pytest.raises(StoreError) as caught:
            queue.enqueue("quick")
        assert str(caught.value) == (
            f"The database {path} was replaced; this operation had no effect, and later ones use the new database."
        )
        assert queue.enqueue("quick").id == 1
