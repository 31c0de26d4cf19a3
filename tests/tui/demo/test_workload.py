"""The demo's workload: reproducible, valid, bounded, quick to stop, and every state soon on screen."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from tests.tui.cli_runner import eventually

from jobdeck import Outcome, Queue, Settings, State, Worker
from jobdeck_tui.demo import sandbox, workload
from jobdeck_tui.demo.kinds import demo_registry
from jobdeck_tui.demo.sandbox import demo_queue
from jobdeck_tui.demo.traffic import STEP, JobSpec, initial_backlog, random_job, stream
from jobdeck_tui.demo.workload import Workload, prefill


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with demo_queue(Settings(database=str(tmp_path / "unused.db"))) as opened:
        yield opened


def minute(seed: int) -> list[JobSpec]:
    return [order for orders in islice(stream(seed), round(60 / STEP)) for order in orders]


def test_the_same_seed_gives_the_same_jobs() -> None:
    assert initial_backlog(7) == initial_backlog(7) != initial_backlog(8)
    assert minute(7) == minute(7) != minute(8)


def test_every_job_of_the_backlog_and_of_a_minute_is_valid(queue: Queue) -> None:
    orders = [*initial_backlog(7), *minute(7)]
    drafts = [queue.new_job(order.kind, order.args, **order.options) for order in orders]
    assert {draft.kind for draft in drafts} == set(demo_registry().kinds)
    assert len({draft.queue for draft in drafts}) == 5
    assert len({draft.priority for draft in drafts}) >= 5
    assert any(draft.tags for draft in drafts)
    assert any(draft.scheduled_at for draft in drafts)


@pytest.mark.parametrize("seed", [1, 7, 99])
def test_the_stream_has_waves_and_bursts(seed: int) -> None:
    seconds = [0] * 120
    for step, orders in enumerate(islice(stream(seed), round(120 / STEP))):
        seconds[int(step * STEP)] += len(orders)
    assert 45 < sum(seconds) / 120 < 100
    assert min(seconds) > 10
    assert sum(count > 150 for count in seconds) >= 5, "a burst every twenty seconds"


@pytest.mark.parametrize("kind", demo_registry().kinds)
def test_random_jobs_of_every_kind_are_valid_and_documented(queue: Queue, kind: str) -> None:
    random = Random(3)
    for _ in range(300):
        order = random_job(kind, random)
        queue.new_job(order.kind, order.args, **order.options)
    described = demo_registry().get(kind).describe()
    assert described.doc.endswith(".")
    assert all(parameter.doc for parameter in described.parameters)


def test_the_backlog_reaches_every_state_within_ten_seconds(queue: Queue) -> None:
    wanted = {
        State.SCHEDULED,
        State.PENDING,
        State.RUNNING,
        State.RETRYING,
        State.COMPLETED,
        State.FAILED,
        State.CANCELLED,
    }
    prefill(queue, 7)
    start = time.monotonic()
    seen: set[State] = set()
    runs = 0
    with Worker(queue, threads=8) as worker:
        while not (seen >= wanted and runs > 20) and time.monotonic() < start + 10:
            time.sleep(0.1)
            overview = queue.overview(seconds=60, slices=60)
            seen = {state for state, count in overview.counts.items() if count}
            runs = overview.run.count
        worker.stop(0)
    assert seen >= wanted
    assert [info.name for info in overview.queues if info.paused] == [workload.PAUSED]
    assert runs > 20
    failed = queue.list("state:failed", limit=1)[0]
    assert failed.error
    attempts = [attempt for job in queue.list("state:retrying", limit=50) for attempt in queue.attempts(job.id)]
    assert any("raise" in (attempt.traceback or "") for attempt in attempts if attempt.outcome is Outcome.FAILED)


def test_the_producer_keeps_jobs_coming_and_stops_promptly(queue: Queue) -> None:
    flow = Workload(queue, seed=7)
    flow.start()
    deadline = time.monotonic() + 10
    while queue.count() <= len(initial_backlog(7)) + 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    start = time.monotonic()
    flow.stop()
    assert time.monotonic() - start < 0.3
    count = queue.count()
    time.sleep(3 * STEP)
    assert queue.count() == count


def test_the_backlog_stays_bounded_without_workers(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "MAX_PENDING", 200)
    monkeypatch.setattr(workload, "MAX_PENDING_PAUSED", 15)
    monkeypatch.setattr(workload, "MAX_LATER", 20)
    queue.pause(workload.PAUSED)
    flow = Workload(queue)
    for step, orders in enumerate(islice(stream(7), 300)):
        flow._deliver(orders, step)
    depths = {info.name: info.pending for info in queue.queues()}
    assert 10 <= depths.pop(workload.PAUSED) <= 15 + 30
    assert 150 < sum(depths.values()) <= 200
    assert 0 < queue.overview().counts[State.SCHEDULED] <= 30
    assert queue.overview().counts[State.CANCELLED] > 0


def test_a_slow_job_stops_soon_after_it_is_cancelled(queue: Queue) -> None:
    with Worker(queue, threads=1):
        job = queue.enqueue("video.transcode", {"source": "a.mov", "seconds": 60.0})
        deadline = time.monotonic() + 10
        while queue.get(job.id).state is not State.RUNNING:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        queue.cancel(job.id)
        assert queue.wait(job.id, timeout=5).state is State.CANCELLED


def test_closing_the_queue_stops_the_producer_without_an_error(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    others = threading.enumerate()
    flow = Workload(queue)
    flow.start()
    eventually(lambda: queue.count() > 0)
    flow.stop()
    queue.close()
    assert not [record for record in caplog.records if record.name == "jobdeck.demo"]
    assert not any(thread.name == "jobdeck-demo" for thread in threading.enumerate() if thread not in others)


def test_the_demos_folder_is_removed_at_the_end() -> None:
    with demo_queue() as opened:
        folder = Path(opened.where).parent
        prefill(opened)
        assert folder.is_dir()
        assert opened.settings.retention <= sandbox.KEPT
        assert Counter(job.state for job in opened.list(limit=10_000))[State.PENDING] > 300
    assert not folder.exists()


def test_the_next_demo_removes_the_folder_of_a_killed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fcntl")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed, foreign, young = (tmp_path / f"jobdeck-demo-{name}" for name in ("killed", "foreign", "young"))
    for folder in (killed, foreign, young):
        folder.mkdir()
        (folder / "demo.db").write_text("")
    for folder in (killed, young):
        (folder / "lock").write_text("")
    for folder in (killed, foreign):
        os.utime(folder, (1, 1))
    with demo_queue() as first:
        alive = Path(first.where).parent
        os.utime(alive, (1, 1))
        with demo_queue():
            assert {each.name for each in tmp_path.iterdir()} >= {alive.name, foreign.name, young.name}
            assert not killed.exists()
    assert {each.name for each in tmp_path.glob("jobdeck-demo-*")} == {foreign.name, young.name}
