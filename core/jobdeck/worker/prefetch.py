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
_LOWEST_LIMIT = 128
"""The lowest limit on prefetched jobs, however long the wait: a commit costs as much as several jobs."""
_MEAN_WEIGHT = 0.3
"""The weight of the latest jobs in the mean run time."""
_SHORTEST_RUN = 1e-6


class Prefetch:
    """Sizes the prefetch. Short jobs are prefetched, because a commit for each few of them would cost more than they do.

    The size follows the run time of the latest jobs, at most doubles with each claim, and returns to zero if a claim
    finds fewer jobs than requested or if prefetched jobs wait too long.
    """

    def __init__(self) -> None:
        self.ahead = 0
        """The number of jobs to hold beyond the idle threads."""
        self._mean: float | None = None
        self._max_ahead = MAX_PREFETCH

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
        self.ahead = min(self._max_ahead, max(2 * threads, 2 * self.ahead), self._limit()) if full else 0

    def on_lock_wait(self, seconds: float) -> None:
        """Adjust the limit to the seconds that the last transaction waited for its lock."""
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
        return 0 if self._mean is None else int(PREFETCH_SECONDS / max(_SHORTEST_RUN, self._mean))
