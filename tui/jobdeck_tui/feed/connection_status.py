"""Problems with the database, as the header shows them: what is wrong, for how long, and what the cockpit does about it."""

from __future__ import annotations

import time
from collections.abc import Callable

from jobdeck import record

STALE_AFTER = 3.0
"""Seconds without a new snapshot after which the data counts as stale."""
LOCKED_AFTER = 1.0
"""Seconds another program may hold the lock before the header reports it."""
STALL_AFTER = 3.0
"""Seconds between two beats after which this process must have been stalled: stopped, or suspended."""


@record
class ConnectionStatus:
    """A problem with the database at one moment."""

    word: str
    """`STALE` if the data on screen is old, `BLOCKED` if only the worker cannot proceed."""
    text: str
    activity: str
    """What the cockpit does about the problem."""
    seconds: int
    """The duration of the problem so far."""
    remedy: str = ""
    """What the user can do."""


class ConnectionMonitor:
    """Collects signs of the database's health and derives its status. Used on the event loop only."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._fresh_at: float | None = None
        self._beat_at = monotonic()
        self._trouble: str | None = None
        self._stalled_since: float | None = None
        self.lost = False
        """`True` if the database no longer exists."""

    def on_snapshot(self) -> None:
        """Record that a snapshot has arrived."""
        self._fresh_at = self._monotonic()

    def on_error(self, text: str | None, *, lost: bool = False) -> None:
        """Record that the database cannot be read; with `None`, that it can be read again."""
        self._trouble, self.lost = text, lost

    def beat(self) -> bool:
        """Return whether the whole process was stalled since the last call. Call it each second."""
        before, self._beat_at = self._beat_at, self._monotonic()
        return self._beat_at - before > STALL_AFTER

    def status(self, *, locked_since: float | None = None, held_up: str | None = None) -> ConnectionStatus | None:
        """Return the current problem, `None` if all is well.

        Args:
            locked_since: monotonic time since which this process waits for another program's lock.
            held_up: why the workers of this process can neither claim nor finish jobs.
        """
        now = self._monotonic()
        silent = 0.0 if self._fresh_at is None else now - self._fresh_at
        locked = 0.0 if locked_since is None else now - locked_since
        self._stalled_since = None if held_up is None else self._stalled_since or now
        if self._trouble is not None:
            does, way_out = ("waiting for it", "ctrl+n creates a new one") if self.lost else ("retrying", "")
            return ConnectionStatus("STALE", self._trouble, does, int(silent), way_out)
        if locked > LOCKED_AFTER:
            word, seconds = ("STALE", silent) if silent > LOCKED_AFTER + 1 else ("BLOCKED", locked)
            return ConnectionStatus(word, "another program has locked the database", "waiting for it", int(seconds))
        if silent > STALE_AFTER:
            return ConnectionStatus("STALE", "no update: the database is busy", "waiting for it", int(silent))
        if held_up is not None and self._stalled_since is not None:
            return ConnectionStatus("BLOCKED", held_up, "retrying", int(now - self._stalled_since))
        return None


def shorten_error(sentence: str, where: str) -> str:
    """Shorten an engine's error for a line that names the database already."""
    for long, short in (
        (f"The database {where} ", "the database "),
        (f"{where} ", "the database " if "://" in where else "the file "),
    ):
        sentence = sentence.replace(long, short)
    if where.startswith(("http://", "https://")):
        sentence = sentence.partition("; ")[0]  # what follows tells how to connect, which has worked before
    return sentence.removesuffix(".")
