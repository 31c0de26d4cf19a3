"""Heartbeats, rescue, clocks and boots: P2, P4, P5, P7."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new, steps_of

from jobdeck import Job, Outcome, Reason, State


def held(*jobs: Job) -> list[tuple[int, int]]:
    return [(job.id, job.lease or 0) for job in jobs]


def test_a_heartbeat_renews_every_lease_it_is_given(bench: Bench) -> None:
    bench.enqueue(new(), new())
    jobs = bench.claim(2)
    bench.clock.advance(20)
    renewal = bench.store.transitions.heartbeat(held(*jobs), 30)
    assert (renewal.lost, renewal.cancelling) == (frozenset(), frozenset())
    assert [bench.get(job).lease_until for job in jobs] == [bench.clock.now() + 30] * 2
    bench.clock.advance(29)
    assert bench.store.transitions.rescue() == []


def test_a_heartbeat_reports_lost_leases_and_renews_the_rest(bench: Bench) -> None:
    bench.enqueue(new(), new())
    kept, lost = bench.claim(2)
    bench.release(lost)
    (taken,) = bench.claim(worker="w2")
    bench.clock.advance(10)
    before = bench.get(taken)
    assert bench.store.transitions.heartbeat(held(kept, lost), 30).lost == {lost.id}
    assert bench.get(taken) == before
    assert bench.get(kept).lease_until == bench.clock.now() + 30


def test_a_heartbeat_returns_stop_requests(bench: Bench) -> None:
    job = bench.running()
    bench.store.jobs.cancel([job.id])
    assert bench.store.transitions.heartbeat(held(job), 30).cancelling == {job.id}


def test_a_heartbeat_without_jobs_returns_nothing(bench: Bench) -> None:
    renewal = bench.store.transitions.heartbeat([], 30)
    assert (renewal.lost, renewal.cancelling) == (frozenset(), frozenset())


@pytest.mark.sqlite
def test_the_cost_of_a_heartbeat_does_not_depend_on_the_jobs_of_others(bench: Bench) -> None:
    """It holds the lock: reading all running jobs for each job made four busy processes wait for seconds."""
    bench.enqueue(*[new() for _ in range(440)])
    mine = held(*bench.claim(40))
    alone = steps_of(lambda: bench.store.transitions.heartbeat(mine, 30))
    bench.claim(400, worker="w2")
    assert alone <= steps_of(lambda: bench.store.transitions.heartbeat(mine, 30)) < 1.5 * alone


def test_a_job_with_an_expired_lease_becomes_ready_and_its_attempt_is_crashed(bench: Bench) -> None:
    job = bench.running()
    bench.clock.advance(30)
    assert bench.store.transitions.rescue() == []
    bench.clock.advance(0.1)
    assert bench.store.transitions.rescue() == [job.id]
    assert (bench.get(job).state, bench.get(job).attempt) == (State.PENDING, 1)
    assert (bench.get(job).reason, bench.get(job).crashes) == (None, 1)
    (attempt,) = bench.store.reader.attempts(job.id)
    assert (attempt.outcome, attempt.number, attempt.worker) == (Outcome.CRASHED, 1, "w1")
    assert bench.store.transitions.rescue() == []
    bench.check_counters()


def test_a_crash_in_the_last_attempt_fails_the_job(bench: Bench) -> None:
    (job,) = bench.enqueue(new(max_attempts=2))
    for _ in range(2):
        assert len(bench.claim()) == 1
        bench.clock.advance(31)
        bench.store.transitions.rescue()
    failed = bench.get(job)
    assert (failed.state, failed.attempt, failed.reason, failed.crashes) == (State.FAILED, 2, Reason.CRASHED, 2)
    assert failed.finished_at == bench.clock.now()
    assert bench.claim() == []


def test_a_crashed_job_that_was_asked_to_stop_is_cancelled(bench: Bench) -> None:
    job = bench.running()
    bench.store.jobs.cancel([job.id])
    bench.clock.advance(31)
    bench.store.transitions.rescue()
    assert (bench.get(job).state, bench.get(job).cancelling) == (State.CANCELLED, False)
    assert (bench.get(job).reason, bench.get(job).crashes) == (None, 1)


def test_a_rescue_stops_at_its_limit(bench: Bench) -> None:
    bench.enqueue(*(new() for _ in range(5)))
    bench.claim(5)
    bench.clock.advance(31)
    assert [len(bench.store.transitions.rescue(3)) for _ in range(3)] == [3, 2, 0]


def test_setting_the_wall_clock_forward_expires_no_lease(bench: Bench) -> None:
    job = bench.running()
    bench.clock.jump(10 * 365 * 86400)
    assert bench.store.transitions.rescue() == []
    assert bench.complete(job) == []


def test_setting_the_wall_clock_back_extends_no_lease(bench: Bench) -> None:
    job = bench.running()
    bench.clock.jump(-86400)
    bench.clock.advance(31)
    assert bench.store.transitions.rescue() == [job.id]


@pytest.mark.sqlite  # leases on a server use the clock of the server
def test_leases_of_an_earlier_boot_have_expired(bench: Bench) -> None:
    job = bench.running()
    bench.store.close()
    bench.clock.reboot()
    bench.store = bench.open_again()
    assert bench.store.transitions.rescue() == [job.id]


def test_reopening_in_the_same_boot_expires_no_lease(bench: Bench) -> None:
    job = bench.running()
    second = bench.open_again()
    assert second.transitions.rescue() == []
    second.close()
    assert bench.complete(job) == []


def test_workers_count_as_alive_for_one_lease(bench: Bench) -> None:
    report(bench)
    assert [worker.alive for worker in bench.store.workers.list(30)] == [True]
    bench.clock.jump(86400)
    assert [worker.alive for worker in bench.store.workers.list(30)] == [True]
    bench.clock.advance(31)
    assert [worker.alive for worker in bench.store.workers.list(30)] == [False]


def test_a_worker_is_listed_with_its_number_of_jobs_until_it_exits(bench: Bench) -> None:
    report(bench)
    bench.running()
    (worker,) = bench.store.workers.list(30)
    assert (worker.id, worker.running, worker.threads, worker.queues) == ("w1", 1, 4, ("mail", "img"))
    assert worker.heartbeat_at == bench.clock.now()
    bench.store.workers.deregister("w1")
    assert bench.store.workers.list(30) == []


def test_workers_that_died_long_ago_are_deleted(bench: Bench) -> None:
    report(bench)
    bench.clock.advance(3600)
    assert bench.store.workers.prune(3600) == 0
    bench.clock.advance(1)
    report(bench, "w2")
    assert bench.store.workers.prune(3600) == 1
    assert [worker.id for worker in bench.store.workers.list(30)] == ["w2"]


def report(bench: Bench, name: str = "w1") -> None:
    from jobdeck import WorkerInfo

    bench.store.workers.report(
        WorkerInfo(
            id=name,
            host="here",
            pid=7,
            threads=4,
            queues=("mail", "img"),
            started_at=bench.clock.now(),
            heartbeat_at=0,
            draining=False,
            running=0,
            alive=True,
        )
    )
