"""Effective priority: the order of claims if priorities age."""

from __future__ import annotations

from tests.core.helpers import Bench, new

from jobdeck import effective_priority
from jobdeck.store.claim_capacity import ClaimRequest


def test_priorities_do_not_age_by_default() -> None:
    assert effective_priority(3, 0.0, 1e9, 0.0) == 3


def test_each_full_step_of_waiting_raises_the_priority_by_one() -> None:
    assert [effective_priority(-2, 100.0, 100.0 + waited, 60.0) for waited in (0, 59.9, 60, 125)] == [-2, -2, -1, 0]


def test_a_job_that_is_not_due_has_not_waited() -> None:
    assert effective_priority(5, 1000.0, 10.0, 1.0) == 5


def test_claims_are_ordered_by_effective_priority(bench: Bench) -> None:
    bench.enqueue(new(priority=0))
    bench.clock.advance(130)
    bench.enqueue(new(priority=1), new(priority=3))
    now = bench.clock.now()
    jobs = [bench.get(job_id) for job_id in (1, 2, 3)]
    expected = sorted(jobs, key=lambda job: (-effective_priority(job.priority, job.scheduled_at, now, 60.0), job.id))
    claimed = bench.store.claimer.claim(ClaimRequest("w", 3, kinds=["demo.work"], queues=(), lease=30.0, ageing=60.0))
    assert [job.id for job in claimed] == [job.id for job in expected] == [3, 1, 2]
