"""What keeps the queue healthy while workers run: stage due jobs, rescue the jobs of the dead, prune the old.

Any process may do any of it at any time; doing it twice is harmless.
"""

from __future__ import annotations

import logging

from .clock import Clock
from .settings import Settings
from .store.base import Store

logger = logging.getLogger("jobdeck.upkeep")

RESCUE_EVERY = 5.0
"""Seconds between two scans for ended leases."""
PRUNE_EVERY = 60.0
"""Seconds between two rounds of pruning."""
WORKERS_KEPT = 3600.0
"""Seconds that a worker which died without a word is still shown."""
_PRUNE_STEP = 500
_PRUNE_STEPS = 20


class Upkeep:
    """The upkeep of one process. `tick` does what is due; nothing here runs by itself."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._rescue_at = 0.0
        self._prune_at = clock.monotonic() + PRUNE_EVERY

    @property
    def rescue_every(self) -> float:
        """Seconds between two rescue scans: shorter where the lease is short."""
        return min(RESCUE_EVERY, self._settings.lease / 2)

    def tick(self) -> list[int]:
        """Do what is due now; returns the ids of rescued jobs."""
        now = self._clock.monotonic()
        rescued: list[int] = []
        if now >= self._rescue_at:
            self._rescue_at = now + self.rescue_every
            while step := self._store.rescue_jobs():  # short transactions, until the last one
                rescued += step
            if rescued:
                logger.warning("Rescued %d jobs whose worker died or stalled: %s", len(rescued), rescued)
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY
            self.prune()
        return rescued

    def prune(self) -> int:
        """Remove final jobs past their retention, in short transactions; returns how many."""
        removed = 0
        if self._settings.retention:
            for _ in range(_PRUNE_STEPS):
                step = self._store.prune_jobs(self._settings.retention, _PRUNE_STEP)
                removed += step
                if step < _PRUNE_STEP:
                    break
        self._store.prune_metrics()
        self._store.journal.prune()
        self._store.prune_workers(max(WORKERS_KEPT, 2 * self._settings.lease))
        return removed
