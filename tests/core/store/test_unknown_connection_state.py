"""A connection to a server whose state is unknown is replaced: no call after it is affected by how an earlier one ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.core.concurrency import on_server
from tests.core.helpers import Bench, FakeClock, new, wait_until
from tests.core.postgres import database_at, server

from jobdeck import Job, State, StoreError
from jobdeck.model.attempt_result import Completed

pytestmark = pytest.mark.postgres


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Return an empty queue on the server."""
    with on_server(tmp_path, clock) as made:
        yield made


@contextmanager
def blocked(bench: Bench) -> Iterator[None]:
    """Lock the jobs from another connection, so that the next statement about them waits."""
    other = psycopg.connect(database_at(bench.path))
    other.execute("LOCK TABLE jobdeck_jobs")
    try:
        yield
    finally:
        other.close()


def waiting(bench: Bench) -> list[tuple[Any, ...]]:
    return bench.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND application_name = 'jobdeck'"
    )


class TimedOut(Exception):
    """Raised by a signal handler of the user's program, as a timeout around a call."""


@contextmanager
def timeout_while_waiting(bench: Bench, times: int = 1) -> Iterator[None]:
    """Interrupt the main thread by a signal whose handler raises, once a statement inside waits.

    Args:
        bench: the queue.
        times: how often; the second time interrupts what the first one has made the driver wait for.
    """
    raised = threading.Semaphore(0)

    def interrupt(*_: object) -> None:
        raised.release()
        raise TimedOut

    def send() -> None:
        wait_until(lambda: waiting(bench), what="the statement to wait")
        for _ in range(times):
            signal.raise_signal(signal.SIGALRM)
            assert raised.acquire(timeout=20)

    before = signal.signal(signal.SIGALRM, interrupt)
    sender = threading.Thread(target=send)
    try:
        with blocked(bench):
            sender.start()
            yield
            sender.join(30)
    finally:
        signal.signal(signal.SIGALRM, before)


def complete_all(bench: Bench, jobs: list[Job]) -> Callable[[], None]:
    """Return a call that writes the results of these jobs, in a pipeline and in one transaction."""
    now = bench.clock.now()

    def call() -> None:
        with bench.store.transaction():
            bench.store.completer.complete([Completed(job, now, now, None) for job in jobs])

    return call


def test_a_server_that_crashes_while_results_are_written_leaves_no_broken_connection(bench: Bench) -> None:
    bench.enqueue(*(new() for _ in range(3)))
    call = complete_all(bench, bench.claim(3))

    def crash() -> None:
        wait_until(lambda: waiting(bench), what="the statement to wait")
        server().stop()

    crashing = threading.Thread(target=crash)
    with blocked(bench):
        crashing.start()
        with pytest.raises(StoreError):
            call()
        crashing.join(30)
    server().start()
    call()
    assert bench.counts() == {State.COMPLETED: 3}


def test_a_timeout_while_results_are_written_leaves_no_broken_connection(bench: Bench) -> None:
    """Their pipeline then is neither open nor closed: "cannot exit pipeline mode while busy", at every further statement."""
    bench.enqueue(*(new() for _ in range(3)))
    call = complete_all(bench, bench.claim(3))
    with timeout_while_waiting(bench, times=2), pytest.raises((TimedOut, StoreError)):
        call()
    call()
    assert bench.counts() == {State.COMPLETED: 3}


@pytest.mark.parametrize("reading", [False, True])
def test_a_timeout_during_a_statement_leaves_no_broken_connection(bench: Bench, reading: bool) -> None:
    (first,) = bench.enqueue()
    call = (lambda: bench.get(first)) if reading else bench.enqueue
    with timeout_while_waiting(bench), pytest.raises((TimedOut, StoreError)):
        call()
    call()
    assert bench.counts() == {State.PENDING: 1 if reading else 2}


def test_a_transaction_whose_connection_broke_is_not_continued_on_another_one(bench: Bench) -> None:
    bench.enqueue()

    def both() -> None:
        with bench.store.transaction():
            bench.enqueue()
            bench.rows("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name = 'jobdeck'")
            with pytest.raises(StoreError):
                bench.enqueue()
            bench.enqueue()

    with pytest.raises(StoreError):
        both()
    assert bench.counts() == {State.PENDING: 1}
    bench.enqueue()
    assert bench.counts() == {State.PENDING: 2}


def test_an_error_that_ends_the_session_costs_no_call(bench: Bench) -> None:
    bench.enqueue()
    for _ in range(3):
        bench.rows("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name = 'jobdeck'")
        bench.enqueue()
    assert bench.counts() == {State.PENDING: 4}
