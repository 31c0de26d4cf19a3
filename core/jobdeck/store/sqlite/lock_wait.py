"""Paces the polls for the file's write lock, for which SQLite has no queue: each connection that waits asks again and again.

SQLite's own handler sleeps longer and longer, up to 100 ms, so a process that asks rarely is starved by one that asks
constantly. So here a wait polls more often the longer it lasts: the next one is more likely the one that has waited longest.
But if all waits are long because many connections wait, all of them would poll so often that the holder of the lock gets
no CPU. So how often a wait polls depends on how long waits *usually* last, and on whether this one lasts longer.

The time between two polls follows the square root of the usual wait. With the usual wait itself, a process that was lucky
would poll more often, and so be lucky again; with the root, the waits of all processes become the same. Only among dozens of
waiters it follows the usual wait: with the root, they would poll so often that little CPU is left.
"""

from __future__ import annotations

import math
import random

from ...clock import time

_MEAN = 0.002
_USUAL = 0.02
"""Seconds between two polls, on average, if waits usually take `_USUAL` seconds, as among five busy workers."""
_SHORTEST = 0.0005
_LONGEST = 0.100
"""Bounds of this average. A poll takes 20 to 50 µs of CPU: fifty waiters must not poll much more than 5,000 times a second."""
_CROWDED = 0.08
"""Seconds that a usual wait takes if dozens of connections wait."""
_AGED = 5.0
"""The maximum factor by which a wait that lasts longer than usual polls more often."""
_AGED_CROWDED = 2.0
"""The least that this factor shrinks to among dozens of waiters."""
_URGENT = 6.0
"""The factor by which an urgent wait polls more often, so that it ends before most others that started with it."""
_WEIGHT = 0.1
"""The weight of the latest wait in the usual wait."""


class LockWaits:
    """Paces the waits of one process for one file. Threads may share it."""

    def __init__(self) -> None:
        self._usual = 0.0
        self._ended_at = -math.inf

    def pause(self, waited: float, *, urgent: bool = False) -> float:
        """Return the seconds to sleep, of random length, before the next poll of a wait that has lasted `waited` seconds."""
        # A wait that is much longer than usual shows, before it ends, that there are more waiters than before.
        usual = max(self._usual, waited / (_AGED - 1))
        crowd = max(1.0, usual / _CROWDED)
        mean = min(_LONGEST, _MEAN * crowd * math.sqrt(min(usual, _CROWDED) / _USUAL))
        if usual:
            most = max(_AGED_CROWDED, _AGED / math.sqrt(crowd))
            mean /= min(most, 1 + waited / usual)
        return random.uniform(0.2, 1.8) * max(_SHORTEST, mean) / (_URGENT if urgent else 1.0)

    def record(self, started_at: float) -> None:
        """Record that a wait that started then, on the monotonic clock, has ended, with the lock or without it."""
        self._ended_at = time.monotonic()
        self._usual += _WEIGHT * (self._ended_at - started_at - self._usual)

    def ended_within(self, seconds: float) -> bool:
        """Return whether any wait has ended in the last `seconds`."""
        return time.monotonic() - self._ended_at < seconds
