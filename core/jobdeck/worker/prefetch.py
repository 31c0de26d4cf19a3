"""Decide how many jobs a worker prefetches beyond its idle threads."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.attempt_result import AttemptResult, Released

PREFETCH_SECONDS = 0.05
"""Seconds of work, approximately, that one thread may have prefetched."""
MAX_PREFETCH = 512
"""The maximum number of prefetched jobs."""
LONG_LOCK_WAIT = 0.02
"""Seconds of waiting for the transactions of other processes above which this process shortens its own."""
_LONGEST_COVERED = 0.2
"""Seconds of waiting for the lock, at most, for which each thread has work prefetched: less than `dispatcher.STALE`."""
_LOWEST_LIMIT = 128
"""The lowest limit on prefetched jobs, however long the wait: a commit costs as much as several jobs."""
_MEAN_WEIGHT = 0.3
"""The weight of the latest jobs in the mean run time, and of the latest wait in the mean wait."""
_SHORTEST_RUN = 1e-6


class Prefetch:
    """Sizes the prefetch. Short jobs are prefetched, because a commit for each few of them would cost more than they do.

    The size follows the run time of the latest jobs, at most doubles with each claim, and returns to zero if a claim
    finds fewer jobs than requested or if prefetched jobs wait too long. If many processes wait for the lock of a file, each
    prefetches the work of that wait: otherwise its threads would be idle meanwhile, and each of the transactions, which are
    what all wait for, would serve a few jobs only.
    """

    def __init__(self) -> None:
        self.ahead = 0
        """The number of jobs to hold beyond the idle threads."""
        self._mean: float | None = None
        self._max_ahead = MAX_PREFETCH
        self._lock_wait = 0.0
        self._threads = 0

    @property
    def refill_at(self) -> int:
        """Return the number of waiting jobs at or below which the next claim is due."""
        return self.ahead // 2

    @property
    def flush_at(self) -> int:
        """Return the number of results that are worth a commit of their own."""
        return max(1, self.ahead // 2)

    def observe(self, results: Sequence[AttemptResult]) -> None:
        """Update the mean run time with these results."""
        took = [max(0.0, each.finished_at - each.started_at) for each in results if type(each) is not Released]
        if took:
            mean = sum(took) / len(took)
            self._mean = mean if self._mean is None else self._mean + _MEAN_WEIGHT * (mean - self._mean)
            self.ahead = min(self.ahead, self._limit())

    def on_claim(self, *, full: bool, threads: int) -> None:
        """Adjust the size after a claim; `full` if it returned as many jobs as requested."""
        self._threads = threads
        self.ahead = min(self._max_ahead, max(2 * threads, 2 * self.ahead), self._limit()) if full else 0

    def on_lock_wait(self, seconds: float) -> None:
        """Adjust the limits to the seconds that the last transaction waited for its lock."""
        self._lock_wait += _MEAN_WEIGHT * (seconds - self._lock_wait)
        self._max_ahead = (
            max(_LOWEST_LIMIT, self._max_ahead // 2)
            if seconds > LONG_LOCK_WAIT
            else min(MAX_PREFETCH, self._max_ahead + self._max_ahead // 8)
        )
        self.ahead = min(self.ahead, self._max_ahead)

    def reset(self) -> None:
        """Stop prefetching: prefetched jobs waited too long."""
        self.ahead = 0
        self._mean = PREFETCH_SECONDS

    def _limit(self) -> int:
        if self._mean is None:
            return 0
        covered = self._threads * min(self._lock_wait, _LONGEST_COVERED)
        return int((PREFETCH_SECONDS + covered) / max(_SHORTEST_RUN, self._mean))
