"""What is wrong between the cockpit and its database, in the words of the header: what, since when, what is done about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

STALE_AFTER = 3.0
"""Seconds without a new snapshot until that is said."""
LOCKED_AFTER = 1.0
"""Seconds that another program holds the lock until that is said."""
HELD_UP = 3.0
"""Seconds between two beats of the watch after which this process must have been held up: stopped, or asleep."""


@dataclass(frozen=True, slots=True)
class Plight:
    """One moment of it."""

    word: str
    """`STALE` where what is shown is old, `HELD UP` where only the work is."""
    text: str
    does: str
    """What the cockpit does about it."""
    seconds: int
    """Since when."""
    way_out: str = ""
    """What the person can do."""


class Watch:
    """Gathers what is heard of the database, and says what it means. Told and asked on the event loop only."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._fresh_at: float | None = None
        self._beat_at = monotonic()
        self._trouble: str | None = None
        self._held_since: float | None = None
        self.lost = False
        """Whether there is no database any more."""

    def news(self) -> None:
        """A snapshot has come."""
        self._fresh_at = self._monotonic()

    def trouble(self, text: str | None, *, lost: bool = False) -> None:
        """The database cannot be read; with `None`, it can again."""
        self._trouble, self.lost = text, lost

    def beat(self) -> bool:
        """Call it each second; whether the whole process was held up since the last call."""
        before, self._beat_at = self._beat_at, self._monotonic()
        return self._beat_at - before > HELD_UP

    def plight(self, *, locked_since: float | None = None, held_up: str | None = None) -> Plight | None:
        """What is wrong now.

        Args:
            locked_since: since when, on the monotonic clock, this process waits for another program's lock.
            held_up: why the workers of this process can neither claim nor finish jobs.
        """
        now = self._monotonic()
        silent = 0.0 if self._fresh_at is None else now - self._fresh_at
        locked = 0.0 if locked_since is None else now - locked_since
        self._held_since = None if held_up is None else self._held_since or now
        if self._trouble is not None:
            does, way_out = ("waits for it", "ctrl+n makes a new one") if self.lost else ("retrying", "")
            return Plight("STALE", self._trouble, does, int(silent), way_out)
        if locked > LOCKED_AFTER:
            word, seconds = ("STALE", silent) if silent > LOCKED_AFTER + 1 else ("HELD UP", locked)
            return Plight(word, "another program has locked the database", "waits for it", int(seconds))
        if silent > STALE_AFTER:
            return Plight("STALE", "no news: the database is busy", "waits for it", int(silent))
        if held_up is not None and self._held_since is not None:
            return Plight("HELD UP", held_up, "retrying", int(now - self._held_since))
        return None


def in_short(sentence: str, where: str) -> str:
    """What the engine says of its database, for a line that names the database already."""
    for long, short in (
        (f"The database {where} ", "the database "),
        (f"{where} ", "the database " if "://" in where else "the file "),
    ):
        sentence = sentence.replace(long, short)
    return sentence.removesuffix(".")
