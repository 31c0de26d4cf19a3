"""What a crash may cost: which jobs are claimed ahead of idle threads, and what becomes of those that a crash interrupted."""

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
    """So many jobs that were running when their worker died."""
    made = bench.enqueue(*[new(**options) for _ in range(n)])
    assert len(bench.claim(n)) == n
    bench.clock.advance(31)
    ids = [job.id for job in made]
    assert bench.store.transitions.rescue() == ids
    return ids


def ids(jobs: list[Job]) -> list[int]:
    return [job.id for job in jobs]


def test_a_job_is_not_claimed_ahead_for_its_last_attempt_and_those_behind_it_wait_their_turn(bench: Bench) -> None:
    first, second, last, behind = bench.enqueue(new(), new(), new(max_attempts=1), new())
    assert ids(claim(bench, 1, ahead=10)) == [first.id, second.id]
    assert ids(claim(bench, 1, ahead=10)) == [last.id, behind.id]


def test_a_job_that_a_crash_has_interrupted_is_not_claimed_ahead(bench: Bench) -> None:
    (suspect,) = interrupted(bench, 1)
    bench.enqueue(new(priority=5))
    assert suspect not in ids(claim(bench, 1, ahead=10))
    assert ids(claim(bench, 1)) == [suspect]


def test_of_the_jobs_that_a_crash_has_interrupted_one_is_claimed_at_a_time(bench: Bench) -> None:
    first, second, _ = interrupted(bench, 3)
    assert ids(claim(bench, 4)) == [first]
    assert claim(bench, 3, suspects=False) == []
    assert ids(claim(bench, 4)) == [second]


@pytest.mark.parametrize("ageing", [0.0, 60.0])
def test_those_that_wait_for_their_turn_after_a_crash_keep_no_other_job_waiting(bench: Bench, ageing: float) -> None:
    suspects = interrupted(bench, 5)
    others = [job.id for job in bench.enqueue(*[new() for _ in range(4)])]
    # A thread for each, and as many suspects in front as there are threads.
    assert ids(claim(bench, 4, ageing=ageing)) == [suspects[0], *others[:3]]
    assert ids(claim(bench, 1, suspects=False, ageing=ageing)) == [others[3]]


def test_the_one_that_is_claimed_after_a_crash_keeps_its_place_in_the_order(bench: Bench) -> None:
    interrupted(bench, 3, priority=5)
    before = [job.id for job in bench.enqueue(*[new(priority=9) for _ in range(2)])]
    after = [job.id for job in bench.enqueue(*[new(priority=1) for _ in range(4)])]
    claimed = claim(bench, 4)
    assert [job.priority for job in claimed] == [9, 9, 5, 1]
    assert ids(claimed)[:2] + ids(claimed)[3:] == [*before, after[0]]
