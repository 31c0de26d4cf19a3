"""Ageing: priorities grow with the time that a job has been due, so that none starves."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import effective_priority


def claimed(bench: Bench, n: int = 1, ageing: float = 10.0) -> list[int]:
    return [job.id for job in bench.claim(n, ageing=ageing)]


def test_an_old_job_of_low_priority_precedes_a_new_one_of_high_priority(bench: Bench) -> None:
    (old,) = bench.enqueue(new(priority=0))
    bench.clock.advance(49)
    young, younger = bench.enqueue(new(priority=5), new(priority=4))
    assert claimed(bench) == [young.id]
    # Equal effective priorities are ordered by id.
    assert claimed(bench, 2) == [old.id, younger.id]


def test_without_ageing_priorities_are_exact(bench: Bench) -> None:
    (old,) = bench.enqueue(new(priority=0))
    bench.clock.advance(10_000)
    (young,) = bench.enqueue(new(priority=1))
    assert claimed(bench, 2, ageing=0.0) == [young.id, old.id]


def test_a_flood_of_high_priorities_starves_no_job(bench: Bench) -> None:
    (low,) = bench.enqueue(new(priority=-3))
    for step in range(100):
        bench.enqueue(new(priority=3))
        (job,) = bench.claim(1, ageing=2.0)
        if job.id == low.id:
            assert step == 12  # six steps of priority, two seconds each; a tie goes to the older job
            return
        bench.complete(job)
        bench.clock.advance(1)
    pytest.fail("it starved")


def test_the_order_holds_across_queues_kinds_and_priorities(bench: Bench) -> None:
    jobs = []
    for n in range(24):
        jobs += bench.enqueue(new(f"kind{n % 3}", f"queue{n % 2}", (7 * n) % 5))
        bench.clock.advance(3)
    now = bench.clock.now()
    expected = sorted(jobs, key=lambda job: (-effective_priority(job.priority, job.scheduled_at, now, 6.0), job.id))
    assert claimed(bench, 7, ageing=6.0) + claimed(bench, 30, ageing=6.0) == [job.id for job in expected]
    bench.check_counters()


def test_a_job_ages_from_when_it_is_due(bench: Bench) -> None:
    (later,) = bench.enqueue(new(priority=0, scheduled_at=bench.clock.now() + 100))
    bench.clock.advance(100)
    bench.store.transitions.stage()
    (now,) = bench.enqueue(new(priority=1))
    assert claimed(bench, 2) == [now.id, later.id]


def test_setting_the_wall_clock_back_ages_no_job(bench: Bench) -> None:
    high, low = bench.enqueue(new(priority=1), new(priority=0))
    bench.clock.jump(-10_000)
    assert claimed(bench, 2) == [high.id, low.id]
