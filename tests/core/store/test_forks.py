"""A process with an open queue forks: parent and child both go on, each with connections of its own."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.core.helpers import registry, wait_until

from jobdeck import Queue, Settings, State, StoreFailed, Worker

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def work() -> None:
    pass


async def work_async() -> None:
    pass


def open_at(address: str) -> Queue:
    return Queue(address, registry=registry(work=work, work_async=work_async), settings=Settings(synchronous="OFF"))


class Child:
    """A forked process that runs a function, and its result."""

    def __init__(self, function: Callable[[], Any]) -> None:
        reader, writer = os.pipe()
        self.process = os.fork()
        if self.process:
            os.close(writer)
            self._reader = reader
            return
        signal.alarm(30)  # ends a child that hangs
        try:
            result = function()
        except BaseException as error:
            result = repr(error)
        with os.fdopen(writer, "wb") as out:
            pickle.dump(result, out)
        os._exit(0)

    def result(self) -> Any:
        """Wait for the end of the process, and return what the function returned, or the exception that it raised."""
        with os.fdopen(self._reader, "rb") as source:
            result = pickle.load(source)
        os.waitpid(self.process, 0)
        return result


def enqueue(queue: Queue, n: int) -> list[int]:
    return [queue.enqueue("work").id for _ in range(n)]


def test_parent_and_child_enqueue_and_lose_nothing(address: str) -> None:
    with open_at(address) as queue:
        before = enqueue(queue, 2)
        child = Child(lambda: enqueue(queue, 20))
        here = enqueue(queue, 20)
        there = child.result()
        assert len({*before, *here, *there}) == 42
        assert Child(lambda: queue.count()).result() == 42
    with open_at(address) as queue:
        assert set(queue.ids()) == {*before, *here, *there}


def test_children_forked_while_other_threads_enqueue_lose_nothing(address: str) -> None:
    with open_at(address) as queue:
        enqueue(queue, 1)
        stop = threading.Event()
        acknowledged: list[int] = []

        def pump() -> None:
            while not stop.is_set():
                acknowledged.extend(enqueue(queue, 1))

        threads = [threading.Thread(target=pump) for _ in range(3)]
        for thread in threads:
            thread.start()
        children = [Child(lambda: enqueue(queue, 5)) for _ in range(8)]
        there = [job_id for child in children for job_id in child.result()]
        stop.set()
        for thread in threads:
            thread.join()
        assert len({*there, *acknowledged}) == len(there) + len(acknowledged)
        assert {*there, *acknowledged} <= set(queue.ids())


def test_a_child_of_an_open_transaction_works_beside_it_but_cannot_end_it(address: str) -> None:
    def in_child() -> tuple[str, list[int]]:
        with pytest.raises(StoreFailed, match="was forked inside the transaction, which belongs to its parent") as caught:
            transaction.__exit__(None, None, None)
        return str(caught.value), enqueue(queue, 1)

    with open_at(address) as queue:
        enqueue(queue, 1)
        transaction = queue.transaction()
        transaction.__enter__()
        (mine,) = enqueue(queue, 1)
        child = Child(in_child)
        time.sleep(0.1)  # the child waits for the parent's transaction, or does not need to
        transaction.__exit__(None, None, None)
        _, theirs = child.result()
        assert queue.get(mine).state is State.PENDING
        assert {mine, *theirs} < set(queue.ids())
        assert queue.count() == 3


def test_a_child_that_closes_the_queue_or_ends_disturbs_no_session_of_the_parent(address: str) -> None:
    with open_at(address) as queue:
        enqueue(queue, 1)
        with queue.transaction():
            (mine,) = enqueue(queue, 1)
            assert Child(queue.close).result() is None
            assert Child(lambda: None).result() is None
            enqueue(queue, 1)
        assert queue.count() == 3
        assert queue.get(mine).state is State.PENDING


def test_a_pool_of_processes_enqueues(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_at(address) as queue:
        monkeypatch.setitem(globals(), "_shared", queue)
        enqueue(queue, 1)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            ids = pool.map(_enqueue_shared, range(10))
        assert len(set(ids)) == 10
        assert set(ids) < set(queue.ids())


_shared: Queue | None = None


def _enqueue_shared(number: int) -> int:
    assert _shared is not None
    return _shared.enqueue("work").id


def test_parent_and_child_issue_different_leases(address: str) -> None:
    with open_at(address) as queue:
        assert Child(queue.random.random).result() != queue.random.random()


def test_a_child_does_not_end_the_jobs_of_its_parents_worker(address: str) -> None:
    entered, leave = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        leave.wait(10)

    with Queue(address, registry=registry(wait=wait), settings=Settings(synchronous="OFF")) as queue:
        with Worker(queue, threads=1) as worker:
            job = queue.enqueue("wait")
            assert entered.wait(10)
            assert Child(lambda: (worker.running, worker.stop(grace=0))).result() == (0, True)
            assert queue.get(job.id).state is State.RUNNING
            leave.set()
            assert worker.wait_idle(10)
        assert queue.get(job.id).state is State.COMPLETED
        assert queue.get(job.id).attempt == 1


def test_a_worker_can_be_started_in_a_child_of_a_process_with_a_worker(address: str) -> None:
    def in_child() -> tuple[bool, str]:
        with worker:
            enqueue(queue, 3)
            queue.enqueue("work_async")
            return worker.wait_idle(10), worker.id

    with open_at(address) as queue, Worker(queue, threads=2) as worker:
        queue.enqueue("work_async")
        assert worker.wait_idle(10)
        idle, name = Child(in_child).result()
        assert idle
        assert name != worker.id
        enqueue(queue, 3)
        queue.enqueue("work_async")
        wait_until(lambda: queue.count("state:completed") == 9, what="the completion of all jobs")


def test_jobs_of_a_child_notify_the_parent(address: str) -> None:
    notified = threading.Event()
    with open_at(address) as queue, queue.store.notifier.listen(notified.set):
        enqueue(queue, 1)
        assert notified.wait(10)
        for _ in range(2):  # the end of a child ends no notification either
            notified.clear()
            Child(lambda: enqueue(queue, 1)).result()
            assert notified.wait(10)
