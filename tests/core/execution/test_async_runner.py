"""Async handlers: on one event loop, each with its own context, and always with a result."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import wait_until

from jobdeck import GiveUp, Job, Outcome, Queue, Reason, Registry, Settings, Snooze, State, Worker, context, job


@pytest.fixture
def kinds() -> Registry:
    return Registry()


@pytest.fixture
def queue(tmp_path: Path, kinds: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr("jobdeck.execution.context.STOP_GRACE", 0.2)
    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", lease=5.0)
    with Queue(settings=settings, registry=kinds) as opened:
        yield opened


def finish(queue: Queue, *made: Job, threads: int = 2) -> list[Job]:
    """Run a worker until these jobs are final."""
    with Worker(queue, threads=threads):
        return [queue.wait(each.id, timeout=15, every=0.01) for each in made]


def test_an_async_handler_runs_with_its_arguments_and_its_result_is_stored(queue: Queue, kinds: Registry) -> None:
    @job(name="fetch", registry=kinds)
    async def fetch(page: int, deep: bool = False) -> dict[str, int | bool]:
        await asyncio.sleep(0.001)
        return {"page": page, "deep": deep}

    (done,) = finish(queue, queue.enqueue(fetch, {"page": 3}))
    assert (done.state, done.result) == (State.COMPLETED, {"page": 3, "deep": False})


def test_async_handlers_share_one_loop_and_do_not_block_each_other_while_they_wait(queue: Queue, kinds: Registry) -> None:
    met = asyncio.Event()
    loops: set[asyncio.AbstractEventLoop] = set()

    @job(name="first", registry=kinds)
    async def first() -> None:
        loops.add(asyncio.get_running_loop())
        await met.wait()

    @job(name="second", registry=kinds)
    async def second() -> None:
        loops.add(asyncio.get_running_loop())
        met.set()

    ended = finish(queue, queue.enqueue(first), queue.enqueue(second))
    assert [each.state for each in ended] == [State.COMPLETED] * 2
    assert len(loops) == 1


def test_each_async_handler_keeps_its_own_context_through_every_await_and_task(queue: Queue, kinds: Registry) -> None:
    async def inner() -> int:
        await asyncio.sleep(0.002)
        logging.getLogger("shop").warning("inside %d", context().job_id)
        return context().job_id

    @job(name="who", registry=kinds)
    async def who() -> list[int]:
        context().progress(0.5)
        own = context().job_id
        found = await asyncio.gather(inner(), asyncio.create_task(inner()), asyncio.to_thread(lambda: context().job_id))
        return [own, *found]

    made = [queue.enqueue(who) for _ in range(8)]
    ended = finish(queue, *made, threads=4)
    assert [each.result for each in ended] == [[each.id] * 4 for each in made]
    assert [line.text for line in queue.logs(made[3].id)] == [f"inside {made[3].id}"] * 2


def test_an_exception_ends_the_attempt_with_a_traceback_of_the_handlers_code(queue: Queue, kinds: Registry) -> None:
    async def deeper() -> None:
        await asyncio.sleep(0)
        raise ValueError("no such page")

    @job(name="broken", max_attempts=1, registry=kinds)
    async def broken() -> None:
        await deeper()

    (failed,) = finish(queue, queue.enqueue(broken))
    assert (failed.state, failed.error, failed.reason) == (State.FAILED, "ValueError: no such page", Reason.EXHAUSTED)
    traceback = queue.attempts(failed.id)[-1].traceback or ""
    assert "in deeper" in traceback
    assert "in broken" in traceback
    assert "jobdeck/" not in traceback


def test_async_handlers_raise_the_same_signals_as_any_handler(queue: Queue, kinds: Registry) -> None:
    naps: list[int] = []

    @job(name="sleepy", max_attempts=1, registry=kinds)
    async def sleepy() -> None:
        naps.append(context().attempt)
        if len(naps) < 3:
            raise Snooze(0.01)

    @job(name="hopeless", registry=kinds)
    async def hopeless() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_give_up())

    async def _give_up() -> None:
        raise GiveUp("the card was stolen")

    slept, given_up = finish(queue, queue.enqueue(sleepy), queue.enqueue(hopeless))
    assert (slept.state, naps) == (State.COMPLETED, [1, 1, 1])
    assert (given_up.state, given_up.attempt, given_up.reason) == (State.FAILED, 1, Reason.GIVEN_UP)
    assert given_up.error == "GiveUp: the card was stolen"


def test_sys_exit_ends_the_attempt_and_not_the_loop(queue: Queue, kinds: Registry) -> None:
    @job(name="leave", max_attempts=1, registry=kinds)
    async def leave() -> None:
        raise SystemExit(3)

    @job(name="leave behind", max_attempts=1, registry=kinds)
    async def leave_behind() -> None:
        async def later() -> None:
            raise SystemExit(4)

        asyncio.get_running_loop()._left = asyncio.create_task(later())  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)

    @job(name="fine", registry=kinds)
    async def fine() -> int:
        await asyncio.sleep(0.001)
        return 1

    (left,) = finish(queue, queue.enqueue(leave))
    assert (left.state, left.error) == (State.FAILED, "SystemExit: 3")
    finish(queue, queue.enqueue(leave_behind))
    (done,) = finish(queue, queue.enqueue(fine))
    assert done.result == 1


def test_a_timeout_cancels_the_handler_at_its_await(queue: Queue, kinds: Registry) -> None:
    cleaned = threading.Event()

    @job(name="slow", timeout=0.1, max_attempts=1, registry=kinds)
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.set()

    begin = time.monotonic()
    (failed,) = finish(queue, queue.enqueue(slow))
    assert time.monotonic() - begin < 10
    assert (failed.state, failed.reason, cleaned.is_set()) == (State.FAILED, Reason.TIMED_OUT, True)
    assert [each.outcome for each in queue.attempts(failed.id)] == [Outcome.TIMED_OUT]


def test_a_cancelled_job_becomes_cancelled_when_its_code_has_stopped(queue: Queue, kinds: Registry) -> None:
    begun, stopped = threading.Event(), threading.Event()

    @job(name="long", registry=kinds)
    async def long() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    made = queue.enqueue(long)
    with Worker(queue, threads=1):
        assert begun.wait(10)
        queue.cancel(made.id)
        done = queue.wait(made.id, timeout=10)
    assert (done.state, stopped.is_set()) == (State.CANCELLED, True)
    assert [each.outcome for each in queue.attempts(made.id)] == [Outcome.CANCELLED]


def test_a_handler_that_suppresses_its_cancellation_is_cancelled_again_after_the_grace(queue: Queue, kinds: Registry) -> None:
    swallowed: list[float] = []

    @job(name="stubborn", timeout=0.05, max_attempts=1, registry=kinds)
    async def stubborn() -> None:
        while len(swallowed) < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed.append(time.monotonic())
        await asyncio.sleep(60)

    (failed,) = finish(queue, queue.enqueue(stubborn))
    assert (failed.state, failed.reason) == (State.FAILED, Reason.TIMED_OUT)
    assert swallowed[1] - swallowed[0] > 0.15


def test_a_handler_that_cancels_itself_fails(queue: Queue, kinds: Registry) -> None:
    @job(name="odd", max_attempts=1, registry=kinds)
    async def odd() -> None:
        raise asyncio.CancelledError

    (failed,) = finish(queue, queue.enqueue(odd))
    assert (failed.state, failed.error) == (State.FAILED, "CancelledError")


def test_a_shutdown_interrupts_the_handler_and_restores_its_attempt(queue: Queue, kinds: Registry) -> None:
    begun, cleaned = threading.Event(), threading.Event()

    @job(name="long", registry=kinds)
    async def long() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    made = queue.enqueue(long)
    worker = Worker(queue, threads=1)
    worker.start()
    assert begun.wait(10)
    assert worker.stop(grace=0.5) is True
    assert cleaned.is_set()
    back = queue.get(made.id)
    assert (back.state, back.attempt) == (State.PENDING, 0)
    assert [each.outcome for each in queue.attempts(made.id)] == [Outcome.RELEASED]


def test_check_works_and_a_blocking_sleep_is_refused(queue: Queue, kinds: Registry) -> None:
    @job(name="checks", max_attempts=1, registry=kinds)
    async def checks() -> None:
        context().check()
        context().sleep(0.01)

    (failed,) = finish(queue, queue.enqueue(checks))
    assert "await asyncio.sleep" in (failed.error or "")


def test_a_plain_function_may_return_a_coroutine(queue: Queue, kinds: Registry) -> None:
    async def inner(n: int) -> int:
        return n + 1

    @job(name="outer", registry=kinds)
    def outer(n: int):  # type: ignore[no-untyped-def]
        return inner(n)

    (done,) = finish(queue, queue.enqueue(outer, {"n": 4}))
    assert done.result == 5


def test_many_async_jobs_wait_at_once_beside_as_many_threads(queue: Queue, kinds: Registry) -> None:
    inside = 0
    gate = asyncio.Event()

    @job(name="wait", registry=kinds)
    async def wait() -> None:
        nonlocal inside
        inside += 1
        await gate.wait()

    @job(name="open", priority=-1, registry=kinds)
    async def open_gate() -> None:
        gate.set()

    made = [queue.enqueue(wait) for _ in range(6)]
    with Worker(queue, threads=6) as worker:
        wait_until(lambda: inside == 6)
        worker.resize(7)
        queue.enqueue(open_gate)
        assert all(queue.wait(each.id, timeout=10).state is State.COMPLETED for each in made)


def test_async_handlers_use_no_thread(queue: Queue, kinds: Registry) -> None:
    """Thirty handlers wait for one another, while the one thread runs another job."""
    here: set[int] = set()

    @job(name="meet", registry=kinds)
    async def meet() -> None:
        here.add(context().job_id)
        while len(here) < 30:
            await asyncio.sleep(0.001)

    @job(name="plain", registry=kinds)
    def plain() -> int:
        return len(here)

    meeting = queue.enqueue_bulk("meet", [{}] * 30)
    others = queue.enqueue_bulk("plain", [{}] * 5)
    with Worker(queue, threads=1) as worker:
        assert worker.wait_idle(20)
    assert [queue.get(each).state for each in (*meeting, *others)] == [State.COMPLETED] * 35


def test_at_most_as_many_async_handlers_run_at_once_as_the_setting_allows(tmp_path: Path, kinds: Registry) -> None:
    now, most = 0, 0

    @job(name="count", registry=kinds)
    async def count() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1

    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", coroutines=3)
    with Queue(settings=settings, registry=kinds) as queue:
        queue.enqueue_bulk("count", [{}] * 40)
        with Worker(queue, threads=8) as worker:
            assert worker.wait_idle(20)
        assert queue.count("state:completed") == 40
    assert most == 3


def test_busy_threads_do_not_delay_async_handlers_nor_the_reverse(queue: Queue, kinds: Registry) -> None:
    gate = threading.Event()
    loop_gate: list[asyncio.Event] = []

    @job(name="block", registry=kinds)
    def block() -> None:
        assert gate.wait(20)

    @job(name="hold", registry=kinds)
    async def hold() -> None:
        loop_gate.append(asyncio.Event())
        await loop_gate[-1].wait()

    @job(name="quick", registry=kinds)
    async def quick() -> None:
        pass

    @job(name="plain", registry=kinds)
    def plain() -> None:
        pass

    queue.enqueue("block")
    queue.enqueue("hold")
    with Worker(queue, threads=1) as worker:
        assert queue.wait(queue.enqueue("quick").id, timeout=10).state is State.COMPLETED
        late = queue.enqueue("plain")
        wait_until(lambda: loop_gate)
        gate.set()
        assert queue.wait(late.id, timeout=10).state is State.COMPLETED
        assert queue.count("state:running kind:hold") == 1
        queue.cancel(queue.ids("kind:hold")[0])
        assert worker.wait_idle(10)
    assert queue.count("kind:hold state:cancelled") == 1


def test_a_worker_that_stops_releases_the_async_jobs_that_do_not_finish(queue: Queue, kinds: Registry) -> None:
    begun: list[int] = []

    @job(name="hold", registry=kinds)
    async def hold() -> None:
        begun.append(context().job_id)
        await asyncio.sleep(60)

    queue.enqueue_bulk("hold", [{}] * 20)
    worker = Worker(queue, threads=1)
    worker.start()
    wait_until(lambda: len(begun) == 20)
    assert worker.stop(grace=1.0)
    assert queue.count("state:pending") == 20
    assert {queue.get(each).attempt for each in range(1, 21)} == {0}


def test_a_worker_resized_to_zero_threads_starts_no_async_handler_either(queue: Queue, kinds: Registry) -> None:
    ran = threading.Event()

    @job(name="hold", registry=kinds)
    async def hold() -> None:
        await asyncio.sleep(60)

    @job(name="note", registry=kinds)
    async def note() -> None:
        ran.set()

    held = queue.enqueue("hold")
    with Worker(queue, threads=1) as worker:
        wait_until(lambda: queue.get(held.id).state is State.RUNNING)
        worker.resize(0)
        waiting = queue.enqueue("note")
        queue.cancel(held.id)
        # The claimer has recorded a result, and would have claimed in the same transaction.
        assert queue.wait(held.id, timeout=10).state is State.CANCELLED
        assert queue.get(waiting.id).state is State.PENDING
        worker.resize(1)
        assert ran.wait(10)
