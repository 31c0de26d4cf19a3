"""Buffer the log of one attempt until the worker writes it to the store."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from ..clock import Clock
from .serialization import replace_surrogates

LOG_BUFFER_BYTES = 1 << 20
"""The maximum size of the buffer; beyond it the oldest lines are dropped."""

LogEntry = tuple[float, str, str]
"""The time, level and text of an entry."""


class LogBuffer:
    """A bounded, thread-safe log buffer: filled by the code of an attempt, drained by the worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: deque[LogEntry] = deque()
        self._bytes = 0
        self._dropped = 0
        self._lock = threading.Lock()

    def add(self, level: str, text: str) -> None:
        """Add a log record or lines of output."""
        kept = replace_surrogates(text)
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

    @property
    def is_empty(self) -> bool:
        """Return whether no entry was added since the last call of `drain`."""
        return not self._lines

    def drain(self) -> list[LogEntry]:
        """Remove and return the entries added since the last call."""
        with self._lock:
            lines = list(self._lines)
            if self._dropped:
                lines.insert(0, (lines[0][0], "warning", f"… {self._dropped:,} earlier entries were dropped"))
            self._lines.clear()
            self._bytes = self._dropped = 0
            return lines

    def extend(self, lines: Sequence[LogEntry]) -> None:
        """Add entries taken from another buffer."""
        with self._lock:
            self._lines.extend(lines)
            self._bytes += sum(len(line[2]) for line in lines)
            self._drop()

    def restore(self, lines: Sequence[LogEntry]) -> None:
        """Restore entries that were taken but could not be stored."""
        with self._lock:
            self._lines.extendleft(reversed(lines))
            self._bytes += sum(len(line[2]) for line in lines)
            self._drop()
