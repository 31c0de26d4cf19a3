"""A worker whose own threads die, hang or lose their connection: reported by `health`, and replaced where they can be."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from tests.core.helpers import wait_until

from jobdeck import Queue, Registry, Settings, State, Worker
from jobdeck.kinds.registry import Entry
from jobdeck.model import health
from jobdeck.model.errors import StoreFailed
from jobdeck.worker import heartbeat, liveness
from jobdeck.worker import worker as worker_module

PATIENCE = 40.0
"""Seconds that anything may take on a machine that has other things to do."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the bounds."""
    monkeypatch.setattr(liveness, "_CHECK_EVERY", 0.05)
    monkeypatch.setattr(liveness, "STALLED_AFTER", 0.6)
    monkeypatch.setattr(liveness, "INTERRUPT_AFTER", 0.8)
    monkeypatch.setattr(liveness, "REPLACE_AFTER", 1.0)
    monkeypatch.setattr(worker_module, "POLL", 0.1)
    monkeypatch.setattr(heartbeat, "POLL", 0.1)
    monkeypatch.setattr(heartbeat, "REPORT_INTERVAL", 0.1)
    monkeypatch.setattr(health, "_SILENT", 0.6)


@pytest.fixture
def queue(address: str) -> Iterator[Queue]:
    known = Registry([Entry("quick", lambda: 1)])
    with Queue(address, registry=known, settings=Settings(synchronous="OFF", shutdown_grace=2.0)) as opened:
        yield opened


@pytest.fixture
def worker(queue: Queue) -> Iterator[Worker]:
    with Worker(queue, threads=2) as started:
        assert started.wait_idle(20)
        yield started


def reasons(queue: Queue) -> str:
    """Return why `jobdeck health` finds the queue unhealthy."""
    return "\n".join(health.unhealthy_reasons(queue.overview(seconds=60, slices=6)))


def doctored(queue: Queue) -> str:
    """Return the problems that `jobdeck doctor` finds with the workers."""
    return "\n".join(each.message for each in queue.maintenance.doctor() if each.check == "workers")


def runs(queue: Queue) -> None:
    """Assert that a job runs."""
    job = queue.enqueue("quick")
    wait_until(lambda: queue.get(job.id).state is State.COMPLETED, timeout=PATIENCE)
    assert [attempt.number for attempt in queue.attempts(job.id)] == [1]


def threads(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == name]


class Hanging:
    """A method that does not return, as if its thread was stopped in a debugger."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.entered, self.go_on, self.returned = threading.Event(), threading.Event(), threading.Event()
        self._first = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._first:
            self._first = False
            self.entered.set()
            self.go_on.wait(2 * PATIENCE)
            try:
                return self.method(*args, **kwargs)
            finally:
                self.returned.set()
        return self.method(*args, **kwargs)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", ["jobdeck-claimer", "jobdeck-heartbeat"])
def test_a_thread_of_the_worker_that_dies_is_replaced(name: str, queue: Queue, worker: Worker) -> None:
    (thread,) = threads(name)
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
    wait_until(lambda: not thread.is_alive(), timeout=PATIENCE)
    wait_until(lambda: threads(name), timeout=PATIENCE)
    runs(queue)
    wait_until(lambda: not reasons(queue), timeout=PATIENCE)
    assert len(threads(name)) == 1


def test_a_claimer_that_does_not_come_round_is_reported_and_replaced(
    queue: Queue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = Hanging(queue.store.transaction)
    monkeypatch.setattr(queue.store, "transaction", hanging)
    job = queue.enqueue("quick")
    assert hanging.entered.wait(PATIENCE)
    wait_until(lambda: "The claimer of worker" in reasons(queue), timeout=PATIENCE)
    assert "The claimer of worker" in doctored(queue)
    (stalled,) = queue.workers.list()[0].stalled
    assert stalled.error is None
    assert 0 < queue.overview(seconds=60, slices=6).at - stalled.since < PATIENCE
    wait_until(lambda: len(threads("jobdeck-claimer")) == 2, timeout=PATIENCE)
    wait_until(lambda: queue.get(job.id).state is State.COMPLETED, timeout=PATIENCE)
    hanging.go_on.set()
    wait_until(lambda: len(threads("jobdeck-claimer")) == 1, timeout=PATIENCE)
    wait_until(lambda: not reasons(queue), timeout=PATIENCE)
    runs(queue)


def test_a_heartbeat_without_a_connection_is_reported_and_recovers(
    queue: Queue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StoreFailed(queue.where, "the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(queue.store.workers, "report", broken)
        wait_until(lambda: "has sent no heartbeat" in reasons(queue), timeout=PATIENCE)
    wait_until(lambda: not reasons(queue), timeout=PATIENCE)


def test_a_heartbeat_that_does_not_come_round_is_reported_and_replaced(
    queue: Queue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = Hanging(queue.store.workers.report)
    monkeypatch.setattr(queue.store.workers, "report", hanging)
    assert hanging.entered.wait(PATIENCE)
    wait_until(lambda: "has sent no heartbeat" in reasons(queue), timeout=PATIENCE)
    wait_until(lambda: not reasons(queue), timeout=PATIENCE)  # another thread reports
    hanging.go_on.set()
    assert hanging.returned.wait(PATIENCE)
    wait_until(lambda: len(threads("jobdeck-heartbeat")) == 1, timeout=PATIENCE)
    runs(queue)


def test_a_claimer_that_fails_again_and_again_is_reported_with_its_error(
    queue: Queue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise StoreFailed(queue.where, "the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(queue.store.queries, "next_due_at", broken)
        worker.wake()
        wait_until(lambda: "the connection broke" in reasons(queue), timeout=PATIENCE)
        assert "The claimer of worker" in reasons(queue)
    wait_until(lambda: not reasons(queue), timeout=PATIENCE)
    runs(queue)


@pytest.mark.postgres
@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_connections_that_are_never_answered_again_are_broken_and_replaced(queue: Queue, worker: Worker, address: str) -> None:
    with psycopg.connect(address, autocommit=True) as other:
        statement = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'jobdeck'"
        backends = [pid for (pid,) in other.execute(statement)]
    with Queue(address, registry=queue.registry) as fresh:
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        try:
            job = fresh.enqueue("quick")
            wait_until(lambda: fresh.get(job.id).state is State.COMPLETED, timeout=PATIENCE)
            wait_until(lambda: not reasons(fresh), timeout=PATIENCE)
        finally:
            for pid in backends:
                os.kill(pid, signal.SIGCONT)
