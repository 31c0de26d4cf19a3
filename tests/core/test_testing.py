"""The helpers for tests of users' programs: run a job inline, drain a queue, freeze the clock."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from jobdeck import (  # fmt: skip
    GiveUp,
    InvalidArguments,
    InvalidHandler,
    InvalidOption,
    LeaseLost,
    Outcome,
    Queue,
    Registry,
    Settings,
    Snooze,
    State,
    TimedOut,
    UnknownKind,
    Worker,
    context,
    job,
)
from jobdeck.testing import FrozenClock, ManualWorker, drain, run_inline


@pytest.fixture
def kinds() -> Registry:
    return Registry()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def queue(tmp_path: Path, kinds: Registry, clock: FrozenClock) -> Iterator[Queue]:
    with Queue(tmp_path / "jobs.db", settings=Settings(synchronous="OFF"), registry=kinds, clock=clock) as opened:
        yield opened


# -- the frozen clock ------------------------------------------------------------------------------------


def test_a_frozen_clock_advances_only_on_request() -> None:
    clock = FrozenClock(100.0)
    began = clock.monotonic()
    clock.advance(5)
    clock.jump(-60)
    assert (clock.now(), clock.monotonic() - began, clock.boot()) == (45.0, 5.0, "frozen")
    clock.advance_to(50.25)
    clock.advance_to(1.0)
    assert (clock.now(), clock.monotonic() - began) == (50.25, 10.25)
    with pytest.raises(ValueError, match="cannot advance"):
        clock.advance(-1)


# -- one job ---------------------------------------------------------------------------------------------


def test_a_job_run_inline_returns_its_result_log_and_progress(kinds: Registry) -> None:
    @job(name="send", max_attempts=7, registry=kinds)
    def send(to: str, day: date) -> tuple[str, int]:
        logging.getLogger("shop").warning("to %s on %s", to, day.year)
        context().log.debug("attempt %d of %d", context().attempt, context().max_attempts)
        context().progress(0.5, "half of it")
        return f"{context().kind} {context().job_id}", day.year

    ran = run_inline("send", {"to": "ann", "day": "2026-01-31"}, job_id=41, attempt=2, registry=kinds)
    assert (ran.outcome, ran.result, ran.progress) == (Outcome.COMPLETED, ["send 41", 2026], 0.5)
    assert ran.progress_message == "half of it"
    assert ran.log == (("warning", "to ann on 2026"), ("debug", "attempt 2 of 7"))


def test_a_function_need_not_be_registered_to_be_run_inline() -> None:
    async def later(n: int) -> int:
        await asyncio.sleep(0.001)
        return context().attempt + n

    assert run_inline(later, {"n": 5}).result == 6
    with pytest.raises(InvalidHandler):
        run_inline(lambda *args: None)
    with pytest.raises(RuntimeError, match="outside a job"):
        context()


def test_arguments_are_validated_as_by_the_queue(kinds: Registry) -> None:
    def send(order_id: int) -> None: ...

    with pytest.raises(InvalidArguments, match="order_id"):
        run_inline(send, {"order_id": "twelve"})
    with pytest.raises(UnknownKind):
        run_inline("nothing", registry=kinds)


def test_an_exception_of_the_handler_is_raised_or_returned(kinds: Registry) -> None:
    error = ValueError("no")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="no") as caught:
        run_inline(fail)
    assert caught.value is error
    ran = run_inline(fail, raise_errors=False)
    assert (ran.outcome, ran.error) == (Outcome.FAILED, error)
    assert 0 < (ran.retry_in or 0) <= 2


def test_a_snooze_is_returned_and_giving_up_is_raised() -> None:
    def sleepy() -> None:
        raise Snooze(90)

    def hopeless() -> None:
        raise GiveUp("stolen")

    ran = run_inline(sleepy)
    assert (ran.outcome, ran.retry_in) == (Outcome.SNOOZED, pytest.approx(90))
    with pytest.raises(GiveUp, match="stolen"):
        run_inline(hopeless)


def test_sleeping_takes_no_time_on_a_frozen_clock_and_timeouts_apply(clock: FrozenClock) -> None:
    def nap(seconds: float) -> float:
        context().sleep(seconds)
        return seconds

    began = clock.now()
    assert run_inline(nap, {"seconds": 3600.0}, clock=clock).result == 3600.0
    assert clock.now() == began + 3600
    with pytest.raises(TimedOut):
        run_inline(nap, {"seconds": 3600.0}, timeout=60, clock=clock)
    assert clock.now() == began + 3660


# -- a queue ---------------------------------------------------------------------------------------------


def test_a_drain_runs_ready_jobs_and_those_they_enqueue_in_queue_order(queue: Queue, kinds: Registry) -> None:
    ran: list[tuple[str, str]] = []

    @job(name="order", registry=kinds)
    def order(name: str) -> str:
        ran.append((name, threading.current_thread().name))
        if name == "urgent":
            queue.enqueue("order", {"name": "follow-up"}, priority=9)
        return name

    for name, priority in (("first", 0), ("urgent", 5), ("second", 0)):
        queue.enqueue("order", {"name": name}, priority=priority)
    done = drain(queue)
    here = threading.current_thread().name
    assert ran == [(name, here) for name in ("urgent", "follow-up", "first", "second")]
    assert [each.result for each in done] == ["urgent", "follow-up", "first", "second"]
    assert {each.state for each in done} == {State.COMPLETED}
    assert drain(queue) == []


def test_a_drain_stores_the_same_as_a_worker(queue: Queue, kinds: Registry) -> None:
    @job(name="send", registry=kinds)
    async def send() -> None:
        context().log.info("sent")
        context().progress(0.75)

    made = queue.enqueue("send")
    drain(queue)
    assert [line.text for line in queue.logs(made.id)] == ["sent"]
    assert queue.get(made.id).progress == 0.75
    (attempt,) = queue.attempts(made.id)
    assert (attempt.outcome, attempt.number) == (Outcome.COMPLETED, 1)


def test_scheduled_jobs_wait_until_time_passes(queue: Queue, kinds: Registry, clock: FrozenClock) -> None:
    at: list[float] = []

    @job(name="later", registry=kinds)
    def later() -> None:
        at.append(clock.now())

    began = clock.now()
    for hours in (3, 1, 2):
        queue.enqueue("later", delay=3600.0 * hours)
    assert drain(queue) == []
    assert len(drain(queue, until=began + 2 * 3600)) == 2
    assert at == [began + 3600, began + 7200]
    drain(queue, until=began + 86400)
    assert at[2:] == [began + 3 * 3600]
    assert clock.now() == began + 86400


def test_an_error_of_a_handler_is_stored_and_then_raised_unless_disabled(
    queue: Queue, kinds: Registry, clock: FrozenClock
) -> None:
    @job(name="doomed", max_attempts=2, registry=kinds)
    def doomed() -> None:
        raise ValueError("no")

    made = queue.enqueue("doomed")
    with pytest.raises(ValueError, match="no"):
        drain(queue)
    assert (queue.get(made.id).state, queue.get(made.id).attempt) == (State.RETRYING, 1)
    (failed,) = drain(queue, until=clock.now() + 60, raise_errors=False)
    assert (failed.state, failed.attempt) == (State.FAILED, 2)


def test_snoozing_and_retrying_jobs_are_listed_once(queue: Queue, kinds: Registry, clock: FrozenClock) -> None:
    runs: list[int] = []

    @job(name="sleepy", registry=kinds)
    def sleepy() -> None:
        runs.append(1)
        if len(runs) < 4:
            raise Snooze(60)

    queue.enqueue("sleepy")
    (done,) = drain(queue, until=clock.now() + 3600)
    assert (len(runs), done.state, done.attempt) == (4, State.COMPLETED, 1)


def test_a_drain_stops_at_its_limit_and_never_runs_forever(
    queue: Queue, kinds: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    @job(name="again", registry=kinds)
    def again() -> None:
        queue.enqueue("again")

    queue.enqueue("again")
    assert len(drain(queue, limit=3)) == 3
    monkeypatch.setattr("jobdeck.testing.MAX_RUNS", 20)
    with pytest.raises(RuntimeError, match="enqueue each other"):
        drain(queue)


def test_time_can_be_advanced_only_on_a_frozen_clock(tmp_path: Path, kinds: Registry) -> None:
    with Queue(tmp_path / "other.db", registry=kinds) as queue, pytest.raises(InvalidOption, match="FrozenClock"):
        drain(queue, until=5.0)


def test_a_drain_skips_a_paused_queue(queue: Queue, kinds: Registry) -> None:
    @job(name="send", queue="mail", registry=kinds)
    def send() -> None: ...

    queue.enqueue("send")
    queue.pause("mail")
    assert drain(queue) == []
    queue.resume("mail")
    assert len(drain(queue)) == 1


def test_a_real_worker_runs_on_a_frozen_clock(queue: Queue, kinds: Registry, clock: FrozenClock) -> None:
    @job(name="later", registry=kinds)
    def later() -> int:
        return 3

    made = queue.enqueue("later", delay=3600)
    clock.advance(3600)
    with Worker(queue, threads=1) as worker:
        worker.wake()
        assert queue.wait(made.id, every=0.01).result == 3


# -- a worker that the test plays ------------------------------------------------------------------------------


def greet(name: str) -> str:
    return f"Hello {name}"


def test_a_manual_worker_claims_and_completes_when_it_is_told(queue: Queue, kinds: Registry) -> None:
    job(name="greet", registry=kinds)(greet)
    job_id = queue.enqueue("greet", {"name": "Ann"}).id
    worker = ManualWorker(queue, "one")
    claimed = worker.claim()
    assert claimed is not None
    assert (claimed.id, claimed.attempt, queue.get(job_id).worker) == (job_id, 1, "one")
    assert ManualWorker(queue, "two").claim() is None
    worker.complete(claimed, {"sent": True})
    assert (queue.get(job_id).state, queue.get(job_id).result) == (State.COMPLETED, {"sent": True})


def test_a_manual_worker_whose_job_was_taken_over_has_lost_its_lease(queue: Queue, kinds: Registry, clock: FrozenClock) -> None:
    job(name="greet", registry=kinds)(greet)
    job_id = queue.enqueue("greet", {"name": "Ann"}).id
    slow = ManualWorker(queue, "slow", lease=5)
    claimed = slow.claim()
    assert claimed is not None
    clock.advance(6)
    queue.store.transitions.rescue()
    assert (taken := ManualWorker(queue, "fast").claim()) is not None
    with pytest.raises(LeaseLost):
        slow.complete(claimed)
    assert (queue.get(job_id).worker, queue.get(job_id).attempt) == ("fast", taken.attempt)
