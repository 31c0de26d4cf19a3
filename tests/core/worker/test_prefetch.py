"""How far a worker claims ahead: what one process takes at once, others wait for."""

from __future__ import annotations

from tests.core.helpers import new

from jobdeck import State
from jobdeck.model.attempt_result import Completion
from jobdeck.store.new_job import new_job_record
from jobdeck.worker.prefetch import LONG, MOST, Pace


def at_full_pace() -> Pace:
    pace = Pace()
    pace.learn([Completion(new_job_record(new(), 1, 0.0, State.RUNNING, 0.0, None), 0.0, 1e-6)])
    claimed_again_and_again(pace)
    assert pace.ahead == MOST
    return pace


def claimed_again_and_again(pace: Pace) -> None:
    """Each time as many as were asked for, of jobs that take next to no time."""
    pace._mean = 1e-6
    for _ in range(12):
        pace.claimed(full=True, threads=4)


def test_who_waits_long_for_the_transactions_of_others_makes_its_own_shorter() -> None:
    pace = at_full_pace()
    pace.waited(2 * LONG)
    assert pace.ahead == MOST // 2
    claimed_again_and_again(pace)
    assert pace.ahead == MOST // 2
    for _ in range(10):
        pace.waited(2 * LONG)
    assert MOST // 8 < pace.ahead < MOST // 2  # a commit for a few costs more than they do


def test_who_does_not_wait_claims_as_far_ahead_as_before() -> None:
    pace = at_full_pace()
    pace.waited(2 * LONG)
    for _ in range(10):
        pace.waited(LONG / 2)
    claimed_again_and_again(pace)
    assert pace.ahead == MOST
