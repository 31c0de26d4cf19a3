"""Run the periodic maintenance of a queue: schedules, expiry, rescue, depth samples, pruning, and the write-ahead log.

Any process may run any task at any time; running a task twice is harmless.
"""

from __future__ import annotations

from ..clock import Clock, time
from ..execution.job_log import log_rescued
from ..logs import get_logger
from ..scheduling.ticker import enqueue_due, repair_future_ticks
from ..settings import Settings
from ..store.base import Store
from .service import PRUNE_PAUSE, prune_steps, pruning_rules

logger = get_logger("jobdeck.maintenance")

RESCUE_EVERY = 5.0
"""Seconds between two scans for expired leases."""
RESCUED_NAMED = 100
"""The maximum number of rescued jobs that are logged one by one."""
PRUNE_EVERY = 60.0
"""Seconds between two rounds of pruning."""
SAMPLE_EVERY = 15.0
"""Seconds between two checks for the queue depth sample of the current minute."""
PRUNE_CONTINUE_AFTER = 0.5
"""Seconds until pruning continues if a round did not finish."""
TIME_LIMIT = 0.2
"""The approximate time limit of a task with unlimited work, in seconds: the same thread renews leases."""
CONTINUE_AFTER = 0.001
"""Seconds until the next call if such a task did not finish."""
WORKERS_KEPT = 3600.0
"""Seconds for which a worker that died is still listed."""
LOG_EVERY = 5.0
"""Seconds between two checks of the size of the write-ahead log."""
LOG_BOUND = 32 << 20
"""The size in bytes above which the write-ahead log is checkpointed and truncated."""


class MaintenanceLoop:
    """Tracks which maintenance tasks are due in this process. `tick` runs them; nothing runs by itself."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, *, log_bound: int = LOG_BOUND) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._log_bound = log_bound
        self._blocked_checks = 0
        self._rescue_at = self._sample_at = self._log_at = 0.0
        self._prune_at = clock.monotonic() + PRUNE_EVERY
        self._next_tick: float | None = None
        self._unfinished = False

    @property
    def rescue_every(self) -> float:
        """Return the seconds between two rescue scans; shorter if the lease is short."""
        return min(RESCUE_EVERY, self._settings.lease / 2)

    def pause(self, longest: float) -> float:
        """Return the seconds until the next call of `tick`: `longest`, or less if a task is due sooner."""
        if self._unfinished:
            return CONTINUE_AFTER
        if self._next_tick is None:
            return longest
        return min(longest, max(0.001, self._next_tick - self._clock.now()))

    def run_due_tasks(self) -> list[int]:
        """Run the due tasks, with a time limit; return the ids of rescued jobs."""
        now = self._clock.monotonic()
        end, self._unfinished = now + TIME_LIMIT, False
        self._next_tick = enqueue_due(self._store, self._clock)
        # The claimer expires jobs on time, unless all its threads are busy.
        while not self._unfinished and self._store.transitions.expire():
            self._unfinished = self._clock.monotonic() >= end
        rescued: list[int] = []
        if now >= self._rescue_at:
            self._rescue_at = now + self.rescue_every
            while step := self._store.transitions.rescue():  # short transactions, until none is left to rescue
                rescued += step
                if self._clock.monotonic() >= end:
                    self._rescue_at, self._unfinished = now, True
                    break
            if rescued:
                logger.warning("Rescued %d jobs whose worker died or stalled: %s", len(rescued), rescued)
                log_rescued(self._store.reader.get_many(rescued[:RESCUED_NAMED]))
        if now >= self._sample_at:
            self._sample_at = now + SAMPLE_EVERY
            self._store.metrics.sample_depths()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY
            repair_future_ticks(self._store, self._clock)
            self.prune()
        if now >= self._log_at:
            self._log_at = now + LOG_EVERY
            self.checkpoint()
        return rescued

    def prune(self) -> int:
        """Delete final jobs past their retention, in short transactions with a time limit; return the number deleted.

        If the time limit is reached, pruning continues soon.
        """
        end = self._clock.monotonic() + TIME_LIMIT
        removed = 0
        for _, n in prune_steps(self._store, pruning_rules(self._settings)):
            removed += n
            if self._clock.monotonic() >= end:
                self._prune_at = self._clock.monotonic() + PRUNE_CONTINUE_AFTER
                return removed
            time.sleep(PRUNE_PAUSE)
        self._store.maintenance.prune_metrics()
        self._store.metrics.prune_depths()
        self._store.metrics.prune_totals()
        self._store.journal.prune()
        self._store.workers.prune(max(WORKERS_KEPT, 2 * self._settings.lease))
        return removed

    def checkpoint(self) -> None:
        """Keep the write-ahead log small; warn once if a long-running reader prevents that."""
        log = self._store.maintenance.checkpoint(self._log_bound)
        # Require two in a row: the first may be caused by one of our own short reads.
        self._blocked_checks = self._blocked_checks + 1 if log.held else 0
        if self._blocked_checks == 2:
            logger.warning(
                "The write-ahead log has grown to %.0f MB because a long-running read transaction of another program"
                " prevents its truncation; end that transaction",
                log.size / 1e6,
            )
