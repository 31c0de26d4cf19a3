"""The cost of a crash: which jobs are prefetched, and how jobs are claimed that a crash interrupted."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import Job
from jobdeck.store.claim_capacity import ClaimRequest


def claim(bench: Bench, idle: int, *, ahead: int = 0, suspects: bool = True, ageing: float = 0.0) -> list[Job]:
    return bench.store.claimer.claim(
        ClaimRequest("w1", idle, ahead=ahead, suspects=suspects, kinds=("demo.work",), queues=(), lease=30.0, ageing=ageing)
    )


def interrupted(bench: Bench, n: int, **options: int) -> list[int]:
    """Return jobs that were running when their worker died."""
    made = bench.enqueue(*[new(**options) for _ in range(n)])
    assert len(bench.claim(n)) == n
    bench.clock.advance(31)
    ids = [job.id for job in made]
    assert bench.store.transitions.rescue() == ids
    return ids


def ids(jobs: list[Job]) -> list[int]:
    return [job.id for job in jobs]


def test_the_last_attempt_of_a_job_is_not_prefetched_and_neither_are_jobs_after_it(bench: Bench) -> None:
    first, second, last, behind = bench.enqueue(new(), new(), new(max_attempts=1), new())
    assert ids(claim(bench, 1, ahead=10)) == [first.id, second.id]
    assert ids(claim(bench, 1, ahead=10)) == [last.id, behind.id]


def test_a_crashed_job_is_not_prefetched(bench: Bench) -> None:
    (suspect,) = interrupted(bench, 1)
    bench.enqueue(new(priority=5))
    assert suspect not in ids(claim(bench, 1, ahead=10))
    assert ids(claim(bench, 1)) == [suspect]


def test_crashed_jobs_are_claimed_one_at_a_time(bench: Bench) -> None:
    first, second, _ = interrupted(bench, 3)
    assert ids(claim(bench, 4)) == [first]
    assert claim(bench, 3, suspects=False) == []
    assert ids(claim(bench, 4)) == [second]


@pytest.mark.parametrize("ageing", [0.0, 60.0])
def test_waiting_crashed_jobs_do_not_block_other_jobs(bench: Bench, ageing: float) -> None:
    suspects = interrupted(bench, 5)
    others = [job.id for job in bench.enqueue(*[new() for _ in range(4)])]
    # A thread for each job, and as many crash suspects in front as threads.
    assert ids(claim(bench, 4, ageing=ageing)) == [suspects[0], *others[:3]]
    assert ids(claim(bench, 1, suspects=False, ageing=ageing)) == [others[3]]


def test_a_crashed_job_is_claimed_in_its_order(bench: Bench) -> None:
    interrupted(bench, 3, priority=5)
    before = [job.id for job in bench.enqueue(*[new(priority=9) for _ in range(2)])]
    after = [job.id for job in bench.enqueue(*[new(priority=1) for _ in range(4)])]
    claimed = claim(bench, 4)
    assert [job.priority for job in claimed] == [9, 9, 5, 1]
    assert ids(claimed)[:2] + ids(claimed)[3:] == [*before, after[0]]
