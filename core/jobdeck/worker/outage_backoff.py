"""Back off while the database is unavailable, and log each outage without flooding the log."""

from __future__ import annotations

import threading

from ..clock import time
from ..logs import get_logger
from ..model.errors import StoreBusy
from ..model.known_problems import known_problem

logger = get_logger("jobdeck.worker")

BUSY_PAUSE = 0.01
"""Seconds before the next try if the database is locked: the call has waited for the lock already, and so do others."""
LOG_INTERVAL = 60.0
"""Seconds between two log records about the same lasting error."""


class OutageBackoff:
    """Waits exponentially longer while the store fails. Logs each new error once, and a lasting one every minute."""

    def __init__(self, stopped: threading.Event, *, longest: float = 2.0) -> None:
        self._stopped = stopped
        self._longest = longest
        self._failures = 0
        self._logged: str | None = None
        self._log_again_at = 0.0
        self.last_error: str | None = None
        """The current error, in one sentence; `None` while the store works."""
        self.failing_since: float | None = None
        """The start of the outage on the monotonic clock; `None` while the store works."""

    def reset(self) -> None:
        """End the outage: the store works."""
        if self._failures:
            logger.info("The database is available again")
        self._failures = 0
        self._logged = self.last_error = self.failing_since = None

    def wait(self, error: Exception) -> None:
        """Log the error and wait, at most until the worker stops."""
        self._failures += 1
        pause = BUSY_PAUSE if isinstance(error, StoreBusy) else min(self._longest, 0.05 * 2.0 ** min(self._failures, 20))
        problem = known_problem(error)
        self.last_error = problem or f"A bug in jobdeck: {type(error).__name__}: {error}"
        now = time.monotonic()
        self.failing_since = self.failing_since or now
        if self.last_error != self._logged or now >= self._log_again_at:
            self._logged, self._log_again_at = self.last_error, now + LOG_INTERVAL
            if problem is not None:
                logger.warning("%s Retrying until it succeeds.", problem)
            else:
                logger.error("A bug in jobdeck; retrying", exc_info=error)
        if self._stopped.wait(pause):
            time.sleep(0.02)  # the last results are still retried, but not in a busy loop
