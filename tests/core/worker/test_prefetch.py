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
