"""The size of the prefetch: other processes wait while one claims a large batch."""

from __future__ import annotations

from tests.core.helpers import new

from jobdeck import State
from jobdeck.model.attempt_result import Completed
from jobdeck.store.new_job import new_job_record
from jobdeck.worker.prefetch import LONG_LOCK_WAIT, MAX_PREFETCH, Prefetch


def at_full_pace() -> Prefetch:
    pace = Prefetch()
    pace.observe([Completed(new_job_record(new(), 1, 0.0, State.RUNNING, 0.0, None), 0.0, 1e-6)])
    claim_repeatedly(pace)
    assert pace.ahead == MAX_PREFETCH
    return pace


def claim_repeatedly(pace: Prefetch) -> None:
    """Simulate full claims of jobs that take almost no time."""
    pace._mean = 1e-6
    for _ in range(12):
        pace.on_claim(full=True, threads=4)


def test_long_waits_for_other_transactions_shrink_the_prefetch() -> None:
    pace = at_full_pace()
    pace.on_lock_wait(2 * LONG_LOCK_WAIT)
    assert pace.ahead == MAX_PREFETCH // 2
    claim_repeatedly(pace)
    assert pace.ahead == MAX_PREFETCH // 2
    for _ in range(10):
        pace.on_lock_wait(2 * LONG_LOCK_WAIT)
    assert MAX_PREFETCH // 8 < pace.ahead < MAX_PREFETCH // 2  # a commit for a few jobs costs more than they do


def test_without_waits_the_prefetch_is_restored() -> None:
    pace = at_full_pace()
    pace.on_lock_wait(2 * LONG_LOCK_WAIT)
    for _ in range(10):
        pace.on_lock_wait(LONG_LOCK_WAIT / 2)
    claim_repeatedly(pace)
    assert pace.ahead == MAX_PREFETCH


def test_the_work_of_a_usual_wait_for_the_lock_is_prefetched() -> None:
    """Otherwise the threads of many processes on one file are idle while they wait, and each transaction serves few jobs."""
    pace = Prefetch()
    slow = Completed(new_job_record(new(), 1, 0.0, State.RUNNING, 0.0, None), 0.0, 0.05)
    pace.observe([slow])
    for _ in range(6):
        pace.on_claim(full=True, threads=2)
    assert pace.ahead <= 1  # without waits, each thread gets the next job in time
    for _ in range(20):
        pace.on_lock_wait(0.15)
        pace.observe([slow])
        pace.on_claim(full=True, threads=2)
    assert 5 <= pace.ahead <= 8  # two threads run six of them during a wait of 0.15 s
    for _ in range(20):
        pace.on_lock_wait(60.0)
        pace.observe([slow])
        pace.on_claim(full=True, threads=2)
    assert pace.ahead < 10  # they would be released, because they do not start in time
    for _ in range(30):
        pace.on_lock_wait(0.0)
        pace.observe([slow])
    assert pace.ahead <= 1
