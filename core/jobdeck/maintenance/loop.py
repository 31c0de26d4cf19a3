"""What keeps the queue healthy while workers run: periodic jobs, the jobs of the dead, the old, the log.

Any process may do any of it at any time; doing it twice is harmless.
"""

from __future__ import annotations

import logging
import time

from ..clock import Clock
from ..scheduling.ticker import mend, run_due
from ..settings import Settings
from ..store.base import Store
from .service import BREATH, prune_steps, rules_of

logger = logging.getLogger("jobdeck.upkeep")

RESCUE_EVERY = 5.0
"""Seconds between two scans for ended leases."""
PRUNE_EVERY = 60.0
"""Seconds between two rounds of pruning."""
SAMPLE_EVERY = 15.0
"""Seconds between two looks whether this minute has its sample of the queues' depth."""
PRUNE_AGAIN = 0.5
"""Seconds until the next round where one has left something over."""
ROUND = 0.2
"""Seconds that a round of what may be without number takes, about: leases are renewed by the same thread."""
SOON = 0.001
"""Seconds until the next round where one of these has left something over."""
WORKERS_KEPT = 3600.0
"""Seconds that a worker which died without a word is still shown."""
LOG_EVERY = 5.0
"""Seconds between two looks at the size of the write-ahead log."""
LOG_BOUND = 32 << 20
"""Bytes: a larger write-ahead log is folded into the database and cut."""


class Upkeep:
    """The upkeep of one process. `tick` does what is due; nothing here runs by itself."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, *, log_bound: int = LOG_BOUND) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._log_bound = log_bound
        self._held = 0
        self._rescue_at = self._sample_at = self._log_at = 0.0
        self._prune_at = clock.monotonic() + PRUNE_EVERY
        self._next_tick: float | None = None
        self._more = False

    @property
    def rescue_every(self) -> float:
        """Seconds between two rescue scans: shorter where the lease is short."""
        return min(RESCUE_EVERY, self._settings.lease / 2)

    def pause(self, longest: float) -> float:
        """How many seconds may pass until the next call of `tick`: `longest`, or less where something is due sooner."""
        if self._more:
            return SOON
        if self._next_tick is None:
            return longest
        return min(longest, max(0.001, self._next_tick - self._clock.now()))

    def tick(self) -> list[int]:
        """Do what is due now, for a moment; returns the ids of rescued jobs."""
        now = self._clock.monotonic()
        end, self._more = now + ROUND, False
        self._next_tick = run_due(self._store, self._clock)
        # The claimer does it on time, unless all its threads are busy.
        while not self._more and self._store.transitions.expire():
            self._more = self._clock.monotonic() >= end
        rescued: list[int] = []
        if now >= self._rescue_at:
            self._rescue_at = now + self.rescue_every
            while step := self._store.transitions.rescue():  # short transactions, until the last one
                rescued += step
                if self._clock.monotonic() >= end:
                    self._rescue_at, self._more = now, True
                    break
            if rescued:
                logger.warning("Rescued %d jobs whose worker died or stalled: %s", len(rescued), rescued)
        if now >= self._sample_at:
            self._sample_at = now + SAMPLE_EVERY
            self._store.metrics.sample_depths()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY
            mend(self._store, self._clock)
            self.prune()
        if now >= self._log_at:
            self._log_at = now + LOG_EVERY
            self.checkpoint()
        return rescued

    def prune(self) -> int:
        """Remove final jobs past their retention, in short transactions, for a moment; returns how many.

        What is left over then is next soon.
        """
        end = self._clock.monotonic() + ROUND
        removed = 0
        for _, n in prune_steps(self._store, rules_of(self._settings)):
            removed += n
            if self._clock.monotonic() >= end:
                self._prune_at = self._clock.monotonic() + PRUNE_AGAIN
                return removed
            time.sleep(BREATH)
        self._store.maintenance.prune_metrics()
        self._store.metrics.prune_depths()
        self._store.journal.prune()
        self._store.workers.prune(max(WORKERS_KEPT, 2 * self._settings.lease))
        return removed

    def checkpoint(self) -> None:
        """Keep the write-ahead log small; say so, once, where a reader does not let it shrink."""
        log = self._store.maintenance.checkpoint(self._log_bound)
        # Twice in a row: the first time it may have been one of our own short reads.
        self._held = self._held + 1 if log.held else 0
        if self._held == 2:
            logger.warning(
                "The write-ahead log has grown to %.0f MB, and a program that has been reading the database for long"
                " keeps it from shrinking: end its transaction",
                log.size / 1e6,
            )
