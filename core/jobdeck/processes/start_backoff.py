"""Delay the start of child processes while those that start die before they run any job."""

from __future__ import annotations

from ..clock import time

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 60.0
_HOPELESS = 3
"""The number of early deaths in a row after which the jobs of such a process use up their attempts."""


class StartBackoff:
    """Counts the child processes in a row that died early: before they started any job."""

    def __init__(self) -> None:
        self._deaths = 0
        self.start_at = 0.0
        """The time on the monotonic clock from which the next process may start."""

    def on_started_job(self) -> None:
        """Note that a process has run a job."""
        self._deaths = 0

    def on_early_death(self) -> float:
        """Note an early death; return the seconds until the next start, which would probably fail for the same reason."""
        self._deaths += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._deaths, 10))
        self.start_at = time.monotonic() + pause
        return pause

    @property
    def is_hopeless(self) -> bool:
        """Report whether so many died early that a released job would never end."""
        return self._deaths >= _HOPELESS
