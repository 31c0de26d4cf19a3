"""Jobs that ignore a stop request: which, since when, and why, as every process can read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import Bench, wait_until

from jobdeck import Queue, Registry, Settings, State, StuckJob, Worker, WorkerInfo
from jobdeck.kinds.registry import job


@pytest.fixture
def enough() -> Iterator[threading.Event]:
    """An event that lets the unresponsive code return."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enough: threading.Event) -> Iterator[Queue]:
    monkeypatch.setattr("jobdeck.execution.context.STOP_GRACE", 0.5)
    kinds = Registry()

    @job(name="deaf", registry=kinds)
    def deaf() -> None:
        enough.wait()

    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", lease=5.0)
    with Queue(settings=settings, registry=kinds) as opened:
        yield opened


def stopping(queue: Queue) -> tuple[StuckJob, ...]:
    (worker,) = queue.workers.list()
    return worker.stopping


def test_a_worker_reports_stopping_jobs_with_start_and_reason(queue: Queue, enough: threading.Event) -> None:
    cancelled, late = queue.enqueue("deaf"), queue.enqueue("deaf", timeout=0.3)
    begun = queue.clock.now()
    with Worker(queue, threads=2):
        wait_until(lambda: all(queue.get(each.id).state is State.RUNNING for each in (cancelled, late)))
        assert cancelled.id not in {each.job_id for each in stopping(queue)}
        queue.cancel(cancelled.id)
        told = {each.job_id: each for each in wait_until(lambda: len(stopping(queue)) == 2 and stopping(queue))}
        assert {job_id: (each.kind, each.reason) for job_id, each in told.items()} == {
            cancelled.id: ("deaf", "cancelled"),
            late.id: ("deaf", "timed out"),
        }
        assert all(begun <= each.since <= queue.clock.now() for each in told.values())
        wait_until(lambda: queue.workers.list()[0].stuck == 2)
        assert {each.job_id: each.since for each in stopping(queue)} == {each.job_id: each.since for each in told.values()}
        enough.set()
        wait_until(lambda: stopping(queue) == ())


def test_the_reported_stopping_jobs_are_read_back_unchanged(bench: Bench) -> None:
    told = (
        StuckJob(job_id=7, kind="a, [b", since=12.25, reason="cancelled"),
        StuckJob(job_id=8, kind="c", since=13, reason="x"),
    )
    bench.store.workers.report(
        WorkerInfo(
            id="w", host="h", pid=1, threads=2, queues=(), started_at=1.0, heartbeat_at=0.0, draining=False, running=0,
            alive=True, stuck=1, stopping=told,
        )
    )  # fmt: skip
    (worker,) = bench.store.workers.list(30)
    assert worker.stopping == told
