"""Why a job does not run: each condition of the claim must agree with the claim itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import Bench, FakeClock, new, open_queue

from jobdeck import Explanation, IfParentFails, Job, JobNotFound, Registry, State, WorkerInfo
from jobdeck.kinds.registry import Entry
from jobdeck.model.claim_conditions import AHEAD_COUNTED
from jobdeck.model.diagnosis import explain
from jobdeck.store.claim_capacity import ClaimRequest


def report(bench: Bench, name: str = "w1", *, threads: int = 2, **about: Any) -> None:
    """Report a live worker."""
    told: dict[str, Any] = {"queues": (), "draining": False, "kinds": (), "started_at": bench.clock.now() - 60, **about}
    info = WorkerInfo(id=name, host="h", pid=1, threads=threads, heartbeat_at=0, running=0, alive=True, **told)
    bench.store.workers.report(info)


def why(bench: Bench, job: Job | int, **options: Any) -> Explanation:
    situation = bench.store.diagnostics.claim_conditions(job if isinstance(job, int) else job.id, 30.0)
    assert situation is not None
    return explain(situation, **options)


def blockers(bench: Bench, job: Job, **options: Any) -> list[str]:
    return [check.name for check in why(bench, job, **options).blockers]


def test_a_ready_job_with_a_free_thread_is_about_to_start(bench: Bench) -> None:
    report(bench)
    (job,) = bench.enqueue()
    told = why(bench, job)
    assert told.blockers == ()
    assert (told.ahead, told.starts_in) == (0, 0.0)
    assert told.summary == f"Job {job.id} is about to start: all conditions are met."
    assert [check.name for check in told.checks] == ["due", "paused", "workers", "threads", "position"]


def test_a_crashed_job_waits_while_each_worker_runs_another_such_job(bench: Bench) -> None:
    first, second = bench.running(), bench.running()
    bench.crash(first, second)
    report(bench)
    assert blockers(bench, first) == []
    bench.claim(worker="w1")
    (check,) = why(bench, second).blockers
    assert check.name == "crash suspect"
    assert check.message == f"A crash has interrupted it; w1 runs one such job at a time (now: job {first.id})."
    assert bench.claim(1, suspects=False) == []
    report(bench, "w2")
    assert blockers(bench, second) == []
    (other,) = bench.enqueue()
    assert blockers(bench, other, kind_limit=9) == []


def test_a_missing_job_has_no_claim_conditions(bench: Bench) -> None:
    assert bench.store.diagnostics.claim_conditions(404, 30.0) is None


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
def test_a_final_job_shows_its_result_and_how_to_run_it_again(bench: Bench, state: State) -> None:
    job = bench.in_state(state)
    bench.clock.advance(130)
    told = why(bench, job)
    assert len(told.checks) == 1
    assert "2m10s ago" in told.summary
    assert f"jobdeck retry {job.id}" in told.checks[0].advice
    assert told.starts_in is None
    if state is State.FAILED:
        assert told.summary == f"Job {job.id} failed 2m10s ago: attempts exhausted; ValueError: no."


def test_a_running_job_shows_its_worker_and_run_time(bench: Bench) -> None:
    report(bench)
    job = bench.running()
    bench.clock.advance(3)
    assert why(bench, job).summary == f"Job {job.id} is running: attempt 1 of 3, for 3.0s, on w1."
    bench.store.jobs.cancel([job.id])
    told = why(bench, job)
    assert [check.name for check in told.blockers] == ["cancelling"]
    assert told.summary.endswith("and was asked to stop.")


def test_a_running_job_of_a_silent_worker_shows_when_its_lease_expires(bench: Bench) -> None:
    report(bench)
    job = bench.running()
    bench.clock.advance(20)
    bench.store.transitions.heartbeat([(job.id, job.lease or 0)], 30.0)
    bench.clock.advance(12)
    (check,) = why(bench, job).blockers
    assert "32s ago" in check.message
    assert "lease expires in 18s" in check.message
    assert check.until == bench.clock.now() + 18


def test_a_scheduled_job_is_due_later(bench: Bench) -> None:
    report(bench)
    (job,) = bench.enqueue(new(scheduled_at=bench.clock.now() + 90))
    told = why(bench, job)
    assert [check.name for check in told.blockers] == ["due"]
    assert told.blockers[0].until == bench.clock.now() + 90
    assert told.starts_in == pytest.approx(90)
    assert told.ahead is None
    assert told.summary == f"Job {job.id} cannot start yet: it is scheduled, and due in 1m30s."


def test_a_retrying_job_shows_the_failed_attempt_and_its_error(bench: Bench) -> None:
    job = bench.running(max_attempts=5)
    bench.fail(job, retry_in=41, message="the server hung up")
    check = why(bench, job).blockers[0]
    assert check.message == "Attempt 1 of 5 failed (ValueError: the server hung up); the next one is due in 41s."


def test_a_due_job_that_is_not_staged_shows_it(bench: Bench) -> None:
    (job,) = bench.enqueue(new(scheduled_at=bench.clock.now() + 10))
    bench.clock.advance(14)
    assert "has been due for 4.0s" in why(bench, job).blockers[0].message
    bench.store.transitions.stage()
    assert blockers(bench, job) == ["workers"]


def test_a_waiting_job_names_its_parents_and_their_states(bench: Bench) -> None:
    report(bench)
    failed = bench.in_state(State.FAILED)
    (parent,) = bench.enqueue()
    (job,) = bench.enqueue(new(after=(parent.id, failed.id), if_parent_fails=IfParentFails.WAIT))
    bench.change("INSERT INTO jobdeck_waits VALUES (999, ?)", job.id)
    told = why(bench, job)
    (check,) = told.blockers
    assert check.name == "parents"
    assert f"{failed.id} (failed), {parent.id} (pending), 999 (deleted)" in check.message
    assert f"jobdeck retry {failed.id}" in check.advice
    assert told.starts_in is None


def test_a_paused_queue_shows_for_how_long_and_how_to_resume_it(bench: Bench) -> None:
    report(bench)
    bench.store.queues.pause("my queue")
    (job,) = bench.enqueue(new(queue="my queue"))
    bench.clock.advance(30)
    report(bench)
    told = why(bench, job)
    assert told.summary == f"Job {job.id} cannot start: queue my queue has been paused for 30s."
    assert "jobdeck resume 'my queue'" in told.blockers[0].advice
    bench.store.queues.resume("my queue")
    assert blockers(bench, job) == []


def test_the_limit_of_a_queue_blocks_while_it_is_reached(bench: Bench) -> None:
    report(bench, threads=9)
    bench.change("INSERT INTO jobdeck_queues (name, max_running) VALUES ('default', 2)")
    job = bench.enqueue(new(), new(), new())[2]
    running = bench.claim()
    assert blockers(bench, job) == []
    bench.claim()
    assert blockers(bench, job) == ["queue limit"]
    assert "2 of at most 2" in why(bench, job).blockers[0].message
    bench.complete(running[0])
    assert blockers(bench, job) == []


def test_the_rate_limit_of_a_queue_blocks_until_enough_starts_are_old(bench: Bench) -> None:
    report(bench)
    bench.change("INSERT INTO jobdeck_queues (name, rate, rate_period) VALUES ('default', 3, 60)")
    (job,) = bench.enqueue()
    start = bench.clock.monotonic()
    for at, n in ((-70, 9), (-50, 1), (-20, 1)):
        bench.change("INSERT INTO jobdeck_starts VALUES ('default', ?, ?)", start + at, n)
    assert blockers(bench, job) == []
    bench.change("INSERT INTO jobdeck_starts VALUES ('default', ?, 2)", start - 5)
    told = why(bench, job)
    assert [check.name for check in told.blockers] == ["rate"]
    assert told.blockers[0].until == pytest.approx(bench.clock.now() + 40)  # the starts of 20 s ago must expire, too
    assert told.starts_in == pytest.approx(40)
    bench.clock.advance(40)
    report(bench)
    assert blockers(bench, job) == []


def test_the_limit_of_a_kind_counts_all_queues(bench: Bench) -> None:
    report(bench, threads=9)
    job = bench.enqueue(new(queue="a"), new(queue="b"), new(queue="c"))[2]
    bench.claim(2)
    assert blockers(bench, job, kind_limit=3) == []
    assert blockers(bench, job, kind_limit=2) == ["kind limit"]


def test_an_expired_job_does_not_start(bench: Bench) -> None:
    report(bench)
    (job,) = bench.enqueue()
    bench.change("UPDATE jobdeck_jobs SET expires_at = ? WHERE id = ?", bench.clock.now() + 100, job.id)
    assert blockers(bench, job) == []
    assert next(check for check in why(bench, job).checks if check.name == "expiry").message == "It expires in 1m40s."
    bench.clock.advance(110)
    report(bench)
    assert blockers(bench, job) == ["expiry"]


@pytest.mark.parametrize(
    ("workers", "sentence"),
    [
        ([], "No worker is alive."),
        ([{"draining": True}], "The only live worker is shutting down"),
        ([{"threads": 0}, {"threads": 0}], "No live worker has any threads."),
        ([{"queues": ("img",)}], "The only live worker does not serve queue mail."),
        ([{"queues": ("img",)}, {"queues": ("x",)}], "None of the 2 live workers serves queue mail."),
        ([{"kinds": ("other",)}], "The only live worker does not know kind demo.work."),
        (
            [{"kinds": ("other",)}, {"queues": ("img",)}],
            "None of the 2 live workers that serves its queue knows kind demo.work.",
        ),
    ],
)
def test_without_a_worker_for_it_a_job_shows_why_no_worker_serves_it(
    bench: Bench, workers: list[dict[str, Any]], sentence: str
) -> None:
    (job,) = bench.enqueue(new(queue="mail"))
    for number, about in enumerate(workers):
        report(bench, f"w{number}", **about)
    (check,) = why(bench, job).blockers
    assert check.name == "workers"
    assert check.message.startswith(sentence)
    assert check.advice
    report(bench, "good", queues=("mail", "x"), kinds=("demo.work",))
    assert blockers(bench, job) == []


def test_a_dead_worker_serves_no_job(bench: Bench) -> None:
    report(bench)
    (job,) = bench.enqueue()
    bench.clock.advance(45)
    (check,) = why(bench, job).blockers
    assert check.message == "No worker is alive; the last heartbeat was 45s ago."


def test_jobs_ahead_are_those_that_the_same_workers_claim_first(bench: Bench) -> None:
    report(bench, threads=0, started_at=bench.clock.now(), queues=("default", "img", "off"), kinds=("demo.work",))
    bench.store.queues.pause("off")
    bench.enqueue(
        new(priority=5),
        new(queue="img", priority=1),
        new(queue="img"),
        new(queue="off", priority=9),
        new(queue="elsewhere", priority=9),
        new("unknown", priority=9),
        new(priority=-1),
    )
    (job, _) = bench.enqueue(new(), new())
    assert why(bench, job).ahead == 3
    claimed = bench.claim(9, kinds=("demo.work",), queues=("default", "img", "off"))
    assert [each.id for each in claimed].index(job.id) == 3


def test_the_count_of_jobs_ahead_is_bounded(bench: Bench) -> None:
    bench.enqueue(*[new(queue=f"q{n % 2}", priority=n % 3) for n in range(AHEAD_COUNTED + 50)])
    (job,) = bench.enqueue(new(priority=-1))
    told = why(bench, job)
    assert (told.ahead, told.ahead_truncated) == (AHEAD_COUNTED, True)
    report(bench, threads=1)
    assert "More than 10,000 jobs are ahead" in why(bench, job).checks[-1].message


def test_the_estimate_is_the_jobs_ahead_at_the_rate_of_the_busy_workers(bench: Bench) -> None:
    begun_at = bench.clock.now()
    bench.enqueue(*[new() for _ in range(30)])
    for _ in range(10):  # two threads that are busy all the time: one job per second
        claimed = bench.claim(2)
        bench.clock.advance(2)
        for each in claimed:
            begun = bench.clock.now() - 2
            bench.store.completer.complete([_completion(each, begun, bench.clock.now())])
    report(bench, threads=2, started_at=begun_at)
    bench.claim(2)
    (job,) = bench.enqueue()
    told = why(bench, job)
    assert [check.name for check in told.blockers] == ["threads", "position"]
    assert told.ahead == 8
    assert told.starts_in == pytest.approx(9)
    assert told.estimate_basis == "1 per second in the last 20s"
    assert "has not started yet: 8 jobs are ahead of it; it should start in about" in told.summary


def test_the_rate_of_idle_workers_is_estimated_from_the_mean_run_time(bench: Bench) -> None:
    report(bench, threads=2, started_at=bench.clock.now() - 6000)
    for _ in range(2):
        bench.enqueue()
        (job,) = bench.claim()
        bench.clock.advance(4)
        bench.store.completer.complete([_completion(job, bench.clock.now() - 4, bench.clock.now())])
        bench.clock.advance(200)
    report(bench, threads=2, started_at=bench.clock.now() - 6000)
    bench.enqueue(*[new() for _ in range(12)])
    bench.claim(2)
    (job,) = bench.enqueue()
    told = why(bench, job)
    assert told.starts_in == pytest.approx(11 * 4 / 2, rel=0.1)
    assert "2 threads" in told.estimate_basis


def _completion(job: Job, begun: float, ended: float) -> Any:
    from jobdeck.model.attempt_result import Completed

    return Completed(job, begun, ended)


def test_without_finished_attempts_there_is_no_estimate(bench: Bench) -> None:
    report(bench, threads=1)
    bench.enqueue(new(), new())
    bench.claim()
    (job,) = bench.enqueue()
    told = why(bench, job)
    assert told.starts_in is None
    assert "nothing" in told.estimate_basis


def test_all_reasons_are_listed_the_most_specific_first(bench: Bench) -> None:
    bench.store.queues.pause("default")
    (job,) = bench.enqueue(new(scheduled_at=bench.clock.now() + 5))
    told = why(bench, job)
    assert [check.name for check in told.blockers] == ["due", "paused", "workers"]
    assert told.summary.endswith("due in 5.0s (and 2 more reasons below).")
    assert told.starts_in is None


def test_the_queue_explains_by_id_and_knows_the_limit_of_a_kind(tmp_path: Path) -> None:
    with open_queue(tmp_path / "jobs.db", Registry([Entry("demo.work", lambda: None, concurrency=1)])) as queue:
        job = queue.enqueue("demo.work")
        assert "kind limit" in [check.name for check in queue.explain(job.id).checks]
        with pytest.raises(JobNotFound):
            queue.explain(job.id + 1)


def test_with_ageing_old_jobs_of_low_priority_are_ahead(bench: Bench) -> None:
    bench.enqueue(new(priority=-2), new(priority=-1), new(priority=1))
    bench.clock.advance(100)
    (job,) = bench.enqueue(new(priority=2))
    report(bench, threads=0, started_at=bench.clock.now())

    def ahead(ageing: float) -> int | None:
        situation = bench.store.diagnostics.claim_conditions(job.id, 30.0, ageing)
        return None if situation is None else situation.ahead

    # A step of priority for each 40 s: the first three stand at 0, 1 and 3.
    assert [ahead(0), ahead(40), ahead(30), ahead(20)] == [0, 1, 2, 3]
    for ageing in (0.0, 40.0, 30.0, 20.0):
        before = ahead(ageing)
        claimed = bench.store.claimer.claim(ClaimRequest("w", 4, kinds=["demo.work"], queues=(), lease=30, ageing=ageing))
        assert [each.id for each in claimed].index(job.id) == before
        for each in claimed:
            bench.release(each)


def test_explaining_changes_nothing(bench: Bench, clock: FakeClock) -> None:
    (job,) = bench.enqueue()
    before = bench.rows("SELECT * FROM jobdeck_jobs")
    why(bench, job)
    assert bench.rows("SELECT * FROM jobdeck_jobs") == before
