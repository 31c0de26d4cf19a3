"""The size of the prefetch: other processes wait while one claims a large batch."""

from __future__ import annotations

from tests.core.helpers import new

from jobdeck import State
from jobdeck.model.attempt_result import Completion
from jobdeck.store.new_job import new_job_record
from jobdeck.worker.prefetch import LONG, MOST, Pace


def at_full_pace() -> Pace:
    pace = Pace()
    pace.learn([Completion(new_job_record(new(), 1, 0.0, State.RUNNING, 0.0, None), 0.0, 1e-6)])
    claim_repeatedly(pace)
    assert pace.ahead == MOST
    return pace


def claim_repeatedly(pace: Pace) -> None:
    """Simulate full claims of jobs that take almost no time."""
    pace._mean = 1e-6
    for _ in range(12):
        pace.claimed(full=True, threads=4)


def test_long_waits_for_other_transactions_shrink_the_prefetch() -> None:
    pace = at_full_pace()
    pace.waited(2 * LONG)
    assert pace.ahead == MOST // 2
    claim_repeatedly(pace)
    assert pace.ahead == MOST // 2
    for _ in range(10):
        pace.waited(2 * LONG)
    assert MOST // 8 < pace.ahead < MOST // 2  # a commit for a few jobs costs more than they do


def test_without_waits_the_prefetch_is_restored() -> None:
    pace = at_full_pace()
    pace.waited(2 * LONG)
    for _ in range(10):
        pace.waited(LONG / 2)
    claim_repeatedly(pace)
    assert pace.ahead == MOST
