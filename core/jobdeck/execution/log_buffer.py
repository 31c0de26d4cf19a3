"""The log of one attempt, on its way from the code that writes it to the store."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from ..clock import Clock
from .serialization import clean

LOG_BUFFER_BYTES = 1 << 20
"""What an attempt's log may hold in memory until it is written; beyond it the oldest lines are dropped."""

LogEntry = tuple[float, str, str]
"""When, level, text."""


class Log:
    """The log of one attempt: filled by its code, emptied by the worker into the store. Bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: deque[LogEntry] = deque()
        self._bytes = 0
        self._dropped = 0
        self._lock = threading.Lock()

    def add(self, level: str, text: str) -> None:
        """Add a record, or some lines of output."""
        kept = clean(text)
        if len(kept) > LOG_BUFFER_BYTES:
            kept = "…" + kept[-LOG_BUFFER_BYTES + 1 :]
        with self._lock:
            self._lines.append((self._clock.now(), level, kept))
            self._bytes += len(kept)
            self._drop()

    def _drop(self) -> None:
        while self._bytes > LOG_BUFFER_BYTES and len(self._lines) > 1:
            self._bytes -= len(self._lines.popleft()[2])
            self._dropped += 1

    def take(self) -> list[LogEntry]:
        """Everything that came since the last call."""
        with self._lock:
            lines = list(self._lines)
            if self._dropped:
                lines.insert(0, (lines[0][0], "warning", f"… {self._dropped:,} earlier entries were dropped"))
            self._lines.clear()
            self._bytes = self._dropped = 0
            return lines

    def extend(self, lines: Sequence[LogEntry]) -> None:
        """Add what another log has taken."""
        with self._lock:
            self._lines.extend(lines)
            self._bytes += sum(len(line[2]) for line in lines)
            self._drop()

    def put_back(self, lines: Sequence[LogEntry]) -> None:
        """These were taken, and could not be stored."""
        with self._lock:
            self._lines.extendleft(reversed(lines))
            self._bytes += sum(len(line[2]) for line in lines)
            self._drop()
