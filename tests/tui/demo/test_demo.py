"""The demo: full charts in the first second, a second worker process, and faults that heal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import wait_until

from jobdeck import Outcome, Queue, State, Worker
from jobdeck_tui.demo import faults, sandbox, second_worker
from jobdeck_tui.demo.demo import Demo
from jobdeck_tui.demo.faults import FAULTS, PAYMENTS
from jobdeck_tui.demo.history import SECONDS, past_jobs
from jobdeck_tui.demo.outage import is_down
from jobdeck_tui.demo.sandbox import demo_queue
from jobdeck_tui.demo.schedules import SCHEDULES, add_schedules


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Queue, Demo]]:
    """A demo that has not started: its history is written."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(sandbox, "LEASE", 1.0)
    monkeypatch.setattr(sandbox, "HEARTBEAT", 0.3)
    with demo_queue() as queue, Demo(queue) as made:
        made._history.join()
        yield queue, made
    assert [*tmp_path.rglob("*")] == [], "neither its folder nor a socket of a killed process"
    assert not any(thread.name.startswith("jobdeck-demo") for thread in threading.enumerate())


def test_the_history_is_the_same_for_the_same_seed() -> None:
    assert past_jobs(1e9, 7) == past_jobs(1e9, 7) != past_jobs(1e9, 8)


def test_every_chart_and_screen_has_data_before_the_first_job_runs(demo: tuple[Queue, Demo]) -> None:
    queue, _ = demo
    add_schedules(queue, "demo")
    minutes = queue.overview(seconds=SECONDS, slices=10)
    assert all(each.completed for each in minutes.slices[1:])
    assert sum(each.failed for each in minutes.slices) > 50
    assert minutes.run.p95 is not None
    samples = queue.history.metrics(seconds=SECONDS, slices=10).slices
    assert sum(bool(each.depth) for each in samples) >= 5, "jobs were waiting when the depth was sampled"
    assert len(queue.history.errors()) >= 6
    now = queue.clock.now()
    runs = queue.history.runs(now - 60, now).runs
    assert len({run.worker for run in runs}) == 2
    assert {Outcome.COMPLETED, Outcome.FAILED} <= {run.outcome for run in runs}
    assert sum(bool(queue.schedules.history(each.name)) for each in SCHEDULES) >= 2
    assert {State.COMPLETED, State.FAILED} <= {state for state, n in minutes.counts.items() if n}


def test_failures_of_the_history_have_the_place_of_the_live_ones_and_are_one_group_with_them(demo: tuple[Queue, Demo]) -> None:
    queue, made = demo
    made.faults.cause("outage")
    charge = queue.enqueue("billing.charge", {"order_id": 1, "amount_cents": 100})
    with Worker(queue, threads=1) as worker:
        wait_until(lambda: queue.get(charge.id).state is State.RETRYING)
        worker.stop(0)
    [attempt] = queue.attempts(charge.id)
    assert attempt.traceback is not None
    past = [each for job in past_jobs(time.time()) for each in job.attempts if each.error_type == attempt.error_type]
    assert past
    assert {(each.traceback or "").splitlines()[-3] for each in past} == {attempt.traceback.splitlines()[-3]}


def test_faults_heal_by_themselves_and_say_so(demo: tuple[Queue, Demo], monkeypatch: pytest.MonkeyPatch) -> None:
    queue, made = demo
    said: list[str] = []
    made.on_report = said.append
    for name in ("LOCKED", "DOWN"):
        monkeypatch.setattr(faults, name, 0.3)
    monkeypatch.setattr(faults, "BURST", 50)

    before = queue.count("state:pending")
    made.faults.cause("burst")
    wait_until(lambda: queue.count("state:pending") == before + 50)

    assert PAYMENTS in made.faults.cause("outage")
    assert "already" in made.faults.cause("outage")
    assert is_down(PAYMENTS)
    wait_until(lambda: any("is back" in each for each in said))
    assert not is_down(PAYMENTS)

    made.faults.cause("lock")
    wait_until(lambda: "locked already" in made.faults.cause("lock"))
    job = queue.enqueue("price.fetch", {"symbol": "EURUSD"})
    assert queue.get(job.id).state is State.PENDING
    wait_until(lambda: any("unlocked" in each for each in said))


def test_ending_the_demo_ends_faults_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with demo_queue() as queue, Demo(queue) as made:
        for name in ("outage", "lock"):
            made.faults.cause(name)
        start = time.monotonic()
    assert time.monotonic() - start < faults.LOCKED
    assert not is_down(PAYMENTS)


def test_jobs_of_the_killed_worker_run_again_and_it_is_started_again(
    demo: tuple[Queue, Demo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_worker, "START_AFTER", 0.0)
    monkeypatch.setattr(second_worker, "RESTART_AFTER", 0.0)
    queue, made = demo
    said: list[str] = []
    made.on_report = said.append
    assert "not running" in made.faults.cause("kill")
    video = queue.enqueue("video.transcode", {"source": "a.mov", "seconds": 60.0})
    made.worker.start()
    wait_until(lambda: queue.get(video.id).state is State.RUNNING, 30)
    assert made.faults.cause("kill").startswith("kill -9")
    wait_until(lambda: queue.get(video.id).attempt == 2, 30)
    assert queue.attempts(video.id)[0].outcome is Outcome.CRASHED
    assert any("started again" in each for each in said)


def test_every_fault_can_be_caused() -> None:
    assert {*FAULTS} == {"kill", "lock", "outage", "burst"}
