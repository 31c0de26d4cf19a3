"""Estimates the clocks of other boots: those of containers, virtual machines or machines that share the file, and earlier ones.

Leases are measured on the monotonic clock, which only processes of one boot share. A worker of another boot writes its clock
into the file with each report; since then, at least the time has passed that this process has seen pass. So the estimate is
never ahead of that clock, whose leases therefore never end early; once its workers are silent, it goes on, and they do end.
"""

from __future__ import annotations

import threading

import apsw

from ...clock import Clock
from ...json_functions import json
from ..backend import rows_of

_REPORTED = "SELECT boot, max(beat) FROM jobdeck_workers WHERE boot <> ? GROUP BY boot"
_ITS_CLOCK = """
(SELECT clock.value FROM jobdeck_workers AS its JOIN json_each(?) AS clock ON clock.key = its.boot
  WHERE its.id = jobdeck_jobs.worker)
"""
ENDED = f"lease_until < coalesce({_ITS_CLOCK}, ?)"
"""The SQL condition for an expired lease, by the estimates (see `ForeignClocks.read`) and by this boot's clock."""


class ForeignClocks:
    """The estimates of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead: dict[str, float] = {}
        """Seconds by which the clock of each boot is ahead of ours, at least."""
        self._lock = threading.Lock()

    def read(self, connection: apsw.Connection) -> str:
        """Return the time on the clock of each other boot that a worker is registered with, as a JSON object."""
        reported = rows_of(connection, _REPORTED, (self._clock.boot(),))
        if not reported:
            return "{}"
        now = self._clock.monotonic()
        with self._lock:
            for boot, beat in reported:
                self._ahead[boot] = max(self._ahead.get(boot, beat - now), beat - now)
            return json.dumps({boot: now + self._ahead[boot] for boot, _ in reported})
