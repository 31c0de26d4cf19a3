"""Operations on jobs, and which are refused: P6, P8."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import JobNotFound, State, WrongState
from jobdeck.model.states import FINAL, QUEUED


@pytest.mark.parametrize("state", sorted(QUEUED))
def test_a_queued_job_is_cancelled_at_once_and_never_starts(bench: Bench, state: State) -> None:
    job = bench.in_state(state)
    assert bench.store.jobs.cancel([job.id]).done == (job.id,)
    cancelled = bench.get(job)
    assert (cancelled.state, cancelled.finished_at) == (State.CANCELLED, bench.clock.now())
    bench.clock.advance(10_000)
    bench.store.transitions.stage()
    assert bench.claim(kinds=(job.kind,)) == []


def test_a_running_job_is_asked_to_stop_and_runs_until_it_stops(bench: Bench) -> None:
    job = bench.running()
    assert bench.store.jobs.cancel([job.id]).done == (job.id,)
    assert (bench.get(job).state, bench.get(job).cancelling) == (State.RUNNING, True)
    assert bench.stop(job) == []
    assert bench.get(job).state is State.CANCELLED


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_job_can_be_retried_with_an_extra_attempt(bench: Bench, state: State) -> None:
    job = bench.in_state(state)
    assert bench.store.jobs.retry([job.id]).done == (job.id,)
    again = bench.get(job)
    assert (again.state, again.finished_at, again.result, again.reason) == (State.PENDING, None, None, None)
    assert again.max_attempts > again.attempt
    assert [claimed.id for claimed in bench.claim()] == [job.id]


def test_a_retry_after_the_last_attempt_allows_exactly_one_more(bench: Bench) -> None:
    job = bench.running(max_attempts=1)
    bench.fail(job)
    bench.store.jobs.retry([job.id])
    assert bench.get(job).max_attempts == 2
    (again,) = bench.claim()
    bench.fail(again, retry_in=5)
    assert bench.get(job).state is State.FAILED


@pytest.mark.parametrize("state", [State.SCHEDULED, State.RETRYING])
def test_a_job_due_later_can_be_run_now(bench: Bench, state: State) -> None:
    job = bench.in_state(state)
    bench.store.jobs.retry([job.id])
    assert bench.get(job).scheduled_at == bench.clock.now()
    assert [claimed.id for claimed in bench.claim()] == [job.id]


def test_a_priority_is_set_or_added_to_within_bounds(bench: Bench) -> None:
    (job,) = bench.enqueue(new(priority=5))
    bench.store.jobs.reprioritize([job.id], 10)
    assert bench.get(job).priority == 10
    bench.store.jobs.reprioritize([job.id], -3, relative=True)
    assert bench.get(job).priority == 7
    for _ in range(3):
        bench.store.jobs.reprioritize([job.id], 2**31 - 1, relative=True)
    assert bench.get(job).priority == 2**31 - 1


def test_a_deleted_job_leaves_nothing_behind(bench: Bench) -> None:
    job = bench.running()
    bench.store.logs.append([(job.id, 1, 0.0, "info", "hello")], 1000)
    bench.complete(job)
    assert bench.store.jobs.delete([job.id]).done == (job.id,)
    assert bench.store.reader.get(job.id) is None
    assert bench.store.reader.attempts(job.id) == []
    assert bench.rows("SELECT * FROM jobdeck_logs") == []
    bench.check_counters()


def test_a_running_job_cannot_be_deleted(bench: Bench) -> None:
    job = bench.running()
    refused = bench.store.jobs.delete([job.id]).refused[job.id]
    assert isinstance(refused, WrongState)
    assert refused.state is State.RUNNING
    assert str(refused) == f"Job {job.id} is running: cancel it and wait until it has stopped, then delete it."


def test_each_of_several_jobs_is_done_or_refused_with_a_reason(bench: Bench) -> None:
    (pending,) = bench.enqueue()
    done = bench.in_state(State.COMPLETED)
    changes = bench.store.jobs.cancel([pending.id, done.id, 999, pending.id])
    assert changes.done == (pending.id,)
    assert isinstance(changes.refused[done.id], WrongState)
    assert isinstance(changes.refused[999], JobNotFound)
    bench.check_counters()


@pytest.mark.parametrize("strange", [0, -1, 2**63, 2**80])
def test_ids_out_of_range_are_not_found(bench: Bench, strange: int) -> None:
    assert bench.store.reader.get(strange) is None
    assert isinstance(bench.store.jobs.cancel([strange]).refused[strange], JobNotFound)
