"""Claiming ahead of the idle threads: for no job that a crash could cost dearly, and in order all the same."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import Job


def ids(jobs: list[Job]) -> list[int]:
    return [job.id for job in jobs]


def suspect(bench: Bench, **options: object) -> Job:
    """A job that a crash has interrupted."""
    job = bench.running(**options)
    bench.crash(job)
    return bench.get(job)


def test_jobs_are_claimed_beyond_the_idle_threads(bench: Bench) -> None:
    jobs = bench.enqueue(*[new() for _ in range(10)])
    assert ids(bench.claim(2, ahead=5)) == ids(jobs)[:7]
    assert ids(bench.claim(0, ahead=2)) == ids(jobs)[7:9]
    bench.check_counters()


def test_nothing_ahead_is_a_last_attempt_nor_comes_after_one(bench: Bench) -> None:
    jobs = bench.enqueue(new(), new(), new(max_attempts=1), new())
    assert ids(bench.claim(1, ahead=5)) == ids(jobs)[:2]
    assert bench.claim(0, ahead=5) == []
    # A thread that waits for it takes it, and then the others may come ahead.
    assert ids(bench.claim(1, ahead=5)) == ids(jobs)[2:]


def test_idle_threads_take_last_attempts_in_their_order(bench: Bench) -> None:
    jobs = bench.enqueue(*[new(max_attempts=1) for _ in range(4)])
    assert ids(bench.claim(3, ahead=5)) == ids(jobs)[:3]


def test_nothing_ahead_is_a_suspect_nor_comes_after_one(bench: Bench) -> None:
    crashed = suspect(bench, priority=1, max_attempts=9)
    first, *_ = bench.enqueue(new(priority=2), new(), new())
    assert ids(bench.claim(1, ahead=5)) == [first.id]
    assert bench.get(crashed) == crashed


def test_one_suspect_at_most_is_claimed_at_a_time_and_others_go_on(bench: Bench) -> None:
    jobs = bench.enqueue(*[new(priority=5, max_attempts=9) for _ in range(6)])
    bench.crash(*bench.claim(6))
    innocent = bench.enqueue(new(), new(), new())
    assert ids(bench.claim(3)) == [jobs[0].id, *ids(innocent)[:2]]
    # It is held; no other suspect may come, and an idle thread finds what comes after them.
    assert ids(bench.claim(1, suspects=False)) == [innocent[2].id]
    assert bench.claim(1, suspects=False) == []
    assert ids(bench.claim(4)) == [jobs[1].id]
    bench.check_counters()


@pytest.mark.parametrize("ageing", [0.0, 10.0])
def test_suspects_that_must_wait_do_not_hide_the_jobs_behind_them(bench: Bench, ageing: float) -> None:
    bench.enqueue(*[new(priority=5, max_attempts=9) for _ in range(50)])
    bench.crash(*bench.claim(50))
    (innocent,) = bench.enqueue(new())
    assert ids(bench.claim(1, suspects=False, ageing=ageing)) == [innocent.id]


def test_what_was_claimed_ahead_is_given_back_with_its_attempt(bench: Bench) -> None:
    bench.enqueue(*[new() for _ in range(3)])
    for job in bench.claim(1, ahead=2)[1:]:
        bench.release(job)
        assert bench.get(job).attempt == 0


def test_limits_hold_for_what_is_claimed_ahead(bench: Bench) -> None:
    bench.enqueue(*[new() for _ in range(5)])
    assert len(bench.claim(1, ahead=9, limits={"demo.work": 3})) == 3
