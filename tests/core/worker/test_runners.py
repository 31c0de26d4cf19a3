"""A thread or an event loop that dies is replaced, and the job that it ran ends as crashed."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
from collections.abc import Iterator

import pytest
from tests.core.helpers import wait_until

from jobdeck import Job, Outcome, Queue, Registry, Settings, State, Worker, context
from jobdeck.kinds.registry import job


@pytest.fixture
def kinds() -> Registry:
    return Registry()


@pytest.fixture
def queue(address: str, kinds: Registry) -> Iterator[Queue]:
    with Queue(settings=Settings(database=address, synchronous="OFF"), registry=kinds) as opened:

        @job(name="innocent", max_attempts=1, registry=kinds)
        def innocent() -> int:
            return 7

        yield opened


def outcomes(queue: Queue, made: Job) -> list[Outcome | None]:
    return [attempt.outcome for attempt in queue.attempts(made.id)]


def raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise an exception in another thread, as libraries for time limits do."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(error))


def runner_of(worker: Worker) -> threading.Thread:
    """Return the only runner, which must be of this worker: no other one runs."""
    return wait_until(lambda: next((each for each in threading.enumerate() if each.name == "jobdeck-runner"), None))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, ValueError])
def test_an_exception_raised_from_outside_in_an_idle_runner_ends_no_job(queue: Queue, error: type[BaseException]) -> None:
    with Worker(queue, threads=1) as worker:
        for _ in range(5):
            raise_in(runner_of(worker), error)
            assert queue.wait(queue.enqueue("innocent").id, timeout=20, every=0.01).state in (State.COMPLETED, State.FAILED)
            assert queue.wait(queue.enqueue("innocent").id, timeout=20, every=0.01).state is State.COMPLETED


def refuse(*_: object, **__: object) -> None:
    raise RuntimeError("hostile")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_threads_that_die_before_they_run_anything_are_replaced(queue: Queue, kinds: Registry) -> None:
    meeting = threading.Barrier(3)

    @job(name="meets", max_attempts=1, registry=kinds)
    def meets() -> None:
        meeting.wait(20)

    with Worker(queue, threads=1) as worker:
        threading.settrace(refuse)  # type: ignore[arg-type]
        try:
            worker.resize(3)
            wait_until(lambda: sum(each.name == "jobdeck-runner" for each in threading.enumerate()) == 1)
        finally:
            threading.settrace(None)  # type: ignore[arg-type]
        made = [queue.enqueue("meets") for _ in range(3)]
        assert {queue.wait(each.id, timeout=20, every=0.01).state for each in made} == {State.COMPLETED}


def close_loop() -> None:
    """Leave the running event loop as another thread does that closes it just after it has been stopped."""
    loop = asyncio.get_running_loop()
    loop._closed = True  # type: ignore[attr-defined]
    loop.stop()


def break_loop() -> None:
    """Break what the running event loop waits with."""
    asyncio.get_running_loop()._selector.select = refuse  # type: ignore[attr-defined]


@pytest.mark.parametrize("end", [close_loop, break_loop])
def test_an_event_loop_that_ends_is_replaced_and_its_jobs_end_as_crashed(queue: Queue, kinds: Registry, end: object) -> None:
    started = threading.Event()

    @job(name="ends", max_attempts=1, registry=kinds)
    async def ends() -> None:
        end()  # type: ignore[operator]
        await asyncio.sleep(60)

    @job(name="waits", max_attempts=2, registry=kinds)
    async def waits() -> int:
        started.set()
        await asyncio.sleep(60 if context().attempt == 1 else 0)
        return context().attempt

    neighbor = queue.enqueue("waits")
    with Worker(queue, threads=1):
        assert started.wait(10)
        failed = queue.wait(queue.enqueue("ends").id, timeout=20, every=0.01)
        done = queue.wait(neighbor.id, timeout=20, every=0.01)
    assert (failed.state, failed.error) == (State.FAILED, "Crashed: the event loop that ran it was closed")
    assert (done.state, done.result, outcomes(queue, neighbor)) == (State.COMPLETED, 2, [Outcome.CRASHED, Outcome.COMPLETED])


def test_what_an_async_handler_does_to_its_loop_ends_no_other_job(queue: Queue, kinds: Registry) -> None:
    @job(name="hostile", max_attempts=1, registry=kinds)
    async def hostile() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(refuse)  # type: ignore[arg-type]
        loop.set_exception_handler(refuse)
        loop.stop()
        loop.call_soon(sys.exit)

    @job(name="neighbor", max_attempts=1, registry=kinds)
    async def neighbor() -> int:
        return await asyncio.create_task(asyncio.sleep(0.01, 7))

    with Worker(queue, threads=1):
        for _ in range(3):
            assert queue.wait(queue.enqueue("hostile").id, timeout=20, every=0.01).state is State.COMPLETED
            assert queue.wait(queue.enqueue("neighbor").id, timeout=20, every=0.01).result == 7
