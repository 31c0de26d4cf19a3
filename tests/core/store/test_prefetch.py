"""Prefetch beyond the idle threads: never of jobs that a crash could cost dearly, and in order."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import Job


def ids(jobs: list[Job]) -> list[int]:
    return [job.id for job in jobs]


def suspect(bench: Bench, **options: object) -> Job:
    """Return a job that a crash has interrupted."""
    job = bench.running(**options)
    bench.crash(job)
    return bench.get(job)


def test_jobs_are_prefetched_beyond_the_idle_threads(bench: Bench) -> None:
    jobs = bench.enqueue(*[new() for _ in range(10)])
    assert ids(bench.claim(2, ahead=5)) == ids(jobs)[:7]
    assert ids(bench.claim(0, ahead=2)) == ids(jobs)[7:9]
    bench.check_counters()


def test_last_attempts_and_jobs_after_them_are_not_prefetched(bench: Bench) -> None:
    jobs = bench.enqueue(new(), new(), new(max_attempts=1), new())
    assert ids(bench.claim(1, ahead=5)) == ids(jobs)[:2]
    assert bench.claim(0, ahead=5) == []
    # An idle thread claims it, and then the others can be prefetched.
    assert ids(bench.claim(1, ahead=5)) == ids(jobs)[2:]


def test_idle_threads_claim_last_attempts_in_order(bench: Bench) -> None:
    jobs = bench.enqueue(*[new(max_attempts=1) for _ in range(4)])
    assert ids(bench.claim(3, ahead=5)) == ids(jobs)[:3]


def test_crash_suspects_and_jobs_after_them_are_not_prefetched(bench: Bench) -> None:
    crashed = suspect(bench, priority=1, max_attempts=9)
    first, *_ = bench.enqueue(new(priority=2), new(), new())
    assert ids(bench.claim(1, ahead=5)) == [first.id]
    assert bench.get(crashed) == crashed


def test_at_most_one_crash_suspect_is_claimed_at_a_time_and_other_jobs_continue(bench: Bench) -> None:
    jobs = bench.enqueue(*[new(priority=5, max_attempts=9) for _ in range(6)])
    bench.crash(*bench.claim(6))
    innocent = bench.enqueue(new(), new(), new())
    assert ids(bench.claim(3)) == [jobs[0].id, *ids(innocent)[:2]]
    # While it is claimed, no other crash suspect is, and an idle thread gets the jobs after them.
    assert ids(bench.claim(1, suspects=False)) == [innocent[2].id]
    assert bench.claim(1, suspects=False) == []
    assert ids(bench.claim(4)) == [jobs[1].id]
    bench.check_counters()


@pytest.mark.parametrize("ageing", [0.0, 10.0])
def test_waiting_crash_suspects_do_not_block_jobs_after_them(bench: Bench, ageing: float) -> None:
    bench.enqueue(*[new(priority=5, max_attempts=9) for _ in range(50)])
    bench.crash(*bench.claim(50))
    (innocent,) = bench.enqueue(new())
    assert ids(bench.claim(1, suspects=False, ageing=ageing)) == [innocent.id]


def test_prefetched_jobs_are_released_with_their_attempt(bench: Bench) -> None:
    bench.enqueue(*[new() for _ in range(3)])
    for job in bench.claim(1, ahead=2)[1:]:
        bench.release(job)
        assert bench.get(job).attempt == 0


def test_limits_apply_to_prefetched_jobs(bench: Bench) -> None:
    bench.enqueue(*[new() for _ in range(5)])
    assert len(bench.claim(1, ahead=9, limits={"demo.work": 3})) == 3
