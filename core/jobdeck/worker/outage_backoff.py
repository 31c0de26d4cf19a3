"""The keeper of a worker: renews leases, writes logs and progress, reports that the worker lives, does the upkeep."""

from __future__ import annotations

import logging
import threading
import time

from ..model.errors import StoreError

logger = logging.getLogger("jobdeck.worker")


TELL_EVERY = 60.0
"""Seconds until the log hears again of a trouble that lasts."""


class Patience:
    """Longer and longer pauses while the store fails. The log hears of each trouble once, and then each minute."""

    def __init__(self, ended: threading.Event, *, longest: float = 2.0) -> None:
        self._ended = ended
        self._longest = longest
        self._failures = 0
        self._told: str | None = None
        self._tell_at = 0.0
        self.trouble: str | None = None
        """What is wrong now, in one sentence; `None` while the store works."""

    def reset(self) -> None:
        """The store works."""
        if self._failures:
            logger.info("The database works again")
        self._failures = 0
        self._told = self.trouble = None

    def wait(self, error: Exception) -> None:
        """Say what is wrong, and pause; no longer than until the worker stops."""
        self._failures += 1
        pause = min(self._longest, 0.05 * 2.0 ** min(self._failures, 20))
        known = isinstance(error, StoreError)
        self.trouble = str(error) if known else f"A bug in jobdeck: {type(error).__name__}: {error}"
        now = time.monotonic()
        if self.trouble != self._told or now >= self._tell_at:
            self._told, self._tell_at = self.trouble, now + TELL_EVERY
            if known:
                logger.warning("%s Trying again until it works", error)
            else:
                logger.error("A bug in jobdeck, trying again", exc_info=error)
        if self._ended.wait(pause):
            time.sleep(0.02)  # the last endings are still tried, but not in a hot loop
