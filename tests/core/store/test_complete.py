"""The results of attempts, which only the holder of the lease can record: P3, P5, P8."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from tests.core.helpers import Bench, new

from jobdeck import Job, Outcome, Reason, State
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck.model.retention import GIVEN_BACK_KEPT

Ending = Callable[[Bench, Job], list[int]]

ENDINGS: dict[str, Ending] = {
    "complete": lambda bench, job: bench.complete(job),
    "fail": lambda bench, job: bench.fail(job),
    "retry later": lambda bench, job: bench.fail(job, retry_in=60),
    "snooze": lambda bench, job: bench.snooze(job),
    "release": lambda bench, job: bench.release(job),
    "stop": lambda bench, job: bench.stop(job),
}


def test_a_completed_job_keeps_its_result(bench: Bench) -> None:
    job = bench.running()
    bench.clock.advance(2)
    assert bench.complete(job, '{"sent":3}') == []
    done = bench.get(job)
    assert (done.state, done.result, done.finished_at) == (State.COMPLETED, {"sent": 3}, bench.clock.now())
    assert (done.lease, done.lease_until, done.error) == (None, None, None)


@pytest.mark.parametrize("n", [1, 8])
def test_the_run_time_of_a_job_excludes_its_wait_after_the_claim(bench: Bench, n: int) -> None:
    bench.enqueue(*[new() for _ in range(2 * n)])
    claimed = bench.claim(2 * n)
    began = bench.clock.now() + 1.0
    ended = began + 2.0
    bench.clock.advance(3.0)
    bench.store.completer.complete([Completed(job, began, ended) for job in claimed[:n]])
    bench.store.completer.fail([Failed(job, began, ended, None, "OSError", "no route") for job in claimed[n:]])
    for job in claimed:
        told = bench.get(job)
        (attempt,) = bench.store.reader.attempts(job.id)
        assert (told.started_at, told.finished_at) == pytest.approx((began, ended))
        assert (attempt.started_at, attempt.finished_at) == pytest.approx((began, ended))


def test_a_failed_attempt_is_due_again_at_the_time_in_its_result(bench: Bench) -> None:
    job = bench.running()
    bench.fail(job, retry_in=60, error="OSError", message="no\nroute")
    again = bench.get(job)
    assert (again.state, again.attempt, again.scheduled_at) == (State.RETRYING, 1, bench.clock.now() + 60)
    assert again.error == "OSError: no route"
    bench.clock.advance(60)
    bench.store.transitions.stage()
    assert [claimed.attempt for claimed in bench.claim()] == [2]


def test_a_failed_attempt_without_a_retry_fails_the_job(bench: Bench) -> None:
    job = bench.running()
    bench.fail(job)
    failed = bench.get(job)
    assert (failed.state, failed.finished_at) == (State.FAILED, bench.clock.now())


def test_a_job_out_of_attempts_fails_whatever_its_result_requests(bench: Bench) -> None:
    job = bench.running(max_attempts=1)
    bench.fail(job, retry_in=60)
    assert bench.get(job).state is State.FAILED


def test_a_snoozed_job_gets_its_attempt_back_and_is_due_later(bench: Bench) -> None:
    job = bench.running(max_attempts=1)
    bench.snooze(job, 60)
    napping = bench.get(job)
    assert (napping.state, napping.attempt, napping.scheduled_at) == (State.SCHEDULED, 0, bench.clock.now() + 60)


def test_a_released_job_gets_its_attempt_back_and_is_ready(bench: Bench) -> None:
    job = bench.running(max_attempts=1)
    bench.release(job)
    assert (bench.get(job).state, bench.get(job).attempt) == (State.PENDING, 0)
    assert [again.attempt for again in bench.claim()] == [1]


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("complete", Outcome.COMPLETED),
        ("fail", Outcome.FAILED),
        ("retry later", Outcome.FAILED),
        ("snooze", Outcome.SNOOZED),
        ("release", Outcome.RELEASED),
        ("stop", Outcome.CANCELLED),
    ],
)
def test_every_result_is_recorded_as_an_attempt(bench: Bench, ending: str, outcome: Outcome) -> None:
    job = bench.running()
    assert [attempt.outcome for attempt in bench.store.reader.attempts(job.id)] == [None]
    bench.clock.advance(1)
    ENDINGS[ending](bench, job)
    (attempt,) = bench.store.reader.attempts(job.id)
    assert (attempt.outcome, attempt.number, attempt.worker) == (outcome, 1, "w1")
    assert attempt.finished_at == bench.clock.now()
    assert attempt.late_at is None


def test_a_failed_attempt_keeps_type_message_and_traceback(bench: Bench) -> None:
    job = bench.running()
    bench.fail(job, error="ValueError", message="line one\nline two")
    (attempt,) = bench.store.reader.attempts(job.id)
    assert (attempt.error_type, attempt.message, attempt.traceback) == ("ValueError", "line one\nline two", "Traceback …")


@pytest.mark.parametrize(
    ("told", "outcome", "kept"),
    [
        (Reason.GIVEN_UP, Outcome.FAILED, Reason.GIVEN_UP),
        (None, Outcome.FAILED, Reason.EXHAUSTED),
        (None, Outcome.TIMED_OUT, Reason.TIMED_OUT),
        (None, Outcome.CRASHED, Reason.CRASHED),
    ],
)
def test_a_failed_job_keeps_its_reason(bench: Bench, told: Reason | None, outcome: Outcome, kept: Reason) -> None:
    job, now = bench.running(), bench.clock.now()
    bench.store.completer.fail([Failed(job, now, now, None, "E", "no", outcome=outcome, reason=told)])
    assert (bench.get(job).state, bench.get(job).reason) == (State.FAILED, kept)


@pytest.mark.parametrize("ending", ["complete", "retry later", "snooze", "release", "stop"])
def test_a_job_that_has_not_failed_has_no_reason(bench: Bench, ending: str) -> None:
    job = bench.running()
    ENDINGS[ending](bench, job)
    assert bench.get(job).reason is None


def test_a_cancelled_running_job_has_no_reason(bench: Bench) -> None:
    job = bench.running(max_attempts=1)
    bench.store.jobs.cancel([job.id])
    bench.fail(job)
    assert (bench.get(job).state, bench.get(job).reason) == (State.CANCELLED, None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_result_changes_a_job_whose_lease_was_lost(bench: Bench, ending: str) -> None:
    stale = bench.running()
    bench.clock.advance(31)
    bench.store.transitions.rescue()
    (current,) = bench.claim(worker="w2")
    assert current.id == stale.id
    assert ENDINGS[ending](bench, stale) == [stale.id]
    assert bench.get(current) == current
    bench.check_counters()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_late_result_is_recorded_once_with_the_attempt_it_belongs_to(bench: Bench, ending: str) -> None:
    stale = bench.running()
    bench.clock.advance(31)
    bench.store.transitions.rescue()
    (current,) = bench.claim(worker="w2")
    bench.complete(current)
    came = bench.clock.now() + 5
    bench.clock.advance(5)
    ENDINGS[ending](bench, stale)
    bench.clock.advance(5)
    ENDINGS[ending](bench, stale)
    crashed, done = bench.store.reader.attempts(stale.id)
    assert (crashed.outcome, crashed.late_at) == (Outcome.CRASHED, came)
    assert (done.outcome, done.late_at) == (Outcome.COMPLETED, None)
    assert bench.get(stale).state is State.COMPLETED


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_result_submitted_twice_counts_once(bench: Bench, ending: str) -> None:
    job = bench.running()
    assert ENDINGS[ending](bench, job) == []
    after = bench.get(job)
    assert ENDINGS[ending](bench, job) == [job.id]
    assert bench.get(job) == after
    assert len(bench.store.reader.attempts(job.id)) == 1
    bench.check_counters()


def test_only_the_lost_leases_of_several_results_are_named(bench: Bench) -> None:
    from jobdeck.model.attempt_result import Completed

    bench.enqueue(new(), new(), new())
    jobs = bench.claim(3)
    bench.release(jobs[1])
    now = bench.clock.now()
    assert bench.store.completer.complete([Completed(job, now, now) for job in jobs]) == [jobs[1].id]
    assert bench.counts() == {State.COMPLETED: 2, State.PENDING: 1}


@pytest.mark.parametrize("ending", ["fail", "retry later", "snooze", "release", "stop"])
def test_a_job_asked_to_stop_is_cancelled_unless_its_attempt_completes(bench: Bench, ending: str) -> None:
    job = bench.running()
    bench.store.jobs.cancel([job.id])
    assert bench.get(job).cancelling
    ENDINGS[ending](bench, job)
    stopped = bench.get(job)
    assert (stopped.state, stopped.cancelling, stopped.finished_at) == (State.CANCELLED, False, bench.clock.now())
    bench.clock.advance(1000)
    bench.store.transitions.stage()
    assert bench.claim() == []
    bench.check_counters()


def test_a_job_that_completes_after_a_stop_request_is_completed(bench: Bench) -> None:
    job = bench.running()
    bench.store.jobs.cancel([job.id])
    bench.complete(job)
    assert bench.get(job).state is State.COMPLETED


def test_only_the_holder_of_the_lease_can_report_progress(bench: Bench) -> None:
    job = bench.running()
    assert job.lease is not None
    assert bench.store.transitions.report_progress(job.id, job.lease, 0.25, "frame 2 of 8")
    assert not bench.store.transitions.report_progress(job.id, job.lease + 1, 0.75)
    assert (bench.get(job).progress, bench.get(job).progress_message) == (0.25, "frame 2 of 8")
    bench.complete(job)
    assert not bench.store.transitions.report_progress(job.id, job.lease, 1.0)


def test_progress_is_reset_with_each_attempt(bench: Bench) -> None:
    job = bench.running()
    assert job.lease is not None
    bench.store.transitions.report_progress(job.id, job.lease, 0.9, "nearly done")
    bench.release(job)
    assert [(again.progress, again.progress_message) for again in bench.claim()] == [(None, None)]
    assert (bench.get(job).progress, bench.get(job).progress_message) == (None, None)


def test_a_crash_of_its_process_is_counted_and_is_the_reason_if_no_attempts_remain(bench: Bench) -> None:
    job = bench.running(max_attempts=2)

    def crash(job: Job) -> Job:
        now = bench.clock.now()
        assert not bench.store.completer.fail([Failed(job, now, now, now, "Crashed", "exit code 7", None, Outcome.CRASHED)])
        bench.store.transitions.stage()
        return bench.get(job)

    after = crash(job)
    assert (after.state, after.crashes, after.reason) == (State.PENDING, 1, None)
    after = crash(*bench.claim())
    assert (after.state, after.crashes, after.reason) == (State.FAILED, 2, Reason.CRASHED)
    assert [attempt.outcome for attempt in bench.store.reader.attempts(job.id)] == [Outcome.CRASHED] * 2
    bench.check_counters()


def test_a_crash_that_is_reported_too_late_is_not_counted(bench: Bench) -> None:
    job = bench.running()
    bench.complete(job)
    now = bench.clock.now()
    assert bench.store.completer.fail([Failed(job, now, now, now, "Crashed", "", None, Outcome.CRASHED)]) == [job.id]
    assert (bench.get(job).state, bench.get(job).crashes) == (State.COMPLETED, 0)


def test_a_job_that_is_snoozed_for_ever_keeps_its_newest_attempts_only(bench: Bench) -> None:
    """A snooze and a release use up no attempt, so nothing else limits their number."""
    (job,) = bench.enqueue(new(max_attempts=3))
    (running,) = bench.claim()
    bench.fail(running, retry_in=1.0)
    with bench.store.transaction():  # a commit for each takes seconds
        for n in range(GIVEN_BACK_KEPT + 50):
            bench.clock.advance(10)
            bench.store.transitions.stage()
            (running,) = bench.claim()
            bench.snooze(running, 1.0) if n % 2 else bench.release(running)
    attempts = bench.store.reader.attempts(job.id)
    assert Counter(attempt.outcome for attempt in attempts) == {
        Outcome.FAILED: 1,
        Outcome.SNOOZED: GIVEN_BACK_KEPT // 2,
        Outcome.RELEASED: GIVEN_BACK_KEPT // 2,
    }
    assert attempts[-1].finished_at == bench.clock.now()  # the newest are kept
    assert bench.get(job).attempt == 1
    bench.clock.advance(10)
    bench.store.transitions.stage()
    (running,) = bench.claim()
    bench.complete(running)
    assert bench.store.reader.attempts(job.id)[-1].outcome is Outcome.COMPLETED
