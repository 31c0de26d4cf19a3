"""Ends the process by a deadline, whatever its threads wait for."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress

logger = logging.getLogger("jobdeck")


class LastResort:
    """A deadline for the exit of this process: a database that does not answer must not keep it alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._deadline = float("inf")

    def arm(self, seconds: float, code: int = 1) -> None:
        """Exit with `code` in this many seconds, unless disarmed; the earliest deadline counts."""
        deadline = time.monotonic() + seconds
        with self._lock:
            if deadline >= self._deadline:
                return
            if self._timer is not None:
                self._timer.cancel()
            self._deadline = deadline
            self._timer = threading.Timer(seconds, exit_now, (code,))
            self._timer.daemon = True
            self._timer.start()

    def disarm(self) -> None:
        """Drop the deadline."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer, self._deadline = None, float("inf")


def exit_now(code: int) -> None:
    """Exit without waiting for any thread."""
    for flush in (logging.shutdown, sys.stdout.flush, sys.stderr.flush):
        with suppress(Exception):
            flush()
    os._exit(code)
