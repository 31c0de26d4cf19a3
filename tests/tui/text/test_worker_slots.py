"""Tests of the slots of worker threads: a job that is only claimed ahead takes none."""

from __future__ import annotations

from dataclasses import replace

from tests.tui.frozen_queue import FrozenQueue

from jobdeck import Job, Overview
from jobdeck_tui.text.format import busy_text, share_text
from jobdeck_tui.text.worker_slots import WorkerSlots, busy_jobs


def read(still: FrozenQueue) -> Overview:
    return still.queue.overview(seconds=60, slices=4)


def claimed(still: FrozenQueue, count: int) -> list[Job]:
    """Let a worker of four threads claim jobs."""
    still.queue.enqueue_many([still.queue.new_job("report.daily", {"day": str(n)}) for n in range(count)])
    still.beat()
    return still.claim(count)


def test_a_job_claimed_ahead_is_not_counted_as_busy_and_takes_no_slot(still: FrozenQueue) -> None:
    jobs = claimed(still, 5)
    overview = read(still)
    worker = next(each for each in overview.workers if each.running)
    assert (worker.running, worker.threads) == (5, 4)
    assert share_text(busy_jobs(worker, overview), worker.threads) == "4/4"
    process = next(each for each in WorkerSlots().assign(overview) if each.jobs)
    assert [job.id for job in process.jobs] == [job.id for job in jobs[:4]]
    assert [job.id for job in process.claimed] == [jobs[4].id]


def test_jobs_beyond_the_threads_that_have_run_for_a_while_are_async(still: FrozenQueue) -> None:
    claimed(still, 5)
    still.clock.advance(2)
    overview = read(still)
    worker = next(each for each in overview.workers if each.running)
    assert busy_jobs(worker, overview) == 5
    assert share_text(5, worker.threads) == "5"
    assert busy_text(5, 4) == "5 jobs on 4 threads"


def test_all_jobs_of_a_silent_worker_are_shown(still: FrozenQueue) -> None:
    claimed(still, 5)
    overview = read(still)
    silent = replace(overview, workers=tuple(replace(each, alive=False) for each in overview.workers))
    (process,) = [each for each in WorkerSlots().assign(silent) if each.jobs]
    assert (len(process.jobs), process.claimed) == (5, ())
